package chat_test

import (
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

func TestACodeThatDidNotComeIsSentOnceMore(t *testing.T) {
	w := newWorld(t)
	w.member.Phone = model.Phone{}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	const again = "再发一次手机号，我重新发一条"
	k.plays(t, []line{
		{"收不到验证码", "请直接发送您的11位手机号"}, // none was sent
		{"13912345678", "短信已发到"}, {"没收到验证码", again}, {"验证码怎么还没来啊？", again}, {"驗證碼收不到", again},
		{"验证码没收到，我手机号是13912345678", "短信已发到"},
		{"【掌上营业厅】您的验证码是123456，5分钟内有效，请勿告诉他人。", "绑定成功"},
		{"收不到验证码", "1 人工"}, // another one's, for nothing is bound just now
	})
	k.plays(t, []line{{"意见反馈", "下一条"}, {"收不到验证码", "已经记下"}})
}
