package chat_test

import (
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestAStoppedPhoneIsAboutWhatIsOwed(t *testing.T) {
	w := newWorld(t)
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	const owesNothing = "话费余额 45.30元，没有欠费。\n停机要是还没恢复，原因得请客服查：人工"
	for _, says := range []string{"为什么停机", "停机了怎么办", "手机被停机了怎么回事", "我停机了，查一下话费"} {
		if got := k.says(t, says); got != owesNothing {
			t.Errorf("%q is answered %q, want %q", says, got, owesNothing)
		}
	}
	k.plays(t, []line{{"查话费", "话费余额 45.30元。\n查流量"}})
	w.balance = model.Balance{Available: -1230, Arrears: 1230, AsOf: model.At(w.now)}
	k.plays(t, []line{{"停机了怎么办", "您已欠费 12.30元，可用余额 0元。\n看怎么缴费，缴清后自动恢复"}, {"我妈手机停机了", "保护隐私"}})
}
