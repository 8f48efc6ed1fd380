package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience"
	"kaimenhong/service/mall"
	"kaimenhong/service/member"
	"kaimenhong/service/notice"
	"kaimenhong/service/payout"
	"kaimenhong/service/points"
	"kaimenhong/service/push"
	"kaimenhong/service/wechat"
)

// promises names who keeps the promises that domains make in the outbox.
func (d *domains) promises(g ground) error {
	d.outbox.Handle(member.TopicMet, d.observed(told(d.met), ""))
	d.outbox.Handle(member.TopicBound, d.observed(d.bound(g), audience.Bind))
	d.outbox.Handle(member.TopicUnbound, d.observed(asked(d.unbound(g.now)), ""))
	d.outbox.Handle(member.TopicMerged, d.observed(told(d.joined), ""))
	d.outbox.Handle(member.TopicClosed, told(d.closed))
	d.outbox.Handle(points.TopicExpiring, asked(d.expiring))
	d.outbox.Handle(mall.TopicFailed, asked(d.notRedeemed))
	d.outbox.Handle(topicEnded, told(d.moments.ended))
	d.outbox.Handle(topicThanks, told(d.moments.thank))
	d.outbox.Handle(payout.TopicSettled, told(d.moments.settled))
	return nil
}

// asked reads the payload of a topic, for those who answer by the request.
func asked[P any](keep func(ctx context.Context, request model.RequestID, payload P) error) func(context.Context, model.RequestID, []byte) error {
	return func(ctx context.Context, request model.RequestID, raw []byte) error {
		var payload P
		if err := json.Unmarshal(raw, &payload); err != nil {
			return errPayload.With(err)
		}
		return keep(ctx, request, payload)
	}
}

// told does for those who need no request.
func told[P any](keep func(ctx context.Context, payload P) error) func(context.Context, model.RequestID, []byte) error {
	return asked(func(ctx context.Context, _ model.RequestID, payload P) error { return keep(ctx, payload) })
}

var errPayload = fault.New(fault.Invalid, "outbox.payload", "系统开小差了，请稍后再试")

// settles is how long WeChat may take to answer as its event said: somebody who has just
// come is not taken for one who left.
const settles = time.Minute

var errNotYet = fault.New(fault.Unavailable, "member.not_yet", "微信还没有更新他的资料")

// met asks WeChat who a stranger is: his unionid makes him the same member in the
// mini-program, and whoever followed when no event came here is a follower since then.
// Who does not follow has no unionid here; he stays a member of his own until he follows.
func (d *domains) met(ctx context.Context, e member.Met) error {
	m, err := d.members.Get(ctx, e.Member, model.OfficialAccount)
	if errors.Is(err, member.ErrUnknown) || err == nil && (m.OpenID == "" || m.UnionID != "") {
		return nil // closed again, or known by now
	}
	if err != nil {
		return err
	}
	asked := model.At(d.moments.now().Add(-time.Second)) // events tell whole seconds
	user, err := d.wechat.UserInfo(ctx, m.OpenID)
	if errors.Is(err, wechat.ErrOpenID) || errors.Is(err, wechat.ErrPermission) {
		return nil
	}
	switch {
	case err == nil && user.Follows && !m.Follows:
		_, err = d.members.Follow(ctx, m.OpenID, user.Scene, user.FollowedAt)
	case err == nil && !user.Follows && m.Follows && asked < m.JoinedAt.Add(settles):
		return errNotYet // WeChat's book may be behind its events
	case err == nil && !user.Follows && m.Follows: // that he left was told before that he came
		err = d.members.Unfollow(ctx, m.OpenID, asked)
	}
	if err != nil || user.UnionID == "" {
		return err
	}
	_, err = d.members.Join(ctx, model.OfficialAccount, m.OpenID, user.UnionID)
	return err
}

// bound lets go what waited for the number, and earns the points of a first binding. The
// ledger gives them once to a number and once to a member, however often the promise is
// kept. It may be kept before the caches are told of the binding, so none is asked.
func (d *domains) bound(g ground) func(context.Context, model.RequestID, []byte) error {
	return told(func(ctx context.Context, e member.Event) error {
		m, err := d.members.Current(ctx, e.Member, model.OfficialAccount)
		if err != nil || !m.Bound() {
			return err // unbound a moment ago: nothing is owed
		}
		if err := d.hasten(ctx, m.ID); err != nil {
			return err
		}
		_, err = d.points.FirstBind(ctx, m.ID, g.sealer.IndexText(m.Phone.Digits(), "first_bind"))
		if errors.Is(err, points.ErrCapped) {
			return nil
		}
		return err
	})
}

