package chat

import (
	"slices"
	"strings"
)

// sentence is a message as concepts.
type sentence struct {
	live   set  // what is wanted, without what was refused
	length int  // in runes; three Latin letters count as one
	kinds  int  // how many different numbers are named
	joined bool // the first two numbers are named side by side
	beside bool // the money on the phone is named beside a bill
	phone  bool // a phone number is in it
	filled int  // of length, what is a question
}

// fillers stand between words and change nothing.
const fillers = "我你您的了啊呢吗吧呀哦嗯帮给下一请想要再先去来个这那还有"

// word is one entry of the lexicon.
type word struct {
	length int
	means  set
	slip   bool
	latin  bool
}

// maxSlip is the length, in runes, of a message in which slips count.
const maxSlip = 10

// lexicon is the automaton of words and slips with what they stand for.
type lexicon struct {
	words []word
	*automaton
}

var spoken = newLexicon()

func newLexicon() lexicon {
	var l lexicon
	var patterns [][]rune
	index := map[string]int{}
	learn := func(list string, c concept, slip bool) {
		for _, w := range strings.Fields(list) {
			runes := fold(w).runes
			at, known := index[string(runes)]
			if !known {
				at = len(patterns)
				index[string(runes)] = at
				patterns = append(patterns, runes)
				l.words = append(l.words, word{length: len(runes), slip: slip, latin: runes[0] < 0x80 && runes[0] > '9'})
			}
			if l.words[at].slip == slip {
				l.words[at].means |= 1 << c
			}
		}
	}
	for c := range concepts {
		learn(words[c], c, false)
	}
	for c := range concepts {
		learn(slips[c], c, true)
	}
	l.automaton = newAutomaton(patterns)
	return l
}

// maxTokens bounds the words of one message that are looked at.
const maxTokens = 96

type token struct {
	start, end int
	means      set
}

// read finds the words of the message and takes out what is refused.
func read(f folded) sentence {
	var buffer [maxTokens]token
	tokens := spoken.tokens(f, buffer[:0])
	s := sentence{length: f.length(), phone: hasPhone(f.runes)}
	refusing, refused := false, false
	clause := uint8(0)
	for i, t := range tokens {
		if t.means&questions != 0 {
			s.filled += folded{runes: f.runes[t.start:t.end]}.length()
		}
		if at := f.clause[t.start]; at != clause {
			clause = at
			refusing = refusing && !refused
		}
		switch {
		case t.means.has(aNot) && i > 0 && takesBack(f, tokens[i-1], t):
			s.live &^= together(f, tokens[:i], t.start)
			refusing = false
			continue
		case t.means.has(aNot):
			refusing, refused = true, false
			continue
		case refusing && refused && (t.means.has(aTurn) || t.means.has(anAsk)):
			refusing = false
		case refusing && t.means.has(aTurn) && i > 0 && !tokens[i-1].means.has(aNot):
			refusing = false
		}
		if refusing {
			refused = refused || t.means&objects != 0
			continue
		}
		s.live |= t.means
		if t.means.has(aRest) && apart(f, tokens, i) {
			s.live |= 1 << aFee
		}
	}
	s.beside = s.live.has(aBill) && besideBill(f, tokens)
	s.joined = s.beside || joined(f, tokens)
	for _, number := range numbered {
		if s.live&number != 0 {
			s.kinds++
		}
	}
	return s
}

// takesBack tells that a no refuses what was named right before it, as in 话费不查了, and
// nothing that follows: all that comes after it in its clause is the verb and 了.
func takesBack(f folded, before, no token) bool {
	if before.means&objects == 0 || !among(f.runes[before.end:no.start], "就先也都") {
		return false
	}
	for i := no.end; i < len(f.runes) && f.clause[i] == f.clause[no.start]; i++ {
		if f.runes[i] == '了' {
			return true
		}
		if !among(f.runes[i:i+1], "查看用要") {
			return false
		}
	}
	return true
}

// together is what the last of the tokens names, and what is listed with it: in
// 套餐和流量都不要, 套餐、流量不要 and, for the 都 before the no, in 套餐流量都不要 both are refused.
func together(f folded, tokens []token, no int) set {
	at := len(tokens) - 1
	all := tokens[at].means
	each := slices.Contains(f.runes[tokens[at].end:no], '都')
	for at > 0 {
		t, before := tokens[at], at-1
		switch {
		case tokens[before].means.has(anAnd) && before > 0:
			before--
		case f.listed[t.start], each && tokens[before].end == t.start && f.clause[t.start-1] == f.clause[t.start]:
		default:
			return all
		}
		if tokens[before].means&objects&^(1<<anAsk) == 0 {
			return all
		}
		all |= tokens[before].means
		at = before
	}
	return all
}

