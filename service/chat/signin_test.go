package chat_test

import (
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/fault"
	"kaimenhong/service/chat"
)

func TestWhoSignsInIsToldWhatTodayGave(t *testing.T) {
	w := newWorld(t)
	w.member.Phone = model.Phone{} // points need no number
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{{"签到", "今天已签到，得到 3积分，连续签到 5天。\n查积分"}, {"帮我打个卡，每日打卡", "得到 3积分"}})
	k.plays(t, []line{{"不签到", "!已签到"}, {"不想签到", "!已签到"}, {"上班打卡迟到了", "!已签到"}})
	if w.visits != 2 {
		t.Errorf("%d sign-ins were asked for, want 2", w.visits)
	}
	w.err = fault.New(fault.Conflict, "points.closed", "积分账户已注销")
	k.plays(t, []line{{"签到", "积分账户已注销"}})
}

func TestWithoutABookOfVisitsTheWayToSignInIsTold(t *testing.T) {
	w := newWorld(t)
	links := map[chat.Intent]chat.Link{chat.Points: {AppID: "wx1", Page: "pages/home", URL: "https://example.com"}}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, chat.Options{Links: links})
	k.chat.Visits = nil
	k.plays(t, []line{{"签到", `签到在小程序的“首页”里。` + "\n" + `<a data-miniprogram-appid="wx1" data-miniprogram-path="pages/home" href="https://example.com">去签到</a>`}})
}

// A year is no reason to hurry.
func TestPointsThatEndLaterAreToldWithoutHurry(t *testing.T) {
	w := newWorld(t)
	w.points = model.PointsBalance{Available: 100, Expiring: 100, ExpiresAt: w.points.ExpiresAt.Add(365 * 24 * time.Hour)}
	k := newTalk(t, w, dbtest.SQLite(t), dbtest.EmbeddedRedis(t), nil, plainOptions)
	k.plays(t, []line{{"查积分", "其中 100分 2027年12月31日到期。"}, {"查积分", "!记得先用"}})
}
