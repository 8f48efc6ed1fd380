package app

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/payout"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
	"kaimenhong/service/wechat"
)

// potBook is the game as the chat reads it.
type potBook struct{ *moments }

// recentPots are looked through for one that friends can still help.
const recentPots = 20

// Progress tells of the envelope that the member opened last and that friends can still
// help, or else of his last one, or of a game that runs where he has none or it is past.
func (b potBook) Progress(ctx context.Context, member model.MemberID) (model.PotProgress, error) {
	lines, _, err := b.engine.MyPots(ctx, member, "", recentPots)
	if err != nil {
		return model.PotProgress{}, err
	}
	if len(lines) == 0 {
		return b.running(ctx)
	}
	pot := lines[max(slices.IndexFunc(lines, b.takesHelp), 0)]
	game, err := b.engine.Game(ctx, pot.Game)
	if err != nil {
		return model.PotProgress{}, err
	}
	if past, err := b.past(ctx, pot, game); err != nil {
		return model.PotProgress{}, err
	} else if past {
		if next, err := b.running(ctx); err != nil || next.Title != "" {
			return next, err
		}
	}
	return model.PotProgress{
		Pot: model.ID(pot.Pot), Title: game.Rules.Title, Helps: pot.Helps, Helped: pot.Helped, Prize: game.Rules.Prize.Say(pot.Target),
		Open: b.takesHelp(pot), Stopped: game.StoppedAt != 0, Filled: pot.Helped >= pot.Helps, EndsAt: pot.EndsAt,
	}, nil
}

// takesHelp tells that an envelope is open and not full; it is called filled a moment
// after it is.
func (b potBook) takesHelp(pot redpacket.PotLine) bool {
	return pot.State == redpacket.Open && pot.Helped < pot.Helps && pot.EndsAt > model.At(b.now())
}

// running is a game that runs, for who has no envelope.
func (b potBook) running(ctx context.Context) (model.PotProgress, error) {
	running, err := b.engine.Running(ctx)
	if err != nil || len(running) == 0 {
		return model.PotProgress{}, err
	}
	return model.PotProgress{Title: running[0].Rules.Title}, nil
}

// past tells that an envelope is of a game that is over, and that nothing more comes of
// it: last year's must not hide this year's.
func (b potBook) past(ctx context.Context, pot redpacket.PotLine, game redpacket.Game) (bool, error) {
	if pot.State == redpacket.Open || game.Rules.EndsAt > model.At(b.now()) {
		return false, nil
	}
	prize, err := b.payer.Payout(ctx, model.ID(pot.Pot))
	if errors.Is(err, payout.ErrUnknownPayout) {
		return true, nil
	}
	return prize.State == payout.Paid || prize.State == payout.Released, err
}

// topicCard is the card that follows an answer about an envelope.
const topicCard = "redpacket.card"

// Card queues a card; when too many wait it is left out, for the answer leads to the
// same page.
func (b potBook) Card(member model.MemberID, request model.RequestID, title, page string) {
	select {
	case b.cards <- card{member, request, title, page}:
	default:
	}
}

// card is a card on its way to a member.
type card struct {
	member      model.MemberID
	request     model.RequestID
	title, page string
}

// sendCard sends a card by customer service, where the member may be written to.
func (m *moments) sendCard(ctx context.Context, c card) error {
	thumb, err := m.thumb.id(ctx)
	if err != nil {
		return fmt.Errorf("store the card's picture: %w", err)
	}
	_, err = m.push.Tell(ctx, c.member, push.Notice{
		Topic: topicCard, Request: c.request, Purpose: push.Transactional,
		Custom: model.Content{Kind: model.CardContent, Title: c.title, AppID: m.appID, Page: c.page, ThumbID: thumb},
	})
	return err
}

//go:embed envelope.jpg
var envelope []byte

// thumbLife is how long an uploaded picture is used; WeChat keeps it for three days.
const thumbLife = 48 * time.Hour

// thumb is the picture on the cards, uploaded when it is first needed.
type thumb struct {
	client *wechat.Client
	now    model.Clock

	mu      sync.Mutex
	mediaID string
	until   time.Time
}

// id returns the media id of the picture.
func (t *thumb) id(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mediaID != "" && t.now().Before(t.until) {
		return t.mediaID, nil
	}
	mediaID, err := t.client.UploadMedia(ctx, wechat.Image, "envelope.jpg", envelope)
	if err != nil {
		return "", err
	}
	t.mediaID, t.until = mediaID, t.now().Add(thumbLife)
	return mediaID, nil
}
