package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/audience"
	"kaimenhong/service/member"
	"kaimenhong/service/wechat"
)

// followers compares WeChat's book of followers with the members. WeChat gives an event up
// when nobody takes it; without this, whoever came back meanwhile was away for ever. And it
// names nobody before both apps belong to one Open Platform account; whoever was met
// earlier would be two members for ever.
// Nobody becomes a member by it: a follower who closed his account stays forgotten, and
// whoever never wrote is asked about with his first word.
type followers struct {
	wechat   *wechat.Client
	members  *member.Members
	audience *audience.Audience
	log      *slog.Logger
}

func (d *domains) followers(log *slog.Logger) followers {
	return followers{d.wechat, d.members, d.audience, log}
}

// maxFollowerPages leaves a fifth of the lists that WeChat gives in a day to others.
const maxFollowerPages = 400

// Recall notes of members that they follow again, and returns of how many; whom WeChat
// names now becomes one with the member whom he is in the mini-program. What fails with
// some keeps none of the others; the next night asks again.
func (f followers) Recall(ctx context.Context) (int, error) {
	found, after := 0, model.OpenID("")
	var failed fault.Several
	var names unionIDs
	for range maxFollowerPages {
		page, err := f.wechat.Followers(ctx, after)
		if errors.Is(err, wechat.ErrPermission) {
			return found, failed.Err() // the account is not certified
		}
		if err != nil {
			return found, errors.Join(failed.Err(), err)
		}
		for some := range slices.Chunk(page, member.MaxAway) {
			away, err := f.members.Away(ctx, some)
			if err != nil {
				return found, errors.Join(failed.Err(), err)
			}
			for few := range slices.Chunk(away, wechat.MaxUsers) {
				found += f.recall(ctx, few, &failed)
			}
			f.name(ctx, some, &names, &failed)
		}
		if len(page) < wechat.MaxFollowers || ctx.Err() != nil {
			break
		}
		after = page[len(page)-1]
	}
	if found > 0 {
		f.log.WarnContext(ctx, "members follow who were not known to: events were lost", "count", found)
	}
	if names.told > 0 {
		f.log.InfoContext(ctx, "WeChat named followers who were nameless", "count", names.told)
	}
	return found, errors.Join(failed.Err(), ctx.Err())
}

// recall asks WeChat since when they follow.
func (f followers) recall(ctx context.Context, few []model.OpenID, failed *fault.Several) (found int) {
	users, err := f.wechat.UserInfos(ctx, few)
	failed.Add(err)
	for _, u := range users {
		if !u.Follows {
			continue
		}
		m, err := f.members.Follow(ctx, u.OpenID, u.Scene, u.FollowedAt)
		if failed.Add(err); err != nil || !m.Follows {
			continue // that he left since is newer than what WeChat's book says
		}
		_, err = f.audience.Observe(ctx, asIs(f.members, m.ID))
		failed.Add(err)
		found++
	}
	return found
}

// unionIDs are how many followers WeChat was asked to name in a night, and named; over: it
// names nobody any more tonight.
type unionIDs struct {
	asked, told int
	over        bool
}

// maxNameless is after how many without a name an account is taken to belong to no Open
// Platform: WeChat would name nobody.
const maxNameless = 1000

// name asks WeChat who those of some followers are who have no unionid here. When it is
// busy or has been asked enough they wait for the next night: nothing of theirs is lost.
func (f followers) name(ctx context.Context, some []model.OpenID, names *unionIDs, failed *fault.Several) {
	if names.over || names.told == 0 && names.asked >= maxNameless {
		return
	}
	nameless, err := f.members.Nameless(ctx, some)
	failed.Add(err)
	for few := range slices.Chunk(nameless, wechat.MaxUsers) {
		users, err := f.wechat.UserInfos(ctx, few)
		if k := fault.KindOf(err); err != nil && (k == fault.Unavailable || k == fault.Limited) {
			f.log.WarnContext(ctx, "followers without a name are asked about in another night", "error", err)
			names.over = true
			return
		}
		failed.Add(err)
		for _, u := range users {
			if names.asked++; u.UnionID == "" {
				continue
			}
			_, err := f.members.Join(ctx, model.OfficialAccount, u.OpenID, u.UnionID)
			failed.Add(err)
			names.told++
		}
	}
}
