package story_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
	"kaimenhong/service/redpacket"
)

// TestWhoTakesHisOwnNumberOverIsNotWarned lets a follower whom WeChat names late bind
// his number once more in the mini-program. Whoever loses his to a stranger is warned,
// in the end also while WeChat says of nobody who he is.
func TestWhoTakesHisOwnNumberOverIsNotWarned(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		silent := faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable}
		w.Fault("wechat.user_info", silent)
		zhang := w.Person("ordinary").Bound()
		zhang.Opens().SignsIn().BindsPhone()
		w.Fault("wechat.user_info")
		w.Passes(10 * time.Second) // the question is asked again after a while
		w.Until("the follower and the one in the mini-program are one", func() bool {
			return w.Count("SELECT id FROM member WHERE merged_into <> 0") == 1
		})

		w.Fault("wechat.user_info", silent)
		wang, li := w.Person("student").Bound(), w.Person("family").Follows()
		w.Passes(61 * time.Second) // a number gets one code a minute
		li.Says("绑定" + wang.Phone).Hears("验证码短信已发到")
		li.Says(wang.Code()).Hears("绑定成功", wang.Masked())
		w.Passes(11 * time.Minute)
		wang.HearsLater(wang.Masked(), "已被其他微信号绑定", "人工")
		w.Fault("wechat.user_info")
		w.Passes(time.Hour)
		w.Settle()
		for _, heard := range zhang.Heard() {
			if strings.Contains(heard.Text, "解绑") {
				t.Errorf("who has his number heard %q", heard.Text)
			}
		}
		zhang.Says("查话费").Hears("话费余额 " + zhang.Balance())
	})
}

// TestWhoFollowedBeforeTheInstallationIsAFollower lets somebody write who follows since a
// time when no event came here. He does so since then, and is no new follower.
func TestWhoFollowedBeforeTheInstallationIsAFollower(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s, func(o *sandbox.Options) { o.Followers = o.Customers })
		w.Replica()
		phones := w.Sandbox.Carrier.Phones()
		old := w.Person("c" + phones[len(phones)-1])
		old.Says("菜单").Hears("1 查话费")
		w.Settle()
		if me := old.Opens().SignsIn().Get("/me").Is(http.StatusOK); me.Value("follows") != true {
			t.Errorf("he is %s, want a follower", me.Raw)
		}
		long := w.Now().Add(-20 * 24 * time.Hour).UnixMilli()
		if n := w.Count(fmt.Sprintf("SELECT id FROM member_follow WHERE action = 'follow' AND happened_at < %d", long)); n != 1 {
			t.Errorf("%d began to follow long ago, want him", n)
		}
		old.Unfollows().HearsNothing()
		if n := w.Count("SELECT id FROM member WHERE follows = TRUE"); n != 0 {
			t.Errorf("%d follow after he left, want none", n)
		}
	})
}

// TestAFollowerOfOldIsKnownAfterHisFirstWord lets a follower come by the mini-program who
// was never heard of: what he is asked to do there, to say something in the chat, makes
// him a follower in the session that he has.
func TestAFollowerOfOldIsKnownAfterHisFirstWord(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s, func(o *sandbox.Options) { o.Followers = o.Customers })
		w.Replica()
		phones := w.Sandbox.Carrier.Phones()
		old := w.Person("c" + phones[len(phones)-1])
		mini := old.Opens().SignsIn()
		if me := mini.Get("/me").Is(http.StatusOK); me.Value("follows") != false {
			t.Fatalf("he is %s, want nobody who is known to follow", me.Raw)
		}
		old.Says("你好")
		w.Settle()
		if me := mini.Get("/me").Is(http.StatusOK); me.Value("follows") != true {
			t.Errorf("he is %s, want a follower", me.Raw)
		}
	})
}

