package chat_test

import (
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestWhatIsWaitedForIsUnderstoodInOnesOwnWords(t *testing.T) {
	const lost, kept, again = "请先核对手机号有没有写错", "已经记下", "请把您的意见写成一条文字消息"
	bound, stranger := newWorld(t).member.Phone, model.Phone{}
	for _, tt := range []struct {
		phone model.Phone
		lines []line
	}{
		{stranger, []line{{"停机了", "停机是不是因为欠费，绑定手机号就能查"}, {"13800138000", "已发到"}, {"123456", "话费余额"}}},
		{stranger, []line{{"为什么停机", "停机后收不到短信验证码，就找人工"}}},
		{stranger, []line{{"欠费多少", "先绑定手机号才能查话费"}, {"查话费", "!停机"}}},
		{stranger, []line{{"查话费", ""}, {"13800138000", "已发到"}, {"收不到", lost}, {"没收到啊", lost}, {"再发一次", lost}, {"重发", lost}, {"号码写错了", lost}, {"怎么还没收到", lost}, {"123456", "绑定成功：138****8000"}}},
		{bound, []line{{"收不到", "!核对手机号"}, {"再发一次", "!核对手机号"}}},
		{bound, []line{{"我要投诉", ""}, {"算了不投诉了", "已经取消"}, {"意见反馈", ""}, {"不用了谢谢", "已经取消"}, {"意见反馈", ""}, {"没有", "已经取消"}, {"意见反馈", ""}, {"没有意见了", "已经取消"}}},
		{bound, []line{{"意见反馈", ""}, {"好的", again}, {"谢谢", again}, {"你好", again}, {"排队太久", kept}}},
		{bound, []line{{"意见反馈", ""}, {"没有人接电话", kept}, {"意见反馈", ""}, {"好的服务没有，差的一堆", kept}, {"意见反馈", ""}, {"不投诉了你们就不改吗", kept}}},
		{bound, []line{{"积分兑换", ""}, {"我要第二个", "用 300积分兑换“咖啡券”"}, {"取消", ""}, {"积分兑换", ""}, {"就第二个吧", "“咖啡券”"}, {"取消", ""}, {"积分兑换", ""}, {"要2", "“咖啡券”"}, {"取消", ""}, {"积分兑换", ""}, {"最后一个", "“影视会员”"}}},
		{bound, []line{{"积分兑换", ""}, {"咖啡券", "用 300积分兑换“咖啡券”"}, {"取消", ""}, {"积分兑换", ""}, {"我要换咖啡券吧", "“咖啡券”"}, {"取消", ""}, {"积分兑换", ""}, {"换一个", "!确定吗"}, {"积分兑换", ""}, {"流量", "流量还剩"}, {"积分兑换", ""}, {"券", "!确定吗"}, {"积分兑换", ""}, {"不要咖啡券", "!确定吗"}}},
		{bound, []line{{"查询", ""}, {"我要第二个", "流量还剩"}, {"查询", ""}, {"最后一个", "10月账单"}}},
	} {
		w := newWorld(t)
		w.member.Phone = tt.phone
		k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
		k.plays(t, tt.lines)
	}
}
