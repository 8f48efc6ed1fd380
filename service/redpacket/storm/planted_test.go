package storm

import (
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/redpacket"
)

// told makes an operation of member on pot 1 between two instants.
func told(what string, member model.MemberID, request, code string, k int, call, end time.Duration) op {
	return op{
		what: what, order: order{Game: 1, Pot: 1, Member: member, Request: model.RequestID(request)},
		call: call, end: end, answered: true, said: reply{Code: code, Pot: 1, K: k, Share: 10, Commitment: "c", From: 5, To: 5},
	}
}

// peaceful is a run without a fault of the game: pot 1 of member 99, whom nine
// members help.
func peaceful() ([]op, standing) {
	s := standing{
		map[redpacket.PotID]pot{1: {
			game: 1, owner: 99, request: "o", n: potHelps, state: redpacket.Filled, commitment: "c",
			target: 90, won: 90, payouts: 1, paid: 90,
		}},
		map[redpacket.PotID]map[model.MemberID]row{1: {}},
	}
	ops := []op{told("open", 99, "o", "ok", 0, 0, 1)}
	for i := range potHelps {
		id, at := model.MemberID(1+i), time.Duration(10*(i+1))
		s.rows[1][id] = row{i + 1, "r", 10, 5}
		ops = append(ops, told("help", id, "r", "ok", i+1, at, at+5))
	}
	return append(ops, told("help", 50, "r", "redpacket.full", 0, 96, 97), told("help", 1, "q", "redpacket.already_helped", 1, 98, 99)), s
}

func TestEachAccusationIsMade(t *testing.T) {
	if found := accusations(peaceful()); len(found) > 0 {
		t.Fatalf("a peaceful run is accused of %v", found)
	}
	change := func(s *standing, f func(*pot)) {
		p := s.pots[1]
		f(&p)
		s.pots[1] = p
	}
	for _, tt := range []struct {
		rule  string
		plant func(ops *[]op, s *standing)
	}{
		{"help.lost", func(_ *[]op, s *standing) { delete(s.rows[1], 3) }},
		{"help.lost", func(_ *[]op, s *standing) { s.rows[1][3] = row{7, "r", 10, 5} }},
		{"help.lost", func(_ *[]op, s *standing) { s.rows[1][3] = row{3, "another", 10, 5} }},
		{"row.unasked", func(ops *[]op, _ *standing) { *ops = append((*ops)[:2:2], (*ops)[3:]...) }},
		{"already.untrue", func(ops *[]op, _ *standing) {
			*ops = append(*ops, told("help", 60, "r", "redpacket.already_helped", 1, 96, 97))
		}},
		{"already.untrue", func(ops *[]op, _ *standing) {
			*ops = append(*ops, told("help", 1, "r", "redpacket.already_helped", 1, 96, 97))
		}},
		{"full.untrue", func(ops *[]op, _ *standing) { *ops = append(*ops, told("help", 1, "r", "redpacket.full", 0, 96, 97)) }},
		{"ended.untrue", func(ops *[]op, _ *standing) { *ops = append(*ops, told("help", 60, "r", "redpacket.ended", 0, 96, 97)) }},
		{"own_pot.untrue", func(ops *[]op, _ *standing) {
			*ops = append(*ops, told("help", 60, "r", "redpacket.own_pot", 0, 96, 97))
		}},
		{"day_limit.untrue", func(ops *[]op, _ *standing) {
			*ops = append(*ops, told("help", 1, "z", "redpacket.day_limit", 0, 96, 97))
		}},
		{"refusal.too_early", func(ops *[]op, _ *standing) { *ops = append(*ops, told("help", 60, "r", "redpacket.full", 0, 40, 45)) }},
		{"answer.unexpected", func(ops *[]op, _ *standing) { *ops = append(*ops, told("help", 60, "r", "internal", 0, 96, 97)) }},
		{"view.behind", func(ops *[]op, _ *standing) {
			o := told("view", 60, "", "ok", 0, 96, 97)
			o.known = 1
			*ops = append(*ops, o)
		}},
		{"open.lost", func(ops *[]op, _ *standing) { (*ops)[0].said.Pot = 2 }},
		{"open.lost", func(ops *[]op, _ *standing) { (*ops)[0].said.Commitment = "another" }},
		{"open.twice", func(ops *[]op, s *standing) {
			again := (*ops)[0]
			again.said.Pot = 2
			*ops, s.pots[2] = append(*ops, again), s.pots[1]
		}},
		{"pots_limit.untrue", func(ops *[]op, _ *standing) { (*ops)[0].said.Code = "redpacket.pots_limit" }},
		{"pot.left_open", func(_ *[]op, s *standing) { change(s, func(p *pot) { p.state = redpacket.Open }) }},
		{"pot.not_full", func(_ *[]op, s *standing) { change(s, func(p *pot) { p.target++ }) }},
		{"pot.not_void", func(_ *[]op, s *standing) { change(s, func(p *pot) { p.state = redpacket.Closed }) }},
		{"payout.each", func(_ *[]op, s *standing) { change(s, func(p *pot) { p.payouts, p.paid = 2, 140 }) }},
		{"payout.each", func(_ *[]op, s *standing) { change(s, func(p *pot) { p.payouts, p.paid = 0, 0 }) }},
		{"helper.day_limit", func(_ *[]op, s *standing) {
			for id := redpacket.PotID(2); id <= 1+dayHelps; id++ {
				s.pots[id], s.rows[id] = s.pots[1], map[model.MemberID]row{1: {1, "r", 10, 5}}
			}
		}},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			ops, s := peaceful()
			tt.plant(&ops, &s)
			found := accusations(ops, s)
			for _, a := range found {
				if strings.HasPrefix(a, tt.rule+":") {
					return
				}
			}
			t.Errorf("found %v, want %s", found, tt.rule)
		})
	}
}

func TestAnImpossibleHistoryIsTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		add  op
		bad  int
	}{
		{"a late one is told it is full", told("help", 60, "r", "redpacket.full", 0, 100, 105), 0},
		{"nobody knows", op{what: "help", order: order{Pot: 1, Member: 61, Request: "r"}, call: 1}, 0},
		{"full before it was", told("help", 60, "r", "redpacket.full", 0, 20, 25), 1},
		{"one slot too many", told("help", 60, "r", "ok", 10, 100, 105), 1},
		{"ended, then full", told("help", 60, "r", "redpacket.ended", 0, 20, 25), 1},
		{"a repeat told already", told("help", 1, "r", "redpacket.already_helped", 1, 100, 105), 1},
	} {
		ops, _ := peaceful()
		if _, _, bad := linearizable(append(ops, tt.add), time.Minute); len(bad) != tt.bad {
			t.Errorf("%s: impossible histories = %v, want %d", tt.name, bad, tt.bad)
		}
	}
}