// TestWhoCameBackWhenNobodyListenedIsAFollowerByMorning loses the event of somebody who
// follows again. Who has closed his account is still on WeChat's list, and stays forgotten.
func TestWhoCameBackWhenNobodyListenedIsAFollowerByMorning(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang, gone := w.Person("ordinary").Follows(), w.Person("arrears").Follows()
		w.Settle()
		gone.Opens().SignsIn().Do("DELETE", "/me", story.Key(), nil).Is(http.StatusNoContent)
		w.Settle()
		w.Exec("DELETE FROM member_follow")
		w.Exec("UPDATE member SET follows = FALSE, follow_changed_at = 1") // as if he had left, and come when nobody listened
		w.Exec("UPDATE audience_portrait SET follows = FALSE, followed_at = 1")
		if n, err := r.App().Recall(t.Context()); n != 1 || err != nil {
			t.Errorf("Recall = %d, %v, want him", n, err)
		}
		if n := w.Count("SELECT member_id FROM audience_portrait WHERE follows = TRUE"); n != 1 {
			t.Errorf("%d portraits of followers, want his", n)
		}
		if me := zhang.Opens().SignsIn().Get("/me").Is(http.StatusOK); me.Value("follows") != true {
			t.Errorf("he is %s, want a follower", me.Raw)
		}
		if n, err := r.App().Recall(t.Context()); n != 0 || err != nil {
			t.Errorf("Recall once more = %d, %v, want nobody", n, err)
		}
		if n := w.Count("SELECT openid FROM member_identity WHERE app = 'official_account'"); n != 1 {
			t.Errorf("%d are known, want him alone", n)
		}
	})
}

// TestWhomWeChatNamesLateIsOneByMorning lets somebody be a follower, and another member in
// the mini-program, while the two apps belong to no Open Platform account.
func TestWhomWeChatNamesLateIsOneByMorning(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		zhang := w.Person("ordinary").Bound()
		w.Settle()
		w.Exec("UPDATE member_identity SET unionid = ''") // as if WeChat had named nobody
		w.Exec("DELETE FROM member_union")
		w.Passes(5 * time.Second) // who was remembered is forgotten
		mini := zhang.Opens().SignsIn()
		if me := mini.Get("/me").Is(http.StatusOK); me.Text("balance.status") != "unbound" {
			t.Fatalf("in the mini-program he is %s, want another member", me)
		}
		merged := func() int { return w.Count("SELECT id FROM member WHERE merged_into <> 0") }
		w.Fault("wechat.user_info", faults.Fault{Kind: faults.ErrCode}) // busy: not tonight
		if n, err := r.App().Recall(t.Context()); n != 0 || err != nil || merged() != 0 {
			t.Errorf("Recall = %d, %v, and %d became one with another, want nobody while WeChat is busy", n, err, merged())
		}
		w.Fault("wechat.user_info")
		if n, err := r.App().Recall(t.Context()); n != 0 || err != nil {
			t.Errorf("Recall = %d, %v, want nobody who came back", n, err)
		}
		if n := merged(); n != 1 {
			t.Errorf("%d became one with another, want him", n)
		}
		if me := mini.SignsIn().Get("/me").Is(http.StatusOK); me.Text("phone") != zhang.Masked() {
			t.Errorf("he is %s, want his number there too", me)
		}
		if n := w.Count("SELECT openid FROM member_identity WHERE unionid = ''"); n != 0 {
			t.Errorf("%d are nameless, want none", n)
		}
	})
}

// TestNobodyComesBackByLeaving closes an account and then ends the following: nothing is
// kept of him again, no openid and no portrait.
func TestNobodyComesBackByLeaving(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		zhang := w.Person("ordinary").Follows()
		w.Settle()
		zhang.Opens().SignsIn().Do("DELETE", "/me", story.Key(), nil).Is(http.StatusNoContent)
		zhang.Unfollows().HearsNothing()
		w.Settle()
		for _, kept := range []string{"SELECT member_id FROM member_identity", "SELECT member_id FROM audience_portrait"} {
			if n := w.Count(kept); n != 0 {
				t.Errorf("%s: %d rows after he left, want none", kept, n)
			}
		}
	})
}

// forgets lets a replica forget what it remembers of members, whose rows were written
// behind its back, and waits for who asks WeChat with it.
func forgets(w *story.World) {
	w.Passes(5 * time.Second)
	w.Until("nobody asks any more", func() bool { return !w.Trying() })
}

// TestWhoLeftBeforeHeCameIsNoFollower has the event of leaving come before that of
// following: what WeChat says of him is so.
func TestWhoLeftBeforeHeCameIsNoFollower(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		w.Replica()
		w.Fault("wechat.user_info", faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable})
		w.Person("ordinary").Follows().Unfollows()
		w.Exec("UPDATE member SET follows = TRUE, follow_changed_at = 1, joined_at = 1") // as without the second event, long ago
		forgets(w)
		w.Fault("wechat.user_info")
		w.Passes(20 * time.Second) // the question is asked again after a while
		w.Settle()
		if n := w.Count("SELECT id FROM member WHERE follows = TRUE"); n != 0 {
			t.Errorf("%d follow after he left, want none", n)
		}
	})
}

