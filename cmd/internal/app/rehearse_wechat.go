package app

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"kaimenhong/model"
	"kaimenhong/service/push"
)

// standIn answers like WeChat towards a rehearsal: it takes every message until the
// day's quota is used up, and remembers how many it took. It is not the sandbox, which
// must not be in the product, and judges nothing but quotas: rights, consents and
// texts are judged by the real code before a message comes here.
type standIn struct {
	now    model.Clock
	quotas map[string]standInQuota // by path

	mu    sync.Mutex
	taken map[model.Day]map[string]int // by day and channel
	hours map[model.Millis]int         // by hour
}

// standInQuota is what WeChat allows by a channel a day.
type standInQuota struct {
	channel string
	day     int
}

// newStandIn has the account's quotas.
func newStandIn(now model.Clock, opts push.PlannerOptions) *standIn {
	s := &standIn{now: now, quotas: map[string]standInQuota{}, taken: map[model.Day]map[string]int{}, hours: map[model.Millis]int{}}
	for _, c := range []struct {
		path, words string
		channel     model.Channel
	}{
		{"/cgi-bin/message/custom/send", "客服消息", model.CustomChannel},
		{"/cgi-bin/message/template/send", "模板消息", model.TemplateChannel},
		{"/cgi-bin/message/subscribe/bizsend", "公众号订阅通知", model.OfficialChannel},
		{"/cgi-bin/message/subscribe/send", "小程序订阅消息", model.MiniChannel},
		{"/cgi-bin/message/mass/send", "群发", model.MassChannel},
	} {
		s.quotas[c.path] = standInQuota{c.words, int(opts.Quota(c.channel).Day)}
	}
	return s
}

// maxStandIn bounds a request, in bytes.
const maxStandIn = 1 << 20

// ServeHTTP answers one call.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxStandIn))
	answer := map[string]any{"errcode": 0, "errmsg": "ok"}
	limit, known := s.quotas[r.URL.Path]
	switch {
	case r.URL.Path == "/cgi-bin/stable_token":
		answer = map[string]any{"access_token": "rehearsal", "expires_in": 7200}
	case known && !s.take(limit.channel, limit.day):
		answer = map[string]any{"errcode": 45009, "errmsg": "reach max api daily quota limit"}
	case known:
		answer["msgid"], answer["msg_id"] = s.count(), s.count()
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *standIn) take(channel string, quota int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	day := model.DayOf(now)
	if s.taken[day] == nil {
		s.taken[day] = map[string]int{}
	}
	if s.taken[day][channel] >= quota {
		return false
	}
	s.taken[day][channel]++
	s.hours[model.At(now.Truncate(hourly))]++
	return true
}

// count is how many messages were taken.
func (s *standIn) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.hours {
		n += of
	}
	return n
}
