package campaign

import (
	"context"
	"database/sql"
	"time"

	"kaimenhong/model"
)

// Segment is what a campaign wants to know of a segment.
type Segment struct {
	Name     string
	Sentence string // who is in it, in Chinese
	Trouble  string // why it cannot be evaluated and what to do; empty: it can
	Archived bool   // no plan may begin to use it; one that runs goes on
}

// segments answers for rules that select people.
type segments interface {
	// Describe answers a fault of kind NotFound when there is no such segment.
	Describe(ctx context.Context, id model.ID) (Segment, error)
	Count(ctx context.Context, id model.ID) (int64, error)
	// Matching is who of these is in the segment now, at most MaxMatching.
	Matching(ctx context.Context, id model.ID, members []model.MemberID) ([]model.MemberID, error)
}

// holder keeps segments for those who are about to name them.
type holder interface {
	// HoldTx keeps a segment from being archived or deleted until the transaction ends. It
	// answers a fault of kind NotFound when there is none, Conflict when it is archived.
	HoldTx(ctx context.Context, tx *sql.Tx, segment model.ID) error
}

// MaxMatching is how many members are asked about at once.
const MaxMatching = 2000

// freezer keeps audiences that do not change any more, one for each request.
type freezer interface {
	// Freeze saves who is in the segment now.
	Freeze(ctx context.Context, segment model.ID, request model.RequestID) (frozen model.ID, size int64, err error)
	// Collect saves whom next answers, ascending, each call those after a member, until
	// it answers nobody and done.
	Collect(ctx context.Context, segment model.ID, request model.RequestID, next Source) (frozen model.ID, size int64, err error)
	Members(ctx context.Context, frozen model.ID, after model.MemberID, limit int) ([]model.MemberID, error)
}

// Source answers members after one, ascending, and how far it has looked; through 0
// tells that there is nobody behind.
type Source = func(ctx context.Context, after model.MemberID) (members []model.MemberID, through model.MemberID, err error)

// persons know who somebody is now.
type persons interface {
	// Persons answers one Person for each id, in their order, drawn as he stands in the
	// first of the frozen audiences that knows him by any id.
	Persons(ctx context.Context, audiences []model.ID, ids []model.MemberID) ([]model.Person, error)
}

// Kit is a combination of articles, a game and an offer.
type Kit struct {
	Name      string
	Materials []model.ID // versions
	Game      model.ID   // 0: none
	Offer     Offer
	Trouble   string // why it cannot be used
}

// Offer is what a campaign wants to know of a gift or a pack.
type Offer struct {
	Name     string     // empty: the kit has none
	Gifts    []model.ID // of the mall, by which it is taken
	Product  string     // of the carrier's catalogue: who bought it has taken the offer; empty: none
	StartsAt model.Millis
	EndsAt   model.Millis // 0: nobody says
	SoldOut  bool
}

// kitUse notes which kits campaigns have taken.
type kitUse interface {
	UseKitTx(ctx context.Context, tx *sql.Tx, kit model.ID) error
}

// library answers for materials and kits.
type library interface {
	// Kit answers a fault of kind NotFound when there is none.
	Kit(ctx context.Context, id model.ID) (Kit, error)
	// Check says what is wrong with a material for a channel: a missing field, a text
	// too long, no review; each in words that say what to do.
	Check(ctx context.Context, way model.Way) ([]string, error)
	// Preview is a material as a member would get it; member 0 is an example.
	Preview(ctx context.Context, material model.ID, member model.MemberID) (model.Message, error)
}

// Game is what a campaign wants to know of a game.
type Game struct {
	Name     string
	StartsAt model.Millis
	EndsAt   model.Millis
	Budget   model.Fen
	Prize    model.Fen // the largest that one pot gives
	Stopped  bool
}

// games answers for the games of kits.
type games interface {
	Game(ctx context.Context, id model.ID) (Game, error)
}

// Tally is how many deliveries of a dispatch stand where.
type Tally struct {
	Dispatch model.ID
	Step     model.ID
	Variant  string
	Channel  model.Channel
	State    model.DeliveryState
	Why      string
	N        int64
	Tapped   int64
}

// pusher brings messages to people.
type pusher interface {
	// StageSome makes one delivery a recipient, once for each dispatch: of some people, and
	// each call goes on where the last one stopped, until it is done. It answers how many
	// there are so far, also when it fails behind them.
	StageSome(ctx context.Context, d model.Dispatch) (total int64, done bool, err error)
	// Release sends to those beyond the canary.
	Release(ctx context.Context, campaign model.ID) error
	// Open tells that some messages are still to be sent or under way.
	Open(ctx context.Context, campaign model.ID) (bool, error)
}

// counter counts deliveries. Tally reads all of a campaign, which takes seconds for a
// million; what is looked at again and again asks for less.
type counter interface {
	Tally(ctx context.Context, campaign model.ID) ([]Tally, error)
	TallyOf(ctx context.Context, dispatch model.ID) ([]Tally, error)
	// Canary counts by state those who are sent to before Release.
	Canary(ctx context.Context, campaign model.ID) (map[model.DeliveryState]int64, error)
}

// brakes hold a campaign's messages, within seconds, on all replicas.
type brakes interface {
	Pause(ctx context.Context, campaign model.ID, why string) error
	Resume(ctx context.Context, campaign model.ID) error
	Kill(ctx context.Context, campaign model.ID) error
}

// keeper keeps a campaign's messages to the plan that holds.
type keeper interface {
	// KeepTx lets what is under way of the plan's steps go on until the campaign's end at
	// most, and no shorter than so long as each lasts; what is of other steps ends.
	KeepTx(ctx context.Context, tx *sql.Tx, campaign model.ID, end model.Millis, lasts map[model.ID]time.Duration) error
}

// Happening is something that happened to a member.
type Happening struct {
	Member model.MemberID
	At     model.Millis
	Ref    string // names it, at most 32 bytes: the same thing counts once
}

// happened finds what events wait for.
type happened interface {
	// Look asks who of the members it happened to, at the time of the round; a payment, who
	// made one on its day; a pack, whose expires so many days after it. unheard are those of
	// whom nobody could say.
	Look(ctx context.Context, w When, members []model.MemberID, at model.Millis) (found []Happening, unheard []model.MemberID, err error)
	// Joined is a page of the members who are in the segment now, ascending.
	Joined(ctx context.Context, segment model.ID, after model.MemberID, limit int) ([]model.MemberID, error)
	// Among is who of the members is in the frozen audience.
	Among(ctx context.Context, frozen model.ID, members []model.MemberID) ([]model.MemberID, error)
}
