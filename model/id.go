// Package model holds the words that every domain shares: identities, money,
// points, instants, messages and what a carrier knows of a subscriber.
//
// It imports the standard library only, touches no store and has no opinion on
// who uses it. Values that identify a person mask themselves when printed or
// logged.
package model

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// ID is a row's identity, made by the application (see IDs). In JSON it is a
// string, for JavaScript keeps only 53 bits of a number.
type ID int64

// MarshalText writes the id in decimal.
func (id ID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

// UnmarshalText reads a positive decimal number; anything else is an error.
func (id *ID) UnmarshalText(b []byte) error {
	n, err := ParseID(string(b))
	*id = n
	return err
}

// String writes the id in decimal.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// errID is the one thing that can be wrong with an id from outside.
var errID = errors.New("not an id: a positive decimal number is expected")

// ParseID reads an id that came from outside: digits only, positive, no sign,
// no leading zero.
func ParseID(s string) (ID, error) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, errID
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, errID
	}
	return ID(n), nil
}

// MemberID is the identity of a member: one person across both apps.
type MemberID ID

// MarshalText, UnmarshalText and String are those of ID.
func (id MemberID) MarshalText() ([]byte, error) { return ID(id).MarshalText() }

// UnmarshalText reads what MarshalText writes.
func (id *MemberID) UnmarshalText(b []byte) error { return (*ID)(id).UnmarshalText(b) }

func (id MemberID) String() string { return ID(id).String() }

// RequestID names one attempt to change something, for ever: the same id moves
// value at most once. It is an Idempotency-Key, a callback's message key or a
// name made by a job.
type RequestID string

// MaxRequestID is the length, in bytes, that every table leaves for a RequestID.
const MaxRequestID = 64

// Valid tells whether the id can be stored: 1 to MaxRequestID printable ASCII
// bytes without a space.
func (r RequestID) Valid() bool {
	if r == "" || len(r) > MaxRequestID {
		return false
	}
	for i := range len(r) {
		if r[i] <= ' ' || r[i] > '~' {
			return false
		}
	}
	return true
}

// The layout of an ID: 41 bits of milliseconds since idEpoch, 13 bits of node,
// 9 bits of sequence. Ids grow with time, so that a primary key is appended to.
const (
	idEpoch      = 1735689600000 // 2025-01-01T00:00:00Z
	idNodeBits   = 13
	idSeqBits    = 9
	idMaxNode    = 1<<idNodeBits - 1
	idMaxSeq     = 1<<idSeqBits - 1
	idTimeShifts = idNodeBits + idSeqBits
)

// IDs makes ids. Two makers with different nodes never make the same one.
type IDs struct {
	now  Clock
	node int64

	mu   sync.Mutex
	last int64
	seq  int64
}

// NewIDs returns a maker for the node, 0 to 8191; a process takes its number
// from sqldb.Node, so that no two that live at once share one.
func NewIDs(node int64, now Clock) (*IDs, error) {
	if node < 0 || node > idMaxNode {
		return nil, fmt.Errorf("node %d is not within 0…%d", node, idMaxNode)
	}
	return &IDs{now: now, node: node}, nil
}

// Next returns an id that is larger than all before it. It never waits: when
// the clock stands still, steps back or 512 ids of one millisecond are used
// up, it runs ahead of the clock.
func (g *IDs) Next() ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	ms := g.now().UnixMilli() - idEpoch
	if ms > g.last {
		g.last, g.seq = ms, 0
	} else if g.seq++; g.seq > idMaxSeq {
		g.last, g.seq = g.last+1, 0
	}
	return ID(g.last<<idTimeShifts | g.node<<idSeqBits | g.seq)
}

// IDAt is the least id that is made from an instant on: older rows have smaller ids.
func IDAt(at Millis) ID { return ID(max(0, int64(at)-idEpoch) << idTimeShifts) }

// Clock tells the time. Production passes time.Now, a test or a rehearsal a
// clock of its own.
type Clock func() time.Time
