package storm

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"kaimenhong/model"
	"kaimenhong/service/redpacket"
)

// op is something that a client asked for, until it was answered: all its tries.
type op struct {
	what     string // open, help or view
	order    order
	call     time.Duration // of the first try, since the storm began
	end      time.Duration // of the answer
	answered bool
	said     reply
	known    int // of a view: helps of the pot acknowledged before it was asked
}

// standing is what SQL holds in the end.
type standing struct {
	pots map[redpacket.PotID]pot
	rows map[redpacket.PotID]map[model.MemberID]row
}

type pot struct {
	game       redpacket.GameID
	owner      model.MemberID
	request    model.RequestID
	n          int
	state      redpacket.State
	commitment string
	target     model.Fen
	won        model.Fen
	payouts    int
	paid       model.Fen
}

type row struct {
	k       int
	request model.RequestID
	share   model.Fen
	day     model.Day
}

// The limits of the storm's games.
const (
	potHelps = 9
	dayHelps = 4
	potsEach = 3
)

// judge compares what was told with what stands.
type judge struct {
	s     standing
	ops   []op
	first map[seat]time.Duration // when a helper first asked to help a pot
	asked map[asking]bool
	days  map[dayOf][]redpacket.PotID
	found []string
}

type (
	seat struct {
		pot    redpacket.PotID
		member model.MemberID
	}
	asking struct {
		seat
		request model.RequestID
	}
	dayOf struct {
		game   redpacket.GameID
		member model.MemberID
		day    model.Day
	}
)

func (j *judge) accuse(rule string, what any) {
	if len(j.found) < 50 {
		j.found = append(j.found, fmt.Sprintf("%s: %+v", rule, what))
	}
}

// accusations are all that contradicts the rules, each beginning with the rule.
func accusations(ops []op, s standing) []string {
	j := &judge{s: s, ops: ops, first: map[seat]time.Duration{}, asked: map[asking]bool{}, days: map[dayOf][]redpacket.PotID{}}
	for _, o := range ops {
		if o.what != "help" {
			continue
		}
		at := seat{o.order.Pot, o.order.Member}
		j.asked[asking{at, o.order.Request}] = true
		if before, ok := j.first[at]; !ok || o.call < before {
			j.first[at] = o.call
		}
	}
	for id, rows := range s.rows {
		for member, r := range rows {
			if member > 0 {
				key := dayOf{s.pots[id].game, member, r.day}
				j.days[key] = append(j.days[key], id)
			}
		}
	}
	j.pots()
	j.openings()
	j.helps()
	return j.found
}

// pots checks each pot by itself.
func (j *judge) pots() {
	for id, p := range j.s.pots {
		real := 0
		var sum model.Fen
		for member, r := range j.s.rows[id] {
			if member < 0 {
				continue
			}
			real++
			sum += r.share
			if !j.asked[asking{seat{id, member}, r.request}] {
				j.accuse("row.unasked", r)
			}
		}
		switch {
		case p.state == redpacket.Open:
			j.accuse("pot.left_open", p)
		case p.state == redpacket.Filled && (real != p.n || sum != p.target || p.won != p.target):
			j.accuse("pot.not_full", p)
		case p.state == redpacket.Closed && (real >= p.n || len(j.s.rows[id]) != p.n):
			j.accuse("pot.not_void", p)
		}
		if want := min(int(p.won), 1); p.payouts != want || p.paid != p.won {
			j.accuse("payout.each", p)
		}
	}
	for key, pots := range j.days {
		if len(pots) > dayHelps {
			j.accuse("helper.day_limit", key)
		}
	}
}

// openings: none is lost, and a request has one pot.
func (j *judge) openings() {
	type owner struct {
		member  model.MemberID
		request model.RequestID
	}
	told := map[owner]redpacket.PotID{}
	held := map[string]int{}
	for _, p := range j.s.pots {
		held[fmt.Sprint(p.game, p.owner)]++
	}
	for _, o := range j.ops {
		if o.what != "open" || !o.answered {
			continue
		}
		switch o.said.Code {
		case "ok":
			p, ok := j.s.pots[o.said.Pot]
			if !ok || p.owner != o.order.Member || p.request != o.order.Request || p.commitment != o.said.Commitment {
				j.accuse("open.lost", o)
			}
			key := owner{o.order.Member, o.order.Request}
			if before, ok := told[key]; ok && before != o.said.Pot {
				j.accuse("open.twice", o)
			}
			told[key] = o.said.Pot
		case "redpacket.pots_limit":
			if held[fmt.Sprint(o.order.Game, o.order.Member)] < potsEach {
				j.accuse("pots_limit.untrue", o)
			}
		case "redpacket.budget", "redpacket.game_ended":
		default:
			j.accuse("answer.unexpected", o)
		}
	}
}

