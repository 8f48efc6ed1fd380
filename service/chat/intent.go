package chat

// Intent is what a subscriber wants. The set is open: a later domain adds a
// constant, its words and an answer.
type Intent string

// The intents. Their values are also the keys of the menu's taps and the labels
// of the metric.
const (
	Balance   Intent = "balance"   // 查话费
	Usage     Intent = "usage"     // 查流量, and minutes and messages left
	Plan      Intent = "plan"      // 查套餐
	Points    Intent = "points"    // 查积分
	Bill      Intent = "bill"      // 查账单
	TopUp     Intent = "topup"     // 充值, and data packs
	Redeem    Intent = "redeem"    // 积分兑换
	SignIn    Intent = "signin"    // 签到
	Redpacket Intent = "redpacket" // 红包, the game
	Deals     Intent = "deals"     // 特惠
	News      Intent = "new"       // 最新业务, and another plan
	Services  Intent = "common"    // 常用业务
	Mini      Intent = "mini"      // 小程序
	Close     Intent = "close"     // 注销账户, of the member
	Unfollow  Intent = "unfollow"  // 取消关注
	Feedback  Intent = "feedback"  // 意见反馈
	Human     Intent = "human"     // 人工
	Bind      Intent = "bind"      // 绑定
	Unbind    Intent = "unbind"    // 解绑
	OptOut    Intent = "optout"    // 停止推送, of offers and campaigns
	Sendings  Intent = "sendings"  // 推送设置: what we begin, and how it ends and begins again
	Help      Intent = "help"      // 帮助
	MainMenu  Intent = "menu"      // 菜单
)

// names are how the intents are called in a choice and as a tap: each is read as
// its own intent.
var names = map[Intent]string{
	Balance: "查话费", Usage: "查流量", Plan: "查套餐", Points: "查积分", Bill: "查账单",
	TopUp: "充值", Redeem: "积分兑换", Deals: "特惠", News: "最新业务", Services: "常用业务",
	SignIn: "签到", Redpacket: "红包", Mini: "小程序", Close: "注销账户", Unfollow: "取消关注", Feedback: "意见反馈", Human: "人工", Bind: "绑定", Unbind: "解绑", OptOut: "停止推送", Sendings: "推送设置", Help: "帮助", MainMenu: "菜单",
}

// Known tells whether the intent is one that the account answers.
func (i Intent) Known() bool { return names[i] != "" }

// maxIntents is how many a meaning holds.
const maxIntents = 5

// Meaning is what a sentence was read as. Sure with one intent, or two that were
// asked for together, is answered; otherwise Intents are what it may have meant,
// most likely first, and none at all means that it was not understood.
type Meaning struct {
	Sure    bool
	Other   bool // about somebody else's number
	Many    bool // more numbers were asked for than one answer holds
	intents [maxIntents]Intent
	n       int
}

// Intents are those meant or offered; at most five.
func (m *Meaning) Intents() []Intent { return m.intents[:m.n] }

func (m *Meaning) add(i Intent) {
	if m.n < maxIntents {
		m.intents[m.n] = i
		m.n++
	}
}

func sure(intents ...Intent) Meaning {
	m := choice(intents...)
	m.Sure = true
	return m
}

func choice(intents ...Intent) Meaning {
	var m Meaning
	for _, i := range intents {
		m.add(i)
	}
	return m
}

// asked is what is offered when somebody asks for something and does not say what.
func asked() Meaning { return choice(Balance, Usage, Plan, Points, Bill) }

// Understand reads a message of at most model.MaxText bytes; more is not looked
// at. carrier says whose short codes are meant.
//
// A question about money is answered only when one reading is left; anything that
// could be another number becomes a choice.
func Understand(message string, carrier Carrier) Meaning { return understand(fold(message), carrier) }

func understand(f folded, carrier Carrier) Meaning {
	if intent, ok := carrier.code(f.runes); ok {
		return sure(intent)
	}
	if !f.spoken {
		if f.asks {
			return sure(Help)
		}
		return Meaning{}
	}
	if intent := aboutSendings(f); intent != "" {
		return sure(intent)
	}
	if isOne(string(f.runes), leaves) {
		return choice(Sendings, Services)
	}
	return read(f).decide()
}

// The lengths, in runes, up to which a message is trusted: a bare noun is a
// request in a short message, a noun with a question in a sentence, and a long
// story is asked about.
const (
	shortMessage = 12
	longMessage  = 60
	pairMessage  = 30
)

type set uint64

func (s set) has(c concept) bool { return s>>c&1 == 1 }

func (s set) any(cs ...concept) bool {
	for _, c := range cs {
		if s.has(c) {
			return true
		}
	}
	return false
}

// decide goes from the clearest wish to the vaguest.
func (s sentence) decide() Meaning {
	has := s.live.has
	switch {
	case has(aForeign) && !has(aFee) && !has(aHuman):
		return Meaning{}
	case has(anUnbind):
		return s.settled(Unbind)
	case has(aHuman):
		return s.settled(Human)
	case has(aCode):
		return s.settled(Bind)
	case has(anUnfollow):
		return s.settled(Unfollow)
	case has(aTrouble) && has(aArrears), has(aTrouble) && has(aRest):
		return s.settled(Balance)
	case has(aFeedback):
		return s.settled(Feedback)
	case has(aTrouble) && has(aPot):
		return choice(Redpacket, Human, Feedback)
	case has(aTrouble):
		return choice(Human, Feedback, Balance)
	case has(aClose):
		return s.settled(Close)
	case has(aBind):
		return s.settled(Bind)
	case has(aRecord):
		return choice(Bill, TopUp, Human)
	case has(aSign) && !has(aMuch):
		return s.settled(SignIn)
	case has(aRedeem), has(aPoint) && s.live.any(aSwap, aUse, aBuy):
		return s.settled(Redeem)
	case has(aPot) && s.live.any(aTopUp, aFill, anOther, aForeign):
		return choice(Redpacket, Deals, TopUp, Human)
	case has(aPot):
		return s.settled(Redpacket)
	case has(aDeal):
		return s.settled(Deals)
	case s.topUp():
		return s.settled(TopUp)
	case has(aNews), has(aPlan) && s.live.any(aSwap, aBuy):
		return s.settled(News)
	case has(aService), has(aHall):
		return s.settled(Services)
	}
	if m := s.numbers(); m.n > 0 {
		return m
	}
	return s.rest()
}

