package story_test

import (
	"net/http"
	"strings"
	"testing"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/wechat"
)

func TestTheMiniProgramTellsWhatPeopleSubscribeTo(t *testing.T) {
	for name, asJSON := range map[string]bool{"XML": false, "JSON": true} {
		t.Run(name, func(t *testing.T) {
			story.Everywhere(t, func(t *testing.T, s story.Stores) {
				w := story.Begin(t, s, func(o *sandbox.Options) {
					o.MiniCallbackURL, o.MiniJSON = strings.Replace(o.CallbackURL, "/wechat/", "/wechat/mini/", 1), asJSON
				})
				w.Settings["WECHAT_MINI_TOKEN"], w.Settings["WECHAT_MINI_ENCODING_AES_KEY"] = sandbox.DefaultToken, sandbox.DefaultAESKey
				r := w.Replica()
				zhang := w.Person("ordinary")
				for _, tmpl := range wechat.DefaultTemplates() {
					if tmpl.Kind == wechat.MiniTemplate {
						if err := w.Sandbox.WeChat.Subscribe(zhang.ID, wechat.Grant{Templates: []string{tmpl.ID}}); err != nil {
							t.Fatal(err)
						}
						break
					}
				}
				w.Until("the event is taken", func() bool {
					return r.Metric("callbacks_total", `type="event.subscribe_msg_popup_event"`, `outcome="success"`) == 1
				})
				forged, err := http.Post(r.URL+"/wechat/mini/callback?signature=x&timestamp=1&nonce=1", "text/xml", strings.NewReader("<xml></xml>"))
				if err != nil {
					t.Fatal(err)
				}
				if err := forged.Body.Close(); err != nil || forged.StatusCode != http.StatusForbidden {
					t.Errorf("a forged call is answered %d, %v, want 403", forged.StatusCode, err)
				}
			})
		})
	}
}
