package chat_test

import (
	"regexp"
	"testing"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/service/chat"
)

// promise is what only a page that takes money could keep.
var promise = regexp.MustCompile(`点这里充值|去充值|去缴费|买个?流量包|给家人充值`)

func TestNoPaymentIsPromised(t *testing.T) {
	for _, links := range []map[chat.Intent]chat.Link{nil, {chat.TopUp: {AppID: "wx1", Page: "pages/topup", URL: "https://example.com"}}} {
		w := newWorld(t)
		w.balance = model.Balance{Available: 500, AsOf: model.At(w.now)}
		w.usage.Allowances = []model.Allowance{{Kind: model.Data, Name: "国内流量", Total: 30 << 30, Left: 1 << 30, ValidUntil: model.At(w.now) + 1000}}
		k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, chat.Options{Links: links})
		says := func(asked ...string) {
			for _, a := range asked {
				if got := k.says(t, a); promise.MatchString(got) {
					t.Errorf("%q is answered %q, which promises a payment", a, got)
				}
			}
		}
		says("充值", "买流量包", "给我妈充50话费", "帮我妈查话费", "查话费", "查流量", "9月账单")
		w.balance = model.Balance{Available: -100, Arrears: 100, AsOf: model.At(w.now)}
		w.usage.Allowances = nil
		says("欠费多少", "查流量")
		want := `看充值方式</a>`
		if links == nil {
			want = "请到营业厅缴费"
		}
		k.plays(t, []line{{"充值", "有积分可以换话费和流量"}, {"充值", want}})
	}
}
