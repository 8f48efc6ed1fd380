package material

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/material/internal/db"
)

// The faults of a kit.
var (
	ErrKit       = fault.New(fault.Invalid, "material.kit", "组合内容不正确")
	ErrNoKit     = fault.New(fault.NotFound, "material.no_kit", "没有这个组合")
	ErrKitEdited = fault.New(fault.Conflict, "material.kit_edited", "组合已被他人修改，请刷新后再试")
	ErrKitAway   = fault.New(fault.Conflict, "material.kit_archived", "组合已归档，请先恢复")
)

// Kit is a combination for one campaign: 《回家》图文 + 众筹红包 + 春节流量包. What it
// says of itself never changes: a change is another version, with an id of its own.
type Kit struct {
	ID        model.ID // of the version
	Kit       model.ID
	Number    int
	Name      string
	Parts     []Part
	Game      model.ID // of service/redpacket; 0: none
	Offer     Offer
	CreatedBy model.ID
	CreatedAt model.Millis
	UsedAt    model.Millis // when the first campaign took it; 0: not yet
	// ArchivedAt is when the kit was put away, with all its versions; 0: it is not.
	ArchivedAt model.Millis
}

// Part is one material of a kit, in one published version.
type Part struct {
	Role     string   `json:"role"` // in the plan's words: 图文, 提醒
	Material model.ID `json:"material"`
	Version  model.ID `json:"version"`
}

// OfferKind is where an offer comes from.
type OfferKind string

// The kinds of offers.
const (
	NoOffer   OfferKind = ""
	GiftOffer OfferKind = "gift" // a gift of the mall, by its id
	PackOffer OfferKind = "pack" // a pack of the carrier's catalogue, by its code
)

// Offer is what a campaign sells or gives.
type Offer struct {
	Kind OfferKind `json:"kind,omitempty"`
	ID   string    `json:"id,omitempty"`
	Name string    `json:"name,omitempty"` // as it was called when the kit was made
}

// kitBody is how a version is kept.
type kitBody struct {
	Parts []Part   `json:"parts"`
	Game  model.ID `json:"game,omitzero"`
	Offer Offer    `json:"offer,omitzero"`
}

// The bounds of a kit.
const (
	maxParts   = 20
	maxRole    = 20 // characters
	maxOfferID = 64 // bytes
)

// Plan is what a kit is made of.
type Plan struct {
	Name  string
	Parts []Part // Version alone is read, Material is found
	Game  model.ID
	Offer Offer // Name is found
}

// checkKit finds what a plan names.
func (m *Materials) checkKit(ctx context.Context, p Plan) (kitBody, error) {
	body := kitBody{Game: p.Game, Offer: p.Offer}
	if !plain(p.Name, maxName) {
		return body, ErrName
	}
	if len(p.Parts) == 0 || len(p.Parts) > maxParts {
		return body, ErrKit.Saying("组合应有1到%d份素材", maxParts)
	}
	roles := map[string]bool{}
	for _, part := range p.Parts {
		if !plain(part.Role, maxRole) || roles[part.Role] {
			return body, ErrKit.Saying("每份素材要有不同的用途名，最多%d个字", maxRole)
		}
		roles[part.Role] = true
		v, err := m.Version(ctx, part.Version)
		if err != nil {
			return body, err
		}
		if v.State != Published {
			return body, ErrKit.Saying("“%s”的素材尚未发布", part.Role)
		}
		mat, err := m.Material(ctx, v.Material)
		if err != nil {
			return body, err
		}
		if mat.Retired {
			return body, ErrKit.Saying("“%s”的素材“%s”已停用", part.Role, mat.Name)
		}
		body.Parts = append(body.Parts, Part{part.Role, v.Material, v.ID})
	}
	return body, m.checkBound(ctx, &body)
}

// checkBound asks whether the game and the offer are there.
func (m *Materials) checkBound(ctx context.Context, body *kitBody) (err error) {
	if body.Game != 0 {
		if _, err = m.Catalogue.Game(ctx, body.Game); err != nil {
			return err
		}
	}
	switch body.Offer.Kind {
	case NoOffer:
		if body.Offer.ID != "" {
			return ErrKit.Saying("请选择优惠的类型")
		}
		body.Offer = Offer{}
		return nil
	case GiftOffer, PackOffer:
		if body.Offer.ID == "" || len(body.Offer.ID) > maxOfferID || unprintable(body.Offer.ID, "") != "" {
			return ErrKit.Saying("优惠编号不正确")
		}
		body.Offer.Name, err = m.Catalogue.Offer(ctx, body.Offer)
		return err
	}
	return ErrKit.Saying("优惠的类型应为gift或pack")
}

// AddKit keeps a new kit and its first version.
//
// Errors: ErrName, ErrKit, ErrVersion, and what the game's and the offer's domain say.
func (m *Materials) AddKit(ctx context.Context, by model.ID, p Plan) (Kit, error) {
	body, err := m.checkKit(ctx, p)
	if err != nil {
		return Kit{}, err
	}
	kit, version := m.IDs.Next(), m.IDs.Next()
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		q := m.q.WithTx(tx)
		err := q.InsertKit(ctx, db.InsertKitParams{ID: int64(kit), Name: p.Name, VersionID: int64(version), CreatedBy: int64(by), CreatedAt: m.millis()})
		if err != nil {
			return fmt.Errorf("insert kit: %w", err)
		}
		return m.insertKitVersion(ctx, tx, by, kit, version, 1, p.Name, body)
	})
	if err != nil {
		return Kit{}, err
	}
	return m.Kit(ctx, version)
}

