package chat_test

import (
	"testing"

	"kaimenhong/model/dbtest"
)

func TestAComplaintThatIsToldAtOnceIsKeptAtOnce(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{
		{"我要投诉，你们流量扣费不明", "已经记下，编号 "},
		{"查流量", "流量还剩"},
		{"反馈一下，东门营业厅排队太久了", "已经记下，编号 "},
		{"我要投诉你们公司", "写在下一条消息里"},
		{"柜台少", "已经记下，编号 "},
	})
	notes, _, err := k.notes.List(t.Context(), true, "", 10)
	if err != nil || len(notes) != 3 || notes[2].Message != "我要投诉，你们流量扣费不明" || notes[1].Message != "反馈一下，东门营业厅排队太久了" {
		t.Errorf("Notes = %+v, %v, want the three as they were written", notes, err)
	}
}