// hasten lets prizes go that waited until their winner, as whomever, had a number.
func (d *domains) hasten(ctx context.Context, id model.MemberID) error {
	ids, err := d.members.AllIDs(ctx, id)
	if errors.Is(err, member.ErrUnknown) {
		return nil // closed again
	}
	if err != nil {
		return err
	}
	return d.payer.Hasten(ctx, ids)
}

// unbound tells a member that a number is no longer his, unless he asked for it or has
// it himself.
func (d *domains) unbound(now model.Clock) func(context.Context, model.RequestID, member.Event) error {
	return func(ctx context.Context, request model.RequestID, e member.Event) error {
		var text string
		switch e.Reason {
		case member.TakenOver:
			his, err := d.stillHis(ctx, e)
			if his || err != nil && model.At(now().Add(-nameless)) < e.At {
				return err
			}
			text = fmt.Sprintf("%s 已被其他微信号绑定，您这里已自动解绑。不是本人操作？回复“人工”联系我们。", e.Phone)
		case member.Recycled:
			text = fmt.Sprintf("%s 的机主已变更，为保护您的隐私，我们已自动解绑。有新号码？发送“绑定”重新绑定。", e.Phone)
		default:
			return nil
		}
		return d.tell(ctx, member.TopicUnbound, request, e.Member, text)
	}
}

// nameless is how long who lost a number is not told because WeChat does not say who he
// is: after that a warning that may be needless is better than none.
const nameless = 10 * time.Minute

// stillHis tells that the member has the number that was taken over: he took it over
// himself, in the mini-program, before WeChat said who he is in the chat.
func (d *domains) stillHis(ctx context.Context, e member.Event) (bool, error) {
	if err := d.met(ctx, member.Met{Member: e.Member}); err != nil {
		return false, err
	}
	m, err := d.members.Current(ctx, e.Member, model.OfficialAccount)
	if errors.Is(err, member.ErrUnknown) {
		return false, nil // closed again
	}
	return err == nil && m.Bound() && m.Phone.Masked() == e.Phone, err
}

func (d *domains) expiring(ctx context.Context, request model.RequestID, e points.Expiring) error {
	return d.tell(ctx, points.TopicExpiring, request, e.Member, fmt.Sprintf("您有 %d 积分将在 %s 到期，回复“积分兑换”看看能换什么。", e.Points, e.ExpiresAt.Time().Format("1月2日")))
}

// notRedeemed tells a member that a gift could not be handed over, why, and what became
// of his points.
func (d *domains) notRedeemed(ctx context.Context, request model.RequestID, e mall.Told) error {
	text := fmt.Sprintf("很抱歉，您兑换的“%s”没有办理成功", e.Title)
	if e.Reason != "" {
		text += "：" + e.Reason
	}
	return d.tell(ctx, mall.TopicFailed, request, e.Member, text+"。"+cameBack(e))
}

// cameBack says what became of the points of a gift that was not handed over.
func cameBack(e mall.Told) string {
	switch {
	case e.Lost == 0:
		return fmt.Sprintf("%d 积分已退回您的账户，可以重新兑换或换别的礼品。", e.Points)
	case e.Points == 0:
		return fmt.Sprintf("兑换所用的 %d 积分在此期间已过有效期，未能退回。如有疑问，回复“人工”联系我们。", e.Lost)
	}
	return fmt.Sprintf("%d 积分已退回您的账户；另有 %d 积分在此期间已过有效期，未能退回。如有疑问，回复“人工”联系我们。", e.Points, e.Lost)
}

// tell puts a notice into the member's list and sends him one service message for a
// topic and request. What nobody can deliver is settled too: the row says why.
func (d *domains) tell(ctx context.Context, topic string, request model.RequestID, id model.MemberID, text string) error {
	err := d.notice.Add(ctx, whoIs(d.members, id), topic, request, text)
	if err != nil && !errors.Is(err, member.ErrUnknown) { // closed: nothing is kept of him
		return err
	}
	_, err = d.push.Tell(ctx, id, push.Notice{Topic: topic, Request: request, Purpose: push.Transactional, Custom: model.Text(text)})
	return err
}

// whoIs reads whom a promise was made to: he may have become another since, or become him
// at this moment.
func whoIs(members *member.Members, id model.MemberID) notice.Reading {
	return func(ctx context.Context, tx *sql.Tx) (model.MemberID, error) {
		m, err := members.CurrentTx(ctx, tx, id, model.OfficialAccount)
		return m.ID, err
	}
}
