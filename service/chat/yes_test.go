package chat_test

import (
	"strings"
	"testing"

	"kaimenhong/model/dbtest"
)

// TestAYesInOnesOwnWordsIsOne has what people write under 确定吗: what is a yes is one for
// what was asked and for nothing else, and whoever said anything else hears that nothing
// was done.
func TestAYesInOnesOwnWordsIsOne(t *testing.T) {
	const redeemed, unbound = "兑换成功", "已经解绑"
	for _, tt := range []struct {
		says           string
		redeem, unbind string
	}{
		{"好的谢谢", redeemed, unbound}, {"好的，谢谢你！", redeemed, unbound}, {"可以的", redeemed, unbound}, {"好啊", redeemed, unbound}, {"嗯嗯", redeemed, unbound}, {"好滴", redeemed, unbound},
		{"我确定", redeemed, unbound}, {"是的，确认", redeemed, unbound}, {"没错", redeemed, unbound}, {"好的👌", redeemed, unbound}, {"确定[微笑]", redeemed, unbound}, {"对的", redeemed, unbound},
		{"换吧", redeemed, "没有解绑"}, {"确定兑换", redeemed, ""}, {"兑换吧", redeemed, ""},
		{"解吧", "积分没有动", unbound}, {"解绑吧", "", unbound}, {"解绑", "", unbound}, {"确认解绑", "", unbound},
		{"谢谢", "积分没有动", "没有解绑"}, {"你好", "积分没有动", "没有解绑"}, {"[OK]", "积分没有动", "没有解绑"}, {"👌", "积分没有动", "没有解绑"}, {"好了", "积分没有动", "没有解绑"}, {"行了", "积分没有动", "没有解绑"},
		{"可以是可以", "积分没有动", "没有解绑"}, {"行行好", "积分没有动", "没有解绑"}, {"好不好", "积分没有动", "没有解绑"}, {"是吗", "积分没有动", "没有解绑"}, {"可以吗", "积分没有动", "没有解绑"}, {"对了", "积分没有动", "没有解绑"},
		{"好吧算了", "已经取消", "已经取消"}, {"好的，不用了", "已经取消", "已经取消"}, {"我没说解绑", "", "没有解绑"}, {"是谁让你解绑的", "", ""}, {"确定吗", "积分没有动", "没有解绑"}, {"不确定[流泪]", "已经取消", "已经取消"},
	} {
		k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
		k.plays(t, []line{{"积分兑换", "2 咖啡券"}, {"2", "确定吗"}, {tt.says, tt.redeem}})
		if done := tt.redeem == redeemed; done != (k.world.points.Available == 900) {
			t.Errorf("%q leaves %d points (a yes: %t)", tt.says, k.world.points.Available, done)
		}
		k.plays(t, []line{{"取消", ""}, {"解绑", "确定要解绑"}, {tt.says, tt.unbind}})
		if done := tt.unbind == unbound; done == k.world.member.Bound() {
			t.Errorf("%q leaves the number bound: %t (a yes: %t)", tt.says, k.world.member.Bound(), done)
		}
	}
}

func TestCourtesyInManyWordsIsCourtesy(t *testing.T) {
	k := newTalk(t, newWorld(t), dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	for want, all := range map[string]string{
		"不客气，":         "谢谢你啦 多谢晒 好的知道了谢谢 谢谢🙏 谢谢[玫瑰] 嗯嗯谢谢啊 麻烦您了 好的再见 太感谢了",
		"好的。":          "好的知道了 嗯好的 哦哦 收到收到 好滴 好的[OK] 行吧知道了",
		"您好，掌上营业厅为您服务": "早上好呀 你好你好 亲在吗 哈喽你好 元旦快乐 你好[微笑] 在吗在吗",
		"收到您的表情啦":      "[微笑] [呲牙][呲牙] /::)",
	} {
		for said := range strings.FieldsSeq(all) {
			if got := k.says(t, said); !strings.HasPrefix(got, want) {
				t.Errorf("%q is answered\n%s\nwant %q", said, got, want)
			}
		}
	}
	k.plays(t, []line{{"谢谢，查话费", "话费余额"}, {"好的那流量呢", "流量还剩"}, {"[微笑]查话费[玫瑰]", "话费余额"}, {"不好", "!好的。"}, {"不知道", "!好的。"}, {"客服", "!您好"}, {"[话费]", "话费余额"}})
}
