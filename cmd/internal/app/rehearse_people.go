package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/campaign"
	"kaimenhong/service/push"
	"kaimenhong/service/redpacket"
)

// Rehearsal is what would happen.
type Rehearsal struct {
	Plan      campaign.Plan
	Version   int
	People    int64
	Behaviour Behaviour
	Progress  campaign.Progress
	Hours     map[model.Millis]int         // messages by hour
	Days      map[model.Day]map[string]int // and by day and channel
	limits    []standInQuota               // of a day, the smallest first
	Tapped    int
	Opened    int
	Filled    int
	Refused   map[string]int // of the game, by its words
	Budget    redpacket.Budget
	Purse     []Purse       // the budget over time
	Took      time.Duration // in real time
}

// Purse is where a game's money was at the end of a round.
type Purse struct {
	At     model.Millis
	Budget redpacket.Budget
}

// maxFriends bounds the members who are asked to help.
const maxFriends = 5000

// table sets the game up for those who will play.
func (s *stage) table(ctx context.Context, kit model.ID) error {
	if kit == 0 {
		return nil
	}
	k, err := s.a.domains.material.Kit(ctx, kit)
	if err != nil {
		return err
	}
	s.game = redpacket.GameID(k.Game)
	if k.Game == 0 {
		return nil
	}
	frozen, err := s.a.domains.campaign.Version(ctx, s.id, s.version)
	if err != nil {
		return err
	}
	s.friends, err = s.a.domains.audience.FrozenMembers(ctx, frozen.Frozen, 0, maxFriends)
	return err
}

// chance draws for a member, the same in every rehearsal.
func (s *stage) chance(m model.MemberID, salt uint64) float64 {
	return float64(model.Mix64(uint64(m)^model.Mix64(uint64(s.id)^salt))>>11) / (1 << 53)
}

// people lets those whom a message has just reached act as the model says.
func (s *stage) people(ctx context.Context) error {
	for after := model.ID(0); ; {
		page, err := s.a.domains.planner.Deliveries(ctx, s.id, after, 1000)
		if err != nil {
			return err
		}
		for _, d := range page {
			after = d.ID
			if d.State != model.DeliverySent || s.seen[d.ID] {
				continue
			}
			s.seen[d.ID] = true
			if err := s.act(ctx, d); err != nil {
				return err
			}
		}
		if len(page) < 1000 {
			break
		}
	}
	return s.note(ctx)
}

// note writes down where the money is.
func (s *stage) note(ctx context.Context) error {
	if s.game == 0 {
		return nil
	}
	b, err := s.a.domains.redpacket.Budget(ctx, s.game)
	if err != nil {
		return err
	}
	if n := len(s.result.Purse); n == 0 || s.result.Purse[n-1].Budget != b {
		s.result.Purse = append(s.result.Purse, Purse{model.At(s.a.now()), b})
	}
	return nil
}

func (s *stage) act(ctx context.Context, d model.Delivery) error {
	if s.chance(d.Member, uint64(d.Step)) >= s.behaviour.Tap {
		return nil
	}
	s.result.Tapped++
	_, err := s.a.stores.db.ExecContext(ctx, "UPDATE push_delivery SET tapped_at = ? WHERE id = ?", int64(model.At(s.a.now())), int64(d.ID))
	if err != nil || s.game == 0 || s.chance(d.Member, 1) >= s.behaviour.Open {
		return err
	}
	who, err := s.a.domains.members.Get(ctx, d.Member, model.MiniProgram)
	if err != nil {
		return err
	}
	var opened redpacket.Opened
	err = patiently(func() (err error) {
		opened, err = s.a.domains.redpacket.Open(ctx, redpacket.OpenRequest{
			Game: s.game, Who: redpacket.Visitor{Member: who}, Request: model.RequestID(fmt.Sprintf("rehearse/%s/open", d.Member)),
		})
		return err
	})
	if err != nil {
		return s.turnedDown(err)
	}
	s.result.Opened++
	return s.help(ctx, d.Member, opened)
}

// patience is how often somebody whom a busy game asks to come again does so.
const patience = 5

// patiently asks again, by the same request, while the game is busy: the machine that
// rehearses has other things to do, and half an hour of work shall not end by that.
func patiently(ask func() error) (err error) {
	for range patience {
		if err = ask(); err == nil || fault.KindOf(err) != fault.Unavailable {
			break
		}
	}
	return err
}

// turnedDown counts what the game refused; what nobody can know is an error.
func (s *stage) turnedDown(err error) error {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return err
	}
	s.refused[fault.Of(err).Text]++
	return nil
}

