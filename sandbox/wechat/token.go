package wechat

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"kaimenhong/model"
)

// app is what the platform keeps of one of the two apps' credentials.
type app struct {
	Stable   string             `json:"stable,omitempty"` // the latest of each of the two kinds;
	Plain    string             `json:"plain,omitempty"`  // neither touches the other
	Tokens   map[string]*issued `json:"tokens"`           // all that are remembered
	Forced   int                `json:"forced"`           // force_refresh of Day
	Day      model.Day          `json:"day"`
	ForcedAt model.Millis       `json:"forcedAt"`
}

// issued is a token that was given out. Ended tells that a refresh ended it
// before its time: WeChat then calls it invalid rather than expired.
type issued struct {
	Made  model.Millis `json:"made"`
	Until model.Millis `json:"until"`
	Ended bool         `json:"ended,omitempty"`
}

// The rules of tokens.
const (
	tokenOverlap  = 5 * time.Minute  // two tokens live together so long
	forcesADay    = 20               // force_refresh
	forceInterval = 30 * time.Second // sooner, nothing is refreshed
)

func (p *Platform) credential(c *call, appID, secret, grant string) (*app, error) {
	if grant != "client_credential" {
		return nil, errGrantType
	}
	want := ""
	switch appID {
	case "":
		return nil, errcode(41002, "appid missing")
	case p.opts.AppID:
		want = p.opts.AppSecret
	case p.opts.MiniAppID:
		want = p.opts.MiniAppSecret
	default:
		return nil, errAppID
	}
	if secret == "" {
		return nil, errcode(41004, "appsecret missing")
	}
	if !sameSignature(secret, want) {
		return nil, errSecret
	}
	c.appID = appID
	return p.s.Apps[appID], p.spend(c)
}

// stableToken keeps one token until its last five minutes; force_refresh ends it
// at once.
func (p *Platform) stableToken(c *call) (any, error) {
	var in struct {
		Grant  string `json:"grant_type"`
		AppID  string `json:"appid"`
		Secret string `json:"secret"`
		Force  bool   `json:"force_refresh"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	a, err := p.credential(c, in.AppID, in.Secret, in.Grant)
	if err != nil {
		return nil, err
	}
	now := model.At(c.now)
	current := a.Tokens[a.Stable]
	if in.Force {
		return p.forceToken(a, current, now)
	}
	if current == nil || current.Ended || now >= current.Until.Add(-tokenOverlap) {
		a.Stable = p.issue(a, now)
	}
	return p.tokenAnswer(a, a.Stable, now), nil
}

func (p *Platform) forceToken(a *app, current *issued, now model.Millis) (any, error) {
	if today := model.DayOf(now.Time()); a.Day != today {
		a.Day, a.Forced = today, 0
	}
	live := current != nil && !current.Ended && now < current.Until
	if live && a.ForcedAt != 0 && now < a.ForcedAt.Add(forceInterval) {
		return p.tokenAnswer(a, a.Stable, now), nil
	}
	if a.Forced >= forcesADay {
		return nil, errDayQuota
	}
	a.Forced++
	a.ForcedAt = now
	if live {
		current.Ended, current.Until = true, now
	}
	a.Stable = p.issue(a, now)
	return p.tokenAnswer(a, a.Stable, now), nil
}

// plainToken gives a new token at every call; the one before lives five minutes
// more.
func (p *Platform) plainToken(c *call) (any, error) {
	a, err := p.credential(c, c.query.Get("appid"), c.query.Get("secret"), c.query.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	now := model.At(c.now)
	for id, t := range a.Tokens {
		if id == a.Plain {
			t.Ended, t.Until = true, min(t.Until, now.Add(tokenOverlap))
		}
	}
	a.Plain = p.issue(a, now)
	return p.tokenAnswer(a, a.Plain, now), nil
}

func (p *Platform) issue(a *app, now model.Millis) string {
	token := "91_" + secretText(108)
	for len(a.Tokens) >= maxTokens {
		oldest := ""
		for id, t := range a.Tokens {
			if oldest == "" || t.Made < a.Tokens[oldest].Made {
				oldest = id
			}
		}
		delete(a.Tokens, oldest)
	}
	a.Tokens[token] = &issued{Made: now, Until: now.Add(p.opts.TokenLife)}
	p.changed(nil)
	return token
}

func (p *Platform) tokenAnswer(a *app, token string, now model.Millis) any {
	left := a.Tokens[token].Until - now
	return map[string]any{"access_token": token, "expires_in": int64(left) / 1000}
}

// authorise returns the appid whose token it is.
func (p *Platform) authorise(token string, now time.Time) (string, error) {
	if token == "" {
		return "", errNoToken
	}
	for id, a := range p.s.Apps {
		t := a.Tokens[token]
		switch {
		case t == nil:
			continue
		case model.At(now) < t.Until:
			return id, nil
		case t.Ended:
			return "", errToken
		}
		return "", errOldToken
	}
	return "", errToken
}

// secretText is n random bytes as text.
func secretText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails, it ends the program instead
	return base64.RawURLEncoding.EncodeToString(raw)
}

// ExpireTokens ends every token of both apps now, as WeChat does when a secret is
// reset: the next call gets 40001.
func (p *Platform) ExpireTokens() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := model.At(p.now())
	for _, a := range p.s.Apps {
		for _, t := range a.Tokens {
			t.Ended, t.Until = true, min(t.Until, now)
		}
	}
	p.changed(nil)
}