func among(runes []rune, of string) bool {
	return !slices.ContainsFunc(runes, func(r rune) bool { return !strings.ContainsRune(of, r) })
}

// apart tells that a balance is the money's, though it is named beside other numbers:
// an "and" or a 、 stands between (余额和流量), and it is not of the word before it.
func apart(f folded, tokens []token, i int) bool {
	if i > 0 && (tokens[i-1].means.has(anAnd) || f.listed[tokens[i].start]) {
		return true
	}
	of := i > 0 && tokens[i-1].means&objects&^(1<<anAsk) != 0 && tokens[i].start-tokens[i-1].end <= 1
	if of || i+1 >= len(tokens) {
		return false
	}
	at := tokens[i].start
	for i+2 < len(tokens) && tokens[i+1].means&^questions == 0 {
		i++ // 余额多少，顺便…
	}
	next := tokens[i+1]
	return next.means.has(anAnd) || f.listed[next.start] || f.clause[next.start] != f.clause[at] && next.means&objects != 0
}

// besideBill tells that the money on the phone is asked for beside a bill, and not the
// bill of it: an "and" or a stop stands between (余额和账单, 话费、上个月账单), and no month
// before the money.
func besideBill(f folded, tokens []token) bool {
	for i, t := range tokens {
		if numberOf(t.means) != money || i > 0 && tokens[i-1].means.has(aPast) {
			continue
		}
		for j := i + 1; j < len(tokens) && linked(tokens[i+1:j], 1<<aPast); j++ {
			if tokens[j].means.has(aBill) && numberOf(tokens[j].means) >= 0 && listed(f, tokens[i:j+1]) {
				return true
			}
		}
		for j := i - 1; j >= 0 && linked(tokens[j+1:i], 0); j-- {
			if tokens[j].means.has(aBill) && numberOf(tokens[j].means) >= 0 && listed(f, tokens[j:i+1]) {
				return true
			}
		}
	}
	return false
}

// listed tells that two things stand in a list: an "and" or a stop is between the first
// and the last of the tokens.
func listed(f folded, tokens []token) bool {
	first, last := tokens[0], tokens[len(tokens)-1]
	for at := first.end; at <= last.start; at++ {
		if f.listed[at] || f.clause[at] != f.clause[at-1] {
			return true
		}
	}
	return slices.ContainsFunc(tokens, func(t token) bool { return t.means.has(anAnd) })
}

// length is how much was said: a Chinese character says as much as three letters.
func (f folded) length() int {
	latin := 0
	for _, r := range f.runes {
		if isLatin(r) {
			latin++
		}
	}
	return len(f.runes) - latin + (latin+2)/3
}

// strange tells that the message holds more than known words and fillers.
func strange(f folded) bool {
	at := 0
	for _, t := range append(spoken.tokens(f, nil), token{start: len(f.runes)}) {
		for _, r := range f.runes[at:t.start] {
			if !strings.ContainsRune(fillers, r) {
				return true
			}
		}
		at = t.end
	}
	return false
}

// objects are the concepts that can be refused.
var objects = func() set {
	var s set
	for _, c := range []concept{aFee, aRest, aArrears, aData, anAllowed, aPlan, anOrdered, aPoint, aBill, aTopUp, aFill, aRedeem, aSwap, aSign, aDeal, aNews, aService, aHall, aMini, aClose, anUnfollow, aFeedback, aHuman, aBind, aHelp, aMenu, anAsk} {
		s |= 1 << c
	}
	return s
}()

// money is the one of numbered that a balance answers.
const money = 0

// questions are the concepts that ask without saying for what.
const questions set = 1<<anAsk | 1<<aMuch | 1<<aLeft | 1<<aMoney | 1<<aPhone | 1<<aTurn

// numbered are the concepts that a number answers, as one set for each number.
var numbered = []set{1<<aFee | 1<<aRest | 1<<aArrears, 1<<aData | 1<<anAllowed, 1<<aPlan | 1<<anOrdered, 1 << aPoint, 1 << aBill}

// joined tells that two different numbers are named with nothing but "and", a
// question or a stop between them. Side by side without any, a bill is no number
// of its own: 积分明细 is about points.
func joined(f folded, tokens []token) bool {
	last, at := -1, 0
	for i, t := range tokens {
		which := numberOf(t.means)
		if which < 0 {
			continue
		}
		if which == last {
			at = i
			continue
		}
		if last >= 0 {
			between := tokens[at+1 : i]
			bare := len(between) == 0 && !f.parted[t.start]
			return !(bare && t.means.has(aBill)) && t.start-tokens[i-1].end <= 2 && linked(between, 1<<aMuch|1<<aLeft)
		}
		last, at = which, i
	}
	return false
}

