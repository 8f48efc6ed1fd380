package story_test

import (
	"testing"

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
