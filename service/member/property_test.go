package member

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
)

// TestANumberHasAtMostOneMember runs random bindings, merges and closings against a
// plain map and looks after every step at what two replicas show and at the history.
func TestANumberHasAtMostOneMember(t *testing.T) {
	dbtest.Engines(t, func(t *testing.T, db *sql.DB) {
		w := newWorld(t, db, dbtest.EmbeddedRedis(t), Options{PhonePerDay: 1 << 30, MemberPerDay: 1 << 30})
		replicas := []*Members{w.Members, w.replica(t, Options{PhonePerDay: 1 << 30, MemberPerDay: 1 << 30})}
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			s := newStory(t, rt, w, replicas, run)
			for range rapid.IntRange(1, 25).Draw(rt, "steps") {
				s.step()
				s.look()
			}
			s.lookAtHistory()
		})
	})
}

// story is one run: who is who, as a plain map would have it.
type story struct {
	t        *testing.T
	rt       *rapid.T
	w        *world
	replicas []*Members
	run, n   int
	person   map[string]int         // openid → person
	unions   map[string]int         // unionid → person
	born     []int                  // person → the order in which he came
	bound    map[int]model.Phone    // person → number
	boundAt  map[int]int            // person → step
	ids      map[int]model.MemberID // person → his id
	openIDs  []string
	phones   []model.Phone
}

func newStory(t *testing.T, rt *rapid.T, w *world, replicas []*Members, run int) *story {
	s := &story{
		t: t, rt: rt, w: w, replicas: replicas, run: run, person: map[string]int{}, unions: map[string]int{},
		bound: map[int]model.Phone{}, boundAt: map[int]int{}, ids: map[int]model.MemberID{},
	}
	for i := range 4 {
		s.openIDs = append(s.openIDs, fmt.Sprintf("o%d-%d", run, i))
	}
	for i := range 3 {
		s.phones = append(s.phones, phone(run*10+i))
	}
	return s
}

func (s *story) request() model.RequestID {
	s.n++
	return model.RequestID(fmt.Sprintf("r%d-%d", s.run, s.n))
}

// who touches the openid at a replica and knows the person from then on.
func (s *story) who(m *Members, openID string) (int, model.MemberID) {
	got, err := m.Touch(context.Background(), model.OfficialAccount, model.OpenID(openID))
	if err != nil {
		s.rt.Fatalf("Touch: %v", err)
	}
	p, known := s.person[openID]
	if !known {
		p = len(s.born)
		s.born = append(s.born, p)
		s.person[openID], s.ids[p] = p, got.ID
	}
	if s.ids[p] != got.ID {
		s.rt.Fatalf("%s is member %d, want %d", openID, got.ID, s.ids[p])
	}
	return p, got.ID
}

func (s *story) step() {
	ctx, m := context.Background(), rapid.SampledFrom(s.replicas).Draw(s.rt, "replica")
	openID := rapid.SampledFrom(s.openIDs).Draw(s.rt, "who")
	p, id := s.who(m, openID)
	number := rapid.SampledFrom(s.phones).Draw(s.rt, "number")
	s.w.clock.forward(2 * time.Minute)
	var err error
	switch what := rapid.SampledFrom([]string{"code", "verified", "unbind", "recycle", "join", "close"}).Draw(s.rt, "what"); what {
	case "code":
		if s.bound[p] == number {
			return
		}
		if err = m.SendCode(ctx, id, number, s.request()); err == nil {
			_, err = m.Confirm(ctx, id, s.w.sms.code(s.t, number), s.request())
		}
		s.bind(p, number)
	case "verified":
		err = m.BindVerified(ctx, id, number, s.request())
		s.bind(p, number)
	case "unbind":
		err = m.Unbind(ctx, id, s.request())
		if s.bound[p].IsZero() {
			want(s.t, "unbind nothing", err, ErrNotBound)
			err = nil
		}
		delete(s.bound, p)
	case "recycle":
		var gone bool
		gone, err = m.Recycle(ctx, number, fmt.Sprintf("holder-%d", s.n+100))
		s.n++
		if had := s.holder(number); gone != (had >= 0) {
			s.rt.Fatalf("Recycle = %v, held by %d", gone, had)
		}
		delete(s.bound, s.holder(number))
	case "join":
		union := fmt.Sprintf("u%d-%d", s.run, rapid.IntRange(0, 1).Draw(s.rt, "union"))
		_, err = m.Join(ctx, model.OfficialAccount, model.OpenID(openID), model.UnionID(union))
		s.join(p, union)
	case "close":
		err = m.Close(ctx, id, s.request())
		s.forget(p)
	}
	if err != nil {
		s.rt.Fatalf("step %d: %v", s.n, err)
	}
}

