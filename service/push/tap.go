package push

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"kaimenhong/model"
	"kaimenhong/service/push/internal/db"
)

// TapParam is the parameter of a page's path or an address that carries the token.
const TapParam = "from_push"

// tapMAC is how many bytes of the HMAC a token has: guessing one takes 2^79 tries.
const tapMAC = 10

// token names a message to whoever taps it: its row's id, signed, 24 characters.
func (p *Planner) token(id model.ID) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 8+tapMAC), uint64(id))
	return base64.RawURLEncoding.EncodeToString(append(raw, p.sign(raw)...))
}

func (p *Planner) sign(raw []byte) []byte {
	mac := hmac.New(sha256.New, p.TapKey)
	mac.Write([]byte("push.tap "))
	mac.Write(raw)
	return mac.Sum(nil)[:tapMAC]
}

// Tapped notes that a member came by a message, once, and tells which one it was:
// its campaign's step and variant. A token that somebody else uses, who got the page
// from a friend, changes nothing and is no error.
//
// Errors: ErrTap.
func (p *Planner) Tapped(ctx context.Context, member model.MemberID, token string) (model.Delivery, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8+tapMAC || !hmac.Equal(p.sign(raw[:8]), raw[8:]) {
		return model.Delivery{}, ErrTap
	}
	row, err := p.q.Delivery(ctx, int64(binary.BigEndian.Uint64(raw)))
	if errors.Is(err, sql.ErrNoRows) {
		return model.Delivery{}, ErrTap // forgotten since
	}
	if err != nil {
		return model.Delivery{}, fmt.Errorf("read a delivery: %w", err)
	}
	if row.MemberID == int64(member) && row.TappedAt == 0 {
		row.TappedAt = int64(p.now())
		if _, err := p.q.TapDelivery(ctx, db.TapDeliveryParams{TappedAt: row.TappedAt, ID: row.ID}); err != nil {
			return model.Delivery{}, fmt.Errorf("note a tap: %w", err)
		}
	}
	d, err := p.q.Dispatch(ctx, row.DispatchID)
	if err != nil {
		return model.Delivery{}, fmt.Errorf("read dispatch %d: %w", row.DispatchID, err)
	}
	named, err := stepsIn([]db.PushDispatch{d})
	if err != nil {
		return model.Delivery{}, err
	}
	return named.delivery(row), nil
}

// links are the ways into the mini-program within a text.
var links = regexp.MustCompile(`(data-miniprogram-path=")([^"]*)(")`)

// stamp puts the token of a row wherever a tap on the message leads.
func (p *Planner) stamp(m *model.Message, row model.ID) {
	token := p.token(row)
	m.Page, m.URL, m.Content.Page, m.Content.URL = with(m.Page, token), with(m.URL, token), with(m.Content.Page, token), with(m.Content.URL, token)
	if strings.Contains(m.Content.Text, "data-miniprogram-path") {
		m.Content.Text = links.ReplaceAllStringFunc(m.Content.Text, func(s string) string {
			part := links.FindStringSubmatch(s)
			return part[1] + with(part[2], token) + part[3]
		})
	}
	if len(m.Content.Articles) > 0 { // which others may share
		m.Content.Articles = append([]model.Article(nil), m.Content.Articles...)
		for i := range m.Content.Articles {
			m.Content.Articles[i].URL = with(m.Content.Articles[i].URL, token)
		}
	}
}

// with adds the token to a page or an address that is not empty, before its fragment.
func with(link, token string) string {
	if link == "" {
		return ""
	}
	path, fragment, has := strings.Cut(link, "#")
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	path += sep + TapParam + "=" + token
	if has {
		path += "#" + fragment
	}
	return path
}
