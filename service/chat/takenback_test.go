package chat

import "testing"

func TestWhatIsTakenBackIsNotAnswered(t *testing.T) {
	for text, want := range map[string]string{
		"话费不查了查流量": "usage", "话费不用查了，查流量": "usage", "余额不要，积分": "points", "积分先不看了，看话费": "balance",
		"流量不用了看看积分": "points", "话费不查了": "unknown", "话费就不用查了吧": "unknown",
		"套餐和流量都不要": "unknown", "流量和积分都不查了，查话费": "balance", "话费和流量不查了，查积分": "points",
		"套餐、流量都不要": "unknown", "套餐、流量、积分都不查了，查话费": "balance", "话费、流量不要，看账单": "bill", "套餐流量都不要": "unknown",
		"话费流量积分都不用查了": "unknown", "我要查话费，流量、积分都不要": "balance", "查话费，流量都不要": "balance", "话费、流量都不查了查积分": "points",
		// a no that asks
		"话费不是还有50吗": "balance", "流量不多了吧": "usage", "话费不够查一下": "balance", "不想查话费想查流量": "usage", "话费没了": "balance",
	} {
		if got := told(Understand(text, ChinaMobile)); got != want {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}

func TestABalanceBesideAnotherNumberIsTheMoneys(t *testing.T) {
	for text, want := range map[string]string{
		"余额和流量": "balance+usage", "查下流量跟余额": "balance+usage", "查积分和余额": "balance+points", "余额以及套餐": "balance+plan", "流量和余额还有积分": "choice",
		"余额和账单": "balance+bill", "账单和余额": "balance+bill", "余额跟上个月账单": "balance+bill", "话费、账单": "balance+bill", "查话费和10月账单": "balance+bill",
		"余额、流量": "balance+usage", "流量、余额": "balance+usage", "查询余额，查询流量": "balance+usage", "查下余额，再看看账单": "balance+bill", "余额、账单都要": "balance+bill",
		// one bill
		"话费账单": "bill", "话费的账单": "bill", "上个月话费和账单": "bill", "话费账单明细": "bill", "十月份话费账单": "bill", "账单余额": "bill",
		// of something
		"流量余额": "usage", "积分的余额": "points", "积分的余额和流量": "points+usage", "套餐余额和积分": "choice", "话费余额和流量": "balance+usage",
	} {
		if got := told(Understand(text, ChinaMobile)); got != want {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}

func TestWhatIsToBeChangedIsNotAnsweredWithWhatThereIs(t *testing.T) {
	for text, want := range map[string]string{
		"帮我取消套餐": "common", "取消流量包": "common", "帮我把流量包退了": "common", "来个5G流量包": "topup", "来一个10G的流量包": "topup",
		"5G套餐有哪些": "new", "有没有老人套餐": "new", "话费能提现吗": "choice", "我想把话费退出来": "choice",
		// what there is
		"我的套餐": "plan", "流量包还剩多少": "usage", "我有哪些流量包": "usage|choice", "套餐里有什么": "plan", "套餐内容": "plan",
	} {
		if got := told(Understand(text, ChinaMobile)); !right(got, want) {
			t.Errorf("%q = %s, want %s", text, got, want)
		}
	}
}