// EditKit makes another version of a kit; number is the one that was edited. Campaigns
// go on with the version that they took.
//
// Errors: as AddKit; ErrNoKit, ErrKitAway, ErrKitEdited.
func (m *Materials) EditKit(ctx context.Context, by, kit model.ID, number int, p Plan) (Kit, error) {
	if now, err := m.kit(ctx, kit); err != nil {
		return Kit{}, err
	} else if now.ArchivedAt != 0 {
		return Kit{}, ErrKitAway
	}
	body, err := m.checkKit(ctx, p)
	if err != nil {
		return Kit{}, err
	}
	version := m.IDs.Next()
	err = sqldb.InTx(ctx, m.DB, func(tx *sql.Tx) error {
		n, err := m.q.WithTx(tx).AdvanceKit(ctx, db.AdvanceKitParams{
			Name: p.Name, VersionID: int64(version), Now: m.millis(), ID: int64(kit), Number: int32(min(number, math.MaxInt32)),
		})
		if err != nil {
			return fmt.Errorf("advance kit %s: %w", kit, err)
		}
		if n == 0 {
			return ErrKitEdited
		}
		return m.insertKitVersion(ctx, tx, by, kit, version, number+1, p.Name, body)
	})
	if err != nil {
		return Kit{}, err
	}
	return m.Kit(ctx, version)
}

func (m *Materials) insertKitVersion(ctx context.Context, tx *sql.Tx, by, kit, version model.ID, number int, name string, body kitBody) error {
	text, err := json.Marshal(body)
	if err != nil {
		return ErrKit.With(err)
	}
	err = m.q.WithTx(tx).InsertKitVersion(ctx, db.InsertKitVersionParams{
		ID: int64(version), KitID: int64(kit), Number: int32(number), Name: name, Body: string(text), CreatedBy: int64(by), CreatedAt: m.millis(),
	})
	if err != nil {
		return fmt.Errorf("insert kit version: %w", err)
	}
	return m.record(ctx, tx, by, "kit.save", "kit", kit, map[string]any{"version": version, "number": number})
}

func (m *Materials) kit(ctx context.Context, kit model.ID) (db.MaterialKit, error) {
	row, err := m.q.KitByID(ctx, int64(kit))
	if errors.Is(err, sql.ErrNoRows) {
		return row, ErrNoKit
	}
	if err != nil {
		return row, fmt.Errorf("read kit %s: %w", kit, err)
	}
	return row, nil
}

// Kit is one version of a kit, by the version's id.
//
// Errors: ErrNoKit.
func (m *Materials) Kit(ctx context.Context, version model.ID) (Kit, error) {
	row, err := m.q.KitVersion(ctx, int64(version))
	if errors.Is(err, sql.ErrNoRows) {
		return Kit{}, ErrNoKit
	}
	if err != nil {
		return Kit{}, fmt.Errorf("read kit version %s: %w", version, err)
	}
	whole, err := m.kit(ctx, model.ID(row.KitID))
	if err != nil {
		return Kit{}, err
	}
	return kitOf(row, whole)
}

func kitOf(r db.MaterialKitVersion, whole db.MaterialKit) (Kit, error) {
	var body kitBody
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		return Kit{}, fmt.Errorf("read kit version %d: %w", r.ID, err)
	}
	return Kit{
		ID: model.ID(r.ID), Kit: model.ID(r.KitID), Number: int(r.Number), Name: r.Name, Parts: body.Parts, Game: body.Game, Offer: body.Offer,
		CreatedBy: model.ID(r.CreatedBy), CreatedAt: model.Millis(r.CreatedAt), UsedAt: model.Millis(r.UsedAt),
		ArchivedAt: model.Millis(whole.ArchivedAt),
	}, nil
}

// Usable tells whether everything in a version of a kit may still be used: the kit not
// archived, nothing retired, the game and the offer there.
//
// Errors: ErrNoKit, ErrKitAway, and those of AddKit.
func (m *Materials) Usable(ctx context.Context, version model.ID) (Kit, error) {
	k, err := m.Kit(ctx, version)
	if err != nil {
		return Kit{}, err
	}
	if k.ArchivedAt != 0 {
		return k, ErrKitAway
	}
	_, err = m.checkKit(ctx, Plan{k.Name, k.Parts, k.Game, k.Offer})
	return k, err
}

// UseKitTx notes that a campaign takes a version of a kit, within the transaction that
// does; the first use stands. Whoever takes it has asked Usable.
func (m *Materials) UseKitTx(ctx context.Context, tx *sql.Tx, version model.ID) error {
	if err := m.q.WithTx(tx).UseKitVersion(ctx, db.UseKitVersionParams{Now: m.millis(), ID: int64(version)}); err != nil {
		return fmt.Errorf("use kit version %s: %w", version, err)
	}
	return nil
}

// KitVersions lists the versions of a kit, newest first, at most 100.
//
// Errors: ErrNoKit.
func (m *Materials) KitVersions(ctx context.Context, kit model.ID) ([]Kit, error) {
	whole, err := m.kit(ctx, kit)
	if err != nil {
		return nil, err
	}
	rows, err := m.q.KitVersions(ctx, db.KitVersionsParams{KitID: int64(kit), Before: math.MaxInt32, Limit: maxPage})
	if err != nil {
		return nil, fmt.Errorf("list the versions of kit %s: %w", kit, err)
	}
	all := make([]Kit, 0, len(rows))
	for _, r := range rows {
		k, err := kitOf(r, whole)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}