// numberOf is the number that a word names, -1 for none or several.
func numberOf(means set) int {
	which := -1
	for i, number := range numbered {
		if means&number == 0 {
			continue
		}
		if which >= 0 {
			return -1
		}
		which = i
	}
	return which
}

// linked tells that nothing but an "and", a question or the others stands between.
func linked(between []token, others set) bool {
	for _, t := range between {
		if t.means&(1<<anAnd|1<<anAsk|others) == 0 {
			return false
		}
	}
	return true
}

// tokens cuts the message into known words: the leftmost first, the longest of
// those, none within another.
func (l lexicon) tokens(f folded, into []token) []token {
	best := make([]int32, len(f.runes)) // word + 1 by start
	l.find(f.runes, func(end int, patterns []int32) {
		for _, p := range patterns {
			w := l.words[p]
			start := end - w.length
			if w.slip && len(f.runes) > maxSlip || w.latin && !f.whole(start, end) || slices.Contains(f.listed[start+1:end], true) {
				continue
			}
			if b := best[start]; b == 0 || l.words[b-1].length < w.length {
				best[start] = p + 1
			}
		}
	})
	for i := 0; i < len(f.runes) && len(into) < maxTokens; {
		if b := best[i]; b != 0 {
			w := l.words[b-1]
			into = append(into, token{i, i + w.length, w.means})
			i += w.length
			continue
		}
		end := run(f, i)
		if end == i {
			i++
			continue
		}
		if means := nearly(f.runes[i:end]); means != 0 {
			into = append(into, token{i, end, means})
		}
		i = end
	}
	return into
}

// whole tells that a Latin word is not a part of a longer one; words that were
// written together with cha (查) count.
func (f folded) whole(start, end int) bool {
	before := start == 0 || f.parted[start] || !isLatin(f.runes[start-1])
	after := end == len(f.runes) || f.parted[end] || !isLatin(f.runes[end])
	if !before && start >= 3 {
		before = string(f.runes[start-3:start]) == "cha" && (start == 3 || !isLatin(f.runes[start-4]))
	}
	return before && after
}

func isLatin(r rune) bool { return r >= 'a' && r <= 'z' }

// run returns the end of the Latin word or of the number that starts at i, or i.
func run(f folded, i int) int {
	in := isLatin
	if isDigit(f.runes[i]) {
		in = isDigit
	}
	end := i
	for end < len(f.runes) && in(f.runes[end]) && (end == i || !f.parted[end]) {
		end++
	}
	return end
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// nearly reads an amount, or a Latin word that is one slip away from a known one.
func nearly(word []rune) set {
	if isDigit(word[0]) {
		if len(word) <= 4 {
			return 1 << aNumber
		}
		return 0
	}
	if len(word) < 4 || len(word) > 9 {
		return 0
	}
	for _, p := range pinyin {
		if oneSlip(word, p.word) {
			return 1 << p.concept
		}
	}
	return 0
}

// oneSlip tells that a letter is missing, doubled, wrong or swapped with the next.
func oneSlip(got []rune, want string) bool {
	i := 0
	for i < len(got) && i < len(want) && got[i] == rune(want[i]) {
		i++
	}
	rest, left := got[i:], want[i:]
	same := func(r []rune, s string) bool { return slices.Equal(r, []rune(s)) }
	switch len(got) - len(want) {
	case -1:
		return same(rest, left[1:])
	case 1:
		return same(rest[1:], left)
	case 0:
		if len(rest) == 0 || same(rest[1:], left[1:]) {
			return true
		}
		return len(rest) > 1 && rest[0] == rune(left[1]) && rest[1] == rune(left[0]) && same(rest[2:], left[2:])
	}
	return false
}

// hasPhone tells that eleven digits in a row look like a mobile number.
func hasPhone(runes []rune) bool { return phoneIn(runes) != "" }

// phoneIn returns the first run of eleven digits that begins with 13 to 19.
func phoneIn(runes []rune) string {
	for i := 0; i < len(runes); i++ {
		if !isDigit(runes[i]) {
			continue
		}
		end := i
		for end < len(runes) && isDigit(runes[end]) {
			end++
		}
		if end-i == 11 && runes[i] == '1' && runes[i+1] >= '3' {
			return string(runes[i:end])
		}
		i = end
	}
	return ""
}

// vague tells that the words that ask are at least half of the message, so
// that a bare question is one about the number and not about the weather.
func (s sentence) vague() bool { return s.filled*2 >= s.length }