func (s *story) holder(number model.Phone) int {
	for p, b := range s.bound {
		if b == number {
			return p
		}
	}
	return -1
}

func (s *story) bind(p int, number model.Phone) {
	if s.bound[p] != number {
		s.boundAt[p] = s.n
	}
	delete(s.bound, s.holder(number))
	s.bound[p] = number
}

func (s *story) join(p int, union string) {
	q, taken := s.unions[union]
	s.unions[union] = p
	if !taken || p == q {
		return
	}
	into, from := min(p, q), max(p, q)
	if b, ok := s.bound[from]; ok && (s.bound[into].IsZero() || s.boundAt[from] > s.boundAt[into]) {
		s.bound[into], s.boundAt[into] = b, s.boundAt[from]
	}
	delete(s.bound, from)
	for o, who := range s.person {
		if who == from {
			s.person[o] = into
		}
	}
	for u, who := range s.unions {
		if who == from {
			s.unions[u] = into
		}
	}
}

func (s *story) forget(p int) {
	delete(s.bound, p)
	for o, who := range s.person {
		if who == p {
			delete(s.person, o)
		}
	}
	for u, who := range s.unions {
		if who == p {
			delete(s.unions, u)
		}
	}
}

// look compares what every replica shows with the map.
func (s *story) look() {
	for i, m := range s.replicas {
		for openID, p := range s.person {
			got, err := m.Touch(context.Background(), model.OfficialAccount, model.OpenID(openID))
			if err != nil || got.ID != s.ids[p] || got.Phone != s.bound[p] {
				s.rt.Fatalf("replica %d shows %s as %d with %v, %v, want %d with %v", i, openID, got.ID, got.Phone, err, s.ids[p], s.bound[p])
			}
			byID, err := m.Get(context.Background(), s.ids[p], model.OfficialAccount)
			if err != nil || byID.Phone != s.bound[p] {
				s.rt.Fatalf("replica %d shows member %d with %v, %v, want %v", i, s.ids[p], byID.Phone, err, s.bound[p])
			}
		}
	}
}

// lookAtHistory replays the history of each number: bound and unbound alternate, and
// the end is what is bound now.
func (s *story) lookAtHistory() {
	for _, number := range s.phones {
		rows, err := s.w.db.Query("SELECT member_id, action FROM member_binding WHERE phone_index = ? ORDER BY id", s.w.phoneIndex(number))
		if err != nil {
			s.rt.Fatal(err)
		}
		var holder int64
		for rows.Next() {
			var id int64
			var action string
			if err := rows.Scan(&id, &action); err != nil {
				s.rt.Fatal(err)
			}
			switch {
			case action == actionBound && holder == 0:
				holder = id
			case action == actionUnbound && holder == id:
				holder = 0
			default:
				s.rt.Fatalf("history of %v: member %d %s while %d has it", number, id, action, holder)
			}
		}
		if err := rows.Close(); err != nil {
			s.rt.Fatal(err)
		}
		var want int64
		if p := s.holder(number); p >= 0 {
			want = int64(s.ids[p])
		}
		if holder != want {
			s.rt.Fatalf("the history of %v ends with member %d, want %d", number, holder, want)
		}
	}
}