// TestWhoHasJustComeIsNotTakenForOneWhoLeft has WeChat's book be behind its events.
func TestWhoHasJustComeIsNotTakenForOneWhoLeft(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Replica()
		w.Fault("wechat.user_info", faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable})
		zhang := w.Person("ordinary").Follows().Unfollows()
		w.Exec("UPDATE member SET follows = TRUE, follow_changed_at = 1") // he follows, and WeChat does not know it yet
		again := func() float64 { return r.Metric("outbox_attempts_total", `topic="member.met"`, `outcome="later"`) }
		w.Until("WeChat has not answered", func() bool { return again() > 0 })
		forgets(w)
		w.Fault("wechat.user_info")
		before := again()
		w.Passes(20 * time.Second)
		w.Until("WeChat was asked and is to be asked again", func() bool { return again() > before })
		if n := w.Count("SELECT id FROM member WHERE follows = TRUE"); n != 1 {
			t.Errorf("%d follow while WeChat does not know it yet, want him", n)
		}
		zhang.Follows()
		w.Passes(20 * time.Second)
		w.Settle()
	})
}

// TestWhoPlayedBeforeHeWasKnownPlaysOn follows somebody whom WeChat names late: the
// account knows a follower, the mini-program a player, and both are found to be one
// after he has opened an envelope and helped with another.
func TestWhoPlayedBeforeHeWasKnownPlaysOn(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		game := w.Replica().Plays(w.Envelope("回家", func(r *redpacket.Rules) { r.Helps, r.PotsEach, r.HelpsPerDay = 2, 2, 2 }))[0]
		w.Fault("wechat.user_info", faults.Fault{Kind: faults.Status, Status: http.StatusServiceUnavailable})
		person := w.Person("ordinary")
		person.Follows()
		mini := person.Opens().SignsIn().BindsPhone()
		friends := w.Players("family", "student", "senior")
		own, theirs := mini.OpensPot(game), friends[0].OpensPot(game)
		mini.Helps(theirs).Is(http.StatusCreated)
		friends[0].Helps(own).Is(http.StatusCreated)
		if n := w.Count("SELECT former_id FROM redpacket_join"); n != 0 {
			t.Fatalf("%d players are joined before WeChat said so, want none", n)
		}

		w.Fault("wechat.user_info")
		w.Passes(10 * time.Second) // the question is asked again after a while
		w.Until("the follower and the player are one", func() bool {
			return w.Count("SELECT former_id FROM redpacket_join") == 1
		})
		mini.SignsIn()
		if me := mini.Get("/me").Is(http.StatusOK); me.Value("follows") != true || me.Text("phone") == "" {
			t.Errorf("he is %s, want the follower with the number", me.Raw)
		}
		w.Until("the game knows him as the owner", func() bool { return mini.Sees(own).Value("isOwner") == true })
		mini.Helps(own).Refused(http.StatusConflict, "redpacket.own_pot")
		mini.Helps(theirs).Refused(http.StatusConflict, "redpacket.already_helped")
		if list := mini.Get("/me/pots").Is(http.StatusOK); list.Text("items.0.id") != own || list.Text("items.1.id") != "" {
			t.Errorf("his envelopes are %s, want the one of before", list.Raw)
		}
		if list := mini.Get("/me/helps").Is(http.StatusOK); list.Text("items.0.potId") != theirs {
			t.Errorf("his helps are %s, want the one of before", list.Raw)
		}
		mini.OpensPot(game)
		mini.Do("POST", "/campaigns/"+game+"/pots", story.Key(), nil).Refused(http.StatusTooManyRequests, "redpacket.pots_limit")

		before := w.Carrier(person.Phone)
		friends[1].Helps(own).Is(http.StatusCreated)
		mini.Wins(own, "paid")
		if won := w.Carrier(person.Phone) - before; won != 900 {
			t.Errorf("his balance rose by %d fen, want the 900 of his envelope once", won)
		}
		second, third := friends[1].OpensPot(game), friends[2].OpensPot(game)
		mini.Helps(second).Is(http.StatusCreated)
		mini.Helps(third).Refused(http.StatusTooManyRequests, "redpacket.day_limit")
	})
}