// helps: every answer is true, and was true when it was given.
func (j *judge) helps() {
	complete := map[redpacket.PotID]time.Duration{} // when full or ended was first told
	for _, o := range j.ops {
		if !o.answered {
			continue
		}
		switch o.what {
		case "view":
			if o.said.Code != "ok" || o.said.Helped < o.known || o.said.Helped > potHelps {
				j.accuse("view.behind", o)
			}
		case "help":
			j.help(o)
			if c := o.said.Code; c == "redpacket.full" || c == "redpacket.ended" {
				if at, ok := complete[o.order.Pot]; !ok || o.end < at {
					complete[o.order.Pot] = o.end
				}
			}
		}
	}
	for id, at := range complete {
		for member := range j.s.rows[id] {
			if member > 0 && j.first[seat{id, member}] > at {
				j.accuse("refusal.too_early", fmt.Sprintf("pot %s was refused at %s, %s came at %s", id, at, member, j.first[seat{id, member}]))
			}
		}
	}
}

func (j *judge) help(o op) {
	p := j.s.pots[o.order.Pot]
	own, stands := j.s.rows[o.order.Pot][o.order.Member]
	switch o.said.Code {
	case "ok":
		if !stands || own.k != o.said.K || own.share != o.said.Share || own.request != o.order.Request {
			j.accuse("help.lost", o)
		}
	case "redpacket.already_helped":
		if !stands || own.k != o.said.K || own.request == o.order.Request {
			j.accuse("already.untrue", o)
		}
	case "redpacket.full":
		if stands || p.state != redpacket.Filled {
			j.accuse("full.untrue", o)
		}
	case "redpacket.ended":
		if stands || p.state != redpacket.Closed {
			j.accuse("ended.untrue", o)
		}
	case "redpacket.own_pot":
		if p.owner != o.order.Member {
			j.accuse("own_pot.untrue", o)
		}
	case "redpacket.day_limit":
		if o.said.From == o.said.To { // else midnight passed, and nobody knows which day was meant
			j.dayLimit(o, p)
		}
	default:
		j.accuse("answer.unexpected", o)
	}
}

// dayLimit: the day held as many helps as are allowed before the answer was given.
func (j *judge) dayLimit(o op, p pot) {
	before := 0
	for _, id := range j.days[dayOf{p.game, o.order.Member, o.said.From}] {
		if j.first[seat{id, o.order.Member}] <= o.end {
			before++
		}
	}
	if before < dayHelps {
		j.accuse("day_limit.untrue", o)
	}
}

// potModel is a pot as a sequential object. A state is "closed|" or "|", then its
// helps, sorted.
var potModel = porcupine.Model{
	Init: func() any { return "|" },
	Step: func(state, in, out any) (bool, any) {
		q, said := in.(order), out.(string)
		closed, text, _ := strings.Cut(state.(string), "|")
		var helps []string
		if text != "" {
			helps = strings.Split(text, ",")
		}
		for _, h := range helps {
			if who, request, _ := strings.Cut(h, ":"); who == q.Member.String() {
				if request == string(q.Request) {
					return said == "ok" || said == "", state
				}
				return said == "redpacket.already_helped" || said == "", state
			}
		}
		grown := func() any {
			more := append(slices.Clone(helps), q.Member.String()+":"+string(q.Request))
			slices.Sort(more)
			return closed + "|" + strings.Join(more, ",")
		}
		switch full := len(helps) == potHelps; said {
		case "ok":
			return !full && closed == "", grown()
		case "": // nobody knows: it may have come through
			if full || closed != "" {
				return true, state
			}
			return true, grown()
		case "redpacket.full":
			return full, state
		case "redpacket.ended":
			return !full, "closed|" + text
		}
		return said == "redpacket.day_limit", state
	},
}

// linearizable checks each pot's history within the time given and returns how many
// are possible, impossible and undecided.
func linearizable(ops []op, limit time.Duration) (good, undecided int, bad []redpacket.PotID) {
	histories := map[redpacket.PotID][]porcupine.Operation{}
	for _, o := range ops {
		if o.what != "help" || o.said.Code == "redpacket.own_pot" {
			continue
		}
		p := porcupine.Operation{Input: o.order, Output: o.said.Code, Call: int64(o.call), Return: int64(o.end)}
		if !o.answered {
			p.Output, p.Return = "", math.MaxInt64
		}
		histories[o.order.Pot] = append(histories[o.order.Pot], p)
	}
	until := time.Now().Add(limit)
	for id, history := range histories {
		if time.Now().After(until) {
			undecided++
			continue
		}
		switch porcupine.CheckOperationsTimeout(potModel, history, time.Second) {
		case porcupine.Ok:
			good++
		case porcupine.Illegal:
			bad = append(bad, id)
		default:
			undecided++
		}
	}
	return good, undecided, bad
}
