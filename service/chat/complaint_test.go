package chat

import "testing"

func TestAnOpinionBesideTheWishToGiveOne(t *testing.T) {
	for text, want := range map[string]bool{
		"我要投诉":           false,
		"投诉":             false,
		"我想提个建议":         false,
		"意见反馈":           false,
		"在哪里投诉":          false,
		"怎么投诉你们的营业员":     false,
		"我要投诉你们公司":       false,
		"投诉电话是多少":        false,
		"我想反映个问题":        false,
		"给你们提点意见":        false,
		"投诉进度":           false,
		"我的投诉处理了吗":       false,
		"我上周投诉的事情怎么样了":   false,
		"投诉流量":           false,
		"我要去工信部投诉你们":     false,
		"我不投诉了":          false,
		"撤销昨天晚上的投诉":      false,
		"没有意见":           false,
		"投诉以后会不会影响我的套餐？": false,
		"yijian": false,
		"你们服务态度太差了我要投诉":                                       true,
		"你们接受建议吗":                                             false,
		"我要投诉，你们流量扣费不明":                                       true,
		"我要投诉 昨天办的套餐今天扣了两次钱":                                  true,
		"反馈一下，东门营业厅排队太久了":                                     true,
		"建议增加夜间流量包":                                           true,
		"投诉！乱扣费":                                              true,
		"信号不好 投诉":                                             true,
		"我要投诉，为什么乱扣我的钱？":                                      true,
		"吐槽一下你们的信号真的太烂了":                                      true,
		"投诉你们的营业员，让我白跑了三趟":                                    true,
		"I want to complain: charged twice for one data pack": true,
	} {
		if got := hasOpinion(fold(text)); got != want {
			t.Errorf("%s: has an opinion = %v, want %v", text, got, want)
		}
	}
}