// help asks as many friends as the pot needs, and a half more.
func (s *stage) help(ctx context.Context, owner model.MemberID, pot redpacket.Opened) error {
	helped := 0
	for range pot.Helps + pot.Helps/2 {
		if helped == pot.Helps || len(s.friends) == 0 {
			break
		}
		friend := s.friends[s.turn%len(s.friends)]
		s.turn++
		if friend == owner || s.chance(friend, uint64(pot.Pot)) >= s.behaviour.Help {
			continue
		}
		who, err := s.a.domains.members.Get(ctx, friend, model.MiniProgram)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			continue
		}
		if err != nil {
			return err
		}
		err = patiently(func() error {
			_, err := s.a.domains.redpacket.Help(ctx, redpacket.HelpRequest{
				Pot: pot.Pot, Who: redpacket.Visitor{Member: who}, Request: model.RequestID(fmt.Sprintf("rehearse/%s/%s", pot.Pot, friend)),
			})
			return err
		})
		if err != nil {
			if err := s.turnedDown(err); err != nil {
				return err
			}
			continue
		}
		helped++
	}
	if helped == pot.Helps {
		s.result.Filled++
	}
	return nil
}

// tell gathers the result.
func (s *stage) tell(ctx context.Context) (err error) {
	s.result.Hours, s.result.Days, s.result.Refused = s.outside.hours, s.outside.taken, s.refused
	s.result.limits = slices.SortedFunc(maps.Values(s.outside.quotas), standInQuota.compare)
	if s.game != 0 {
		s.result.Budget, err = s.a.domains.redpacket.Budget(ctx, s.game)
	}
	return err
}

// Write says the rehearsal in Chinese.
func (r Rehearsal) Write(w io.Writer) error {
	var failed error
	say := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		failed = errors.Join(failed, err)
	}
	say("《%s》预演：第%d版，冻结人群%d人，对照组%d%%，用时%s", r.Plan.Name, r.Version, r.People, r.Plan.Holdout, r.Took.Round(time.Millisecond))
	say("预演在副本中运行真实程序，没有发送任何消息，没有改动任何数据。")
	say("\n一、步骤")
	for _, o := range slices.Backward(r.Progress.Occurrences) {
		say("  %s  %s  %d人  %s %s", o.ScheduledFor.Time().Format("01-02 15:04"), o.Name, o.Total, stagedWords[o.State], o.Why)
	}
	say("  结束时活动状态：%s %s", stateWords[r.Progress.Campaign.State], r.Progress.Campaign.Why)
	say("\n二、触达（按小时）")
	for _, at := range slices.Sorted(maps.Keys(r.Hours)) {
		say("  %s  %d条", at.Time().Format("01-02 15时"), r.Hours[at])
	}
	say("\n三、配额（按天和渠道）")
	for _, day := range slices.Sorted(maps.Keys(r.Days)) {
		for _, limit := range r.limits {
			if n := r.Days[day][limit.channel]; n > 0 {
				say("  %s  %s  %d / %d", day, limit.channel, n, limit.day)
			}
		}
	}
	say("\n四、结果")
	for _, t := range r.Progress.Tally {
		say("  %s  %d人", becameWords(t), t.N)
	}
	r.writeGame(say)
	return failed
}

func (r Rehearsal) writeGame(say func(string, ...any)) {
	say("\n五、行为假设：触达者%.0f%%点开，点开者%.0f%%发起红包，每位好友%.0f%%会助力（假设，不是预测）", 100*r.Behaviour.Tap, 100*r.Behaviour.Open, 100*r.Behaviour.Help)
	say("  点开%d人，发起红包%d个，集满%d个", r.Tapped, r.Opened, r.Filled)
	if r.Budget.Amount > 0 {
		say("  预算%s：占用%s，已发%s", r.Budget.Amount.Yuan(), r.Budget.Reserved.Yuan(), r.Budget.Spent.Yuan())
	}
	for _, p := range r.Purse {
		say("    %s  占用%s，已发%s", p.At.Time().Format("01-02 15:04"), p.Budget.Reserved.Yuan(), p.Budget.Spent.Yuan())
	}
	for _, why := range slices.Sorted(maps.Keys(r.Refused)) {
		say("  红包未成：%s（%d次）", why, r.Refused[why])
	}
}

// stateWords say how a rehearsal ended.
var stateWords = map[campaign.State]string{
	campaign.Scheduled: "尚未开始", campaign.Canary: "试发中", campaign.Running: "进行中", campaign.Paused: "已暂停", campaign.Stopped: "已终止", campaign.Finished: "已结束",
}

// stagedWords say what became of a step's time.
var stagedWords = map[string]string{"due": "等待推送", "staged": "已推送", "skipped": "跳过", "empty": "无人"}

// becameWords says what became of recipients.
func becameWords(t campaign.Tally) string {
	words := map[model.DeliveryState]string{
		model.DeliverySent: "送达", model.DeliveryRefused: "微信拒绝", model.DeliverySkipped: "未发送", model.DeliveryUnknown: "结果未知",
		model.DeliveryHeldOut: "对照组", model.DeliveryPending: "等待", model.DeliverySending: "发送中",
	}[t.State]
	if t.Variant != "" {
		words = "版本" + t.Variant + " " + words
	}
	if t.Channel != "" {
		words += "（" + string(t.Channel) + "）"
	}
	if t.Why != "" {
		words += "：" + push.Reason(t.Why)
	}
	return words
}
