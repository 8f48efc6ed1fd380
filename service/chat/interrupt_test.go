package chat_test

import (
	"strings"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

func TestAMenuAnswerOfTheOperatorsLeavesTheQuestionBeforeIt(t *testing.T) {
	pool, w := dbtest.SQLite(t), newWorld(t)
	rules := newRules(t, pool)
	if _, err := rules.Add(t.Context(), 1, rule(chat.Exact, "springfestival", "春节活动开始啦，回复1参加"), "r1"); err != nil {
		t.Fatal(err)
	}
	k := newTalk(t, w, pool, dbtest.EmbeddedRedis(t), rules, plainOptions)
	for _, asked := range [][]line{
		{{"积分兑换", "1 "}, {"1", "确定吗"}},
		{{"解绑", "确定要解绑"}},
	} {
		k.plays(t, asked)
		in := k.inbound(model.InClick)
		in.EventKey = "springfestival"
		if got := k.gets(t, in).Text; !strings.Contains(got, "回复1参加") {
			t.Fatalf("the tap is answered %q, want the operator's words", got)
		}
		k.plays(t, []line{{"1", "没对上号"}})
	}
	if w.points.Available != 1200 || !w.member.Bound() {
		t.Errorf("%d points are left and bound = %v, want nothing changed", w.points.Available, w.member.Bound())
	}
}
