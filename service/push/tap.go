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
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
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

// Tapped notes that a member came by a message, once, and tells which one it was: its
// campaign's step and variant. own tells that it was his, by any id that he ever had;
// the delivery's Member is then the living one. A token that somebody else uses, who got
// the page from a friend, changes nothing and is no error.
//
// Who is known by his unionid in the mini-program may be the follower of whom WeChat has
// not told us one yet: then the tap waits for Joined. No other tap of a friend is kept,
// for it would tell who forwards to whom.
//
// Errors: ErrTap, what the members say of member.
func (p *Planner) Tapped(ctx context.Context, member model.MemberID, token string) (d model.Delivery, own bool, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8+tapMAC || !hmac.Equal(p.sign(raw[:8]), raw[8:]) {
		return d, false, ErrTap
	}
	row, err := p.q.Delivery(ctx, int64(binary.BigEndian.Uint64(raw)))
	if errors.Is(err, sql.ErrNoRows) {
		return d, false, ErrTap // forgotten since
	}
	if err != nil {
		return d, false, fmt.Errorf("read a delivery: %w", err)
	}
	at := int64(p.now())
	for kept := false; ; kept = true {
		who, tie, err := p.tie(ctx, member, model.MemberID(row.MemberID))
		switch {
		case err != nil:
			return d, false, err
		case tie == sameMember:
			d, err = p.noteTap(ctx, row, who, at)
			return d, err == nil, err
		case tie == others || kept:
			d, err = p.named(ctx, row)
			return d, false, err
		}
		err = p.q.AddTap(ctx, db.AddTapParams{MemberID: int64(who), DeliveryID: row.ID, TappedAt: at})
		if err != nil && !sqldb.Duplicate(err) {
			return d, false, fmt.Errorf("keep a tap: %w", err)
		} // and looks again: who was joined meanwhile did not find it
	}
}

// tie is what two ids are to each other.
type tie int

const (
	others      tie = iota // two people, or one who left
	sameMember             // one
	notYetKnown            // WeChat may still say that they are one
)

// tie compares who tapped with who got the message, and answers the living id of the
// first. A cache may not have heard yet that two members have become one, when the promise
// to count their taps is kept already: both are read as they are.
func (p *Planner) tie(ctx context.Context, member, recipient model.MemberID) (model.MemberID, tie, error) {
	who, err := p.People.Current(ctx, member, model.MiniProgram)
	if err != nil {
		return 0, others, fmt.Errorf("read who tapped: %w", err)
	}
	whose, err := p.People.Current(ctx, recipient, model.OfficialAccount)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return who.ID, others, nil
	case err != nil:
		return 0, others, fmt.Errorf("read whose message was tapped: %w", err)
	case whose.ID == who.ID:
		return who.ID, sameMember, nil
	case who.UnionID != "" && whose.OpenID != "" && whose.UnionID == "":
		return who.ID, notYetKnown, nil
	}
	return who.ID, others, nil
}

// noteTap notes the tap of the recipient.
func (p *Planner) noteTap(ctx context.Context, row db.PushDelivery, who model.MemberID, at int64) (model.Delivery, error) {
	if row.TappedAt == 0 {
		row.TappedAt = at
		if _, err := p.q.TapDelivery(ctx, db.TapDeliveryParams{TappedAt: at, ID: row.ID}); err != nil {
			return model.Delivery{}, fmt.Errorf("note a tap: %w", err)
		}
	}
	d, err := p.named(ctx, row)
	d.Member = who
	return d, err
}

// named is the row with the names of its step and variant.
func (p *Planner) named(ctx context.Context, row db.PushDelivery) (model.Delivery, error) {
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

// maxTaps bounds the taps of one member that may wait to be known for his own.
const maxTaps = 1000

// Joined counts the taps of two members who have become one on messages to either of
// them, and returns those; their Member is the living one. A repeat finds the same, or
// none.
func (p *Planner) Joined(ctx context.Context, from, into model.MemberID) ([]model.Delivery, error) {
	rows, err := p.q.TapsOf(ctx, db.TapsOfParams{Members: []int64{int64(from), int64(into)}, Limit: maxTaps})
	if err != nil {
		return nil, fmt.Errorf("list the taps of joined members: %w", err)
	}
	var counted []model.Delivery
	for _, r := range rows {
		row, err := p.q.Delivery(ctx, r.DeliveryID)
		if errors.Is(err, sql.ErrNoRows) {
			continue // forgotten since
		}
		if err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		who, tie, err := p.tie(ctx, model.MemberID(r.MemberID), model.MemberID(row.MemberID))
		switch {
		case err != nil && fault.KindOf(err) == fault.NotFound:
			return nil, nil // closed since
		case err != nil:
			return nil, err
		case tie != sameMember:
			continue
		}
		d, err := p.noteTap(ctx, row, who, r.TappedAt)
		if err != nil {
			return nil, err
		}
		counted = append(counted, d)
	}
	return counted, nil
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