// settled is the intent, unless the message is too long to rest on one word.
func (s sentence) settled(i Intent) Meaning {
	switch {
	case s.length <= longMessage:
		return sure(i)
	case i == Human:
		return choice(Human, Feedback)
	}
	return choice(i, Human)
}

// topUp tells that money or data is to be put on a number, not that it was.
func (s sentence) topUp() bool {
	if s.live.has(aFilled) {
		return false
	}
	if s.live.has(aTopUp) {
		return true
	}
	return s.live.has(aFill) && s.live.any(aFee, aArrears, aData, aMoney, aNumber) ||
		s.live.has(aBuy) && s.live.has(aData)
}

// rest is what is left when no object was named.
func (s sentence) rest() Meaning {
	has := s.live.has
	switch {
	case has(aMini):
		return s.settled(Mini)
	case has(aMenu):
		return s.settled(MainMenu)
	case has(aHelp):
		return s.settled(Help)
	case has(aFilled):
		return choice(Balance, Human)
	case has(aSpent) && s.live.any(aMuch, aMoney, aThisMonth, aWhy):
		return choice(Bill, Balance)
	case s.length <= shortMessage && s.live.any(anAsk, aMuch, aLeft, aMoney):
		if s.vague() {
			return asked()
		}
	}
	return Meaning{}
}

// numbers decides among the five questions that are answered with a number.
func (s sentence) numbers() Meaning {
	m := s.named()
	switch {
	case m.n == 0:
		return m
	case m.n == 1:
		m.Sure = m.Sure && s.supported()
		if !m.Sure {
			return offer(m.intents[0])
		}
	case m.n == 2 && m.Sure && s.joined && s.length <= pairMessage:
	default:
		m.Sure, m.Many = false, m.Sure && m.n > 2
	}
	m.Other = s.live.has(anOther) || s.phone
	return m
}

// named collects the numbers that are asked for; Sure is lost where the words
// leave two of them open.
func (s sentence) named() Meaning {
	has := s.live.has
	m := Meaning{Sure: true}
	bill := has(aBill) || has(aPast) && s.live.any(aFee, aSpent, aMoney, aRest) || has(aFee) && has(aWhere) || has(aSpent) && has(aWhere)
	usage := has(anAllowed) || has(aData) || has(aPlan) && s.live.any(aLeft, aSpent)
	balance := has(aArrears) || has(aFee) && (!bill || s.beside || s.kinds > 2) || has(aRest) && !bill && !s.live.any(aData, anAllowed, aPoint) || s.pocket() && !bill
	plan := (has(aPlan) || has(anOrdered)) && !(usage && s.live.any(aLeft, aSpent, anAllowed))
	for _, c := range []struct {
		wanted bool
		Intent
	}{{balance, Balance}, {usage, Usage}, {plan, Plan}, {has(aPoint), Points}, {bill, Bill}} {
		if c.wanted {
			m.add(c.Intent)
		}
	}
	switch {
	case balance && !bill && (has(aThisMonth) && !s.live.any(aLeft, aRest, aArrears) || s.live.any(aSpent, aWhy) && !has(aArrears)):
		return choice(Balance, Bill)
	case bill && has(aPast) && s.live.any(aRest, aLeft) && !has(aBill):
		return choice(Bill, Balance)
	case balance && s.live.any(aBuy, aSwap, aUse, aRate) && !has(aStop):
		return choice(Balance, Plan, Services, Human)
	case has(aRate) && m.n == 1:
		return choice(m.intents[0], Plan, Services)
	case usage && has(aSwap) && !has(aPlan):
		return choice(TopUp, Redeem, Deals, Usage)
	case usage && (!has(aPlan) && has(aMoney) || has(aWhy) && !has(aLeft)):
		return choice(Usage, Bill, TopUp)
	case usage && has(aPast):
		return choice(Usage, Bill)
	case has(aPlan) && has(aRest) && !has(aFee):
		return choice(Balance, Usage, Plan)
	}
	return m
}

// pocket tells that money on the phone is meant without the word for it.
func (s sentence) pocket() bool {
	return s.live.has(aMoney) && s.live.any(aLeft) && s.live.any(aPhone, aMuch) && !s.live.any(aData, anAllowed, aPlan, aPoint, anOrdered) ||
		s.live.has(aPhone) && s.live.has(aLeft) && s.live.has(aMuch) && !s.live.any(aData, anAllowed, aPlan, aPoint, anOrdered)
}

// offer puts the likely intent first and the others behind it.
func offer(first Intent) Meaning {
	m := choice(first)
	all := asked()
	for _, i := range all.Intents() {
		if i != first {
			m.add(i)
		}
	}
	return m
}

// supported tells that a noun is a request: it stands alone, a question is about it, or
// it is the bill of a month.
func (s sentence) supported() bool {
	if s.length <= shortMessage {
		return true
	}
	month := s.length <= pairMessage && s.live.has(aBill) && s.live.has(aPast) && !s.live.any(aFilled, aWhy)
	return month || s.length <= longMessage && s.live.any(anAsk, aMuch, aLeft, aArrears)
}
