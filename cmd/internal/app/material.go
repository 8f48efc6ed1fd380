package app

import (
	"context"
	"fmt"
	"strconv"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/service/account"
	"kaimenhong/service/audience"
	"kaimenhong/service/mall"
	"kaimenhong/service/material"
	"kaimenhong/service/member"
	"kaimenhong/service/points"
	"kaimenhong/service/redpacket"
	"kaimenhong/service/wechat"
)

// materials builds the material and the kits.
func (d *domains) materials(g ground) (err error) {
	d.material, err = material.New(material.Deps{
		DB: g.stores.db, IDs: g.ids, Now: g.now, Log: g.log, Metrics: g.reg, Audit: d.operators, Store: pictureStore{d.wechat},
		Values: values{d.audience, d.points, d.account, d.members, g.now}, Catalogue: catalogue{d.redpacket, d.mall},
	}, material.Options{})
	if err != nil {
		return fmt.Errorf("material: %w", err)
	}
	return nil
}

// pictureStore is WeChat's material store for pictures.
type pictureStore struct{ wechat *wechat.Client }

// AddPicture keeps a picture for good.
func (s pictureStore) AddPicture(ctx context.Context, name string, content []byte) (mediaID, url string, err error) {
	kept, err := s.wechat.AddMaterial(ctx, wechat.Image, name, content, "", "")
	return kept.MediaID, kept.URL, err
}

// catalogue knows the games and the gifts for kits.
type catalogue struct {
	games *redpacket.Engine
	gifts *mall.Mall
}

// Game answers a game's title.
func (c catalogue) Game(ctx context.Context, id model.ID) (string, error) {
	game, err := c.games.Game(ctx, redpacket.GameID(id))
	return game.Rules.Title, err
}

// Offer answers an offer's name. A pack is known to the carrier alone, by its code.
func (c catalogue) Offer(ctx context.Context, o material.Offer) (string, error) {
	if o.Kind != material.GiftOffer {
		return o.ID, nil
	}
	id, err := model.ParseID(o.ID)
	if err != nil {
		return "", mall.ErrNoGift
	}
	gift, err := c.gifts.Gift(ctx, id)
	if err == nil && !gift.OnSale {
		err = mall.ErrOffSale
	}
	return gift.Title, err
}

// values fills the variables of texts from what several domains know.
type values struct {
	people  *audience.Audience
	points  *points.Ledger
	account *account.Service
	members *member.Members
	now     model.Clock
}

// facts are the variables that portraits answer, by the key of the fact.
var facts = map[string]string{
	"称呼": audience.FactName, "手机尾号": audience.FactTail, "套餐": "plan", "省份": "province", "城市": "city", "网龄": "tenure", "等级": "stage", "上月流量使用率": "data1",
}

// Values answers what is known, one map a member. Portraits are read together; points
// and what the carrier said last are read for each member, and only when asked for.
func (v values) Values(ctx context.Context, members []model.MemberID, names []string) ([]map[string]string, error) {
	var keys []string
	asked := map[string]bool{}
	for _, name := range names {
		asked[name] = true
		if key := facts[name]; key != "" {
			keys = append(keys, key)
		}
	}
	known, err := v.people.Facts(ctx, members, keys)
	if err != nil {
		return nil, err
	}
	all := make([]map[string]string, len(members))
	for i, id := range members {
		all[i] = make(map[string]string, len(names))
		for name, key := range facts {
			if value := known[i][key]; asked[name] && value != "" {
				all[i][name] = value
			}
		}
		if asked["积分"] {
			b, err := v.points.PointsBalance(ctx, id)
			if err != nil {
				return nil, err
			}
			all[i]["积分"] = strconv.FormatInt(int64(b.Available), 10)
		}
		if asked["余额"] || asked["剩余流量"] {
			if err := v.carried(ctx, id, all[i]); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// carried fills in what the carrier said last of the member's number.
func (v values) carried(ctx context.Context, id model.MemberID, into map[string]string) error {
	m, err := v.members.Get(ctx, id, model.OfficialAccount)
	if fault.KindOf(err) == fault.NotFound || err == nil && !m.Bound() {
		return nil
	}
	if err != nil {
		return err
	}
	if b, known := v.account.KnownBalance(ctx, m.Phone); known {
		into["余额"], into["余额时间"] = b.Available.Yuan(), minuteOf(b.AsOf)
	}
	if u, known := v.account.KnownUsage(ctx, m.Phone); known {
		if left, limited := dataLeft(u, model.At(v.now())); limited {
			into["剩余流量"], into["流量时间"] = gigabytes(left), minuteOf(u.AsOf)
		}
	}
	return nil
}

// dataLeft is how much data is left; known is false where nobody counts it, or where it is
// that of a month that ended since.
func dataLeft(u model.Usage, now model.Millis) (left int64, known bool) {
	if u.Turned(now) {
		return 0, false
	}
	for _, a := range u.Allowances {
		if a.Kind == model.Data && a.Total > 0 && (a.ValidUntil == 0 || a.ValidUntil > now) {
			left, known = left+a.Left, true
		}
	}
	return left, known
}

func minuteOf(at model.Millis) string { return at.Time().Format("1月2日15:04") }

// gigabytes writes bytes as the carrier does, 1 GB = 1,024 MB, cut and never rounded up.
func gigabytes(bytes int64) string {
	const mb = 1 << 20
	if bytes < 1024*mb {
		return strconv.FormatInt(bytes/mb, 10) + "MB"
	}
	tenths := bytes / mb * 10 / 1024
	return fmt.Sprintf("%d.%dGB", tenths/10, tenths%10)
}
