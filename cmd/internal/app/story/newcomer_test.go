package story_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
)

func TestANewcomerLearnsHisBalance(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		zhang := w.Person("ordinary")
		zhang.Follows().Hears("欢迎来到营业厅", "11位手机号")
		zhang.Says("话费还有几块").Hears("先绑定手机号")
		zhang.Says(zhang.Phone).Hears("验证码短信已发到 138****8001", "5分钟")
		zhang.Says(zhang.Code()).Hears("绑定成功：138****8001", "话费余额 "+zhang.Balance())
	})
}

func TestPeopleAskInTheirOwnWords(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica().Publishes()
		zhang := w.Person("ordinary").Bound()
		balance := "话费余额 " + zhang.Balance()
		for _, words := range []string{"查话费", "我的話費還有多少", "ＣＸＹＥ", "cxye", " 查 话 费 ！", "话费还有几块"} {
			zhang.Says(words).Hears(balance)
		}
		zhang.Taps("balance").Hears(balance)
		zhang.Says("菜单").Hears("1 查话费")
		zhang.Says("1").Hears(balance)
		zhang.Says("CXLL").Hears("流量还剩")
		zhang.Says("套餐").Hears("每月")
		zhang.Says("查账单").Hears("元")
		zhang.Says("我有多少积分").Hears("可用积分")
		zhang.Says("😀").Hears("收到您的表情")
		zhang.Says("今天天气怎么样").Hears("没看明白", "1 查话费")
		zhang.Says("意见反馈").Hears("意见")
		zhang.Says("营业厅排队太久了").Hears("记下")
		zhang.Says("解绑").Hears("确定要解绑 " + zhang.Masked())
		zhang.Says("确认解绑").Hears("已经解绑")
		zhang.Says("查话费").Hears("先绑定手机号")
		zhang.Unfollows().HearsNothing()
	})
}

func TestARestartLosesNothing(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		first := w.Replica()
		li := w.Person("low_balance").Bound()
		chen := w.Person("data_low").Follows()
		chen.Says("绑定" + chen.Phone).Hears("验证码短信已发到")
		first.Stop()
		w.Replica()
		li.Says("查话费").Hears("话费余额 " + li.Balance())
		chen.Says(chen.Code()).Hears("绑定成功：" + chen.Masked()) // the conversation may be forgotten, the code is not
	})
}

func TestANumberThatChangedHandsIsUnboundAndItsOwnerTold(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		wu := w.Person("recycled").Bound()
		wu.Says("查话费").Hears("话费余额 " + wu.Balance())
		if _, err := w.Sandbox.Carrier.Recycle(wu.Phone); err != nil {
			t.Fatal(err)
		}
		w.Passes(61 * time.Second) // whatever was remembered for a minute is forgotten
		wu.Says("查话费")
		wu.HearsLater("机主已变更", "已自动解绑")
		for _, heard := range wu.Heard() {
			if strings.Contains(heard.Text, "余额") {
				t.Errorf("the next holder's number was shown: %s", heard.Text)
			}
		}
		wu.Says("查话费").Hears("先绑定手机号")
	})
}

// TestANumberThatChangedHandsIsShownNoMoreInTheMiniProgram lets its former holder come by
// the mini-program alone: neither what is left of the number nor its bills are his.
func TestANumberThatChangedHandsIsShownNoMoreInTheMiniProgram(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		wu := w.Person("recycled").Bound().Opens()
		w.Settle() // by now WeChat has said who he is in both
		wu.SignsIn()
		if me := wu.Get("/me").Is(http.StatusOK); me.Text("balance.status") != "ok" {
			t.Fatalf("he sees %s, want his balance", me)
		}
		if _, err := w.Sandbox.Carrier.Recycle(w.Person("recycled").Phone); err != nil {
			t.Fatal(err)
		}
		w.Passes(61 * time.Second) // whatever was remembered for a minute is forgotten
		me := wu.Get("/me").Is(http.StatusOK)
		for _, part := range []string{"balance", "allowances", "plan"} {
			if status := me.Text(part + ".status"); status != "failed" && status != "unbound" {
				t.Errorf("the next holder's %s is shown: %s", part, me)
			}
		}
		if detail := me.Text("balance.detail"); !strings.Contains(detail, "机主已变更") {
			t.Errorf("he reads %q, want that the number changed hands", detail)
		}
		if me := wu.Get("/me").Is(http.StatusOK); me.Text("balance.status") != "unbound" {
			t.Errorf("he sees %s, want to be asked for a number", me)
		}
	})
}

// TestTheBillsOfANumberThatChangedHandsAreNotShown asks for one list after the other.
func TestTheBillsOfANumberThatChangedHandsAreNotShown(t *testing.T) {
	for _, path := range []string{"/me/bills", "/me/usage", "/me/services"} {
		t.Run(path, func(t *testing.T) {
			w := story.Begin(t, story.Embedded(t))
			w.Replica()
			wu := w.Person("recycled").Bound().Opens()
			w.Settle()
			wu.SignsIn()
			wu.Get(path).Is(http.StatusOK)
			if _, err := w.Sandbox.Carrier.Recycle(w.Person("recycled").Phone); err != nil {
				t.Fatal(err)
			}
			w.Passes(61 * time.Second)
			wu.Get(path).Refused(http.StatusConflict, "member.reassigned")
			wu.Get(path).Refused(http.StatusConflict, "home.not_bound")
		})
	}
}
