package campaign

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"kaimenhong/model"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/campaign/internal/db"
)

// record writes the line of the audit, last in its transaction.
func (c *Campaigns) record(ctx context.Context, tx *sql.Tx, by model.ID, verb string, id model.ID, detail any) error {
	return c.Audit.RecordTx(ctx, tx, model.AuditEntry{
		Operator: by, Action: "campaign." + verb, Target: model.Ref{Type: "campaign", ID: id.String()}, Detail: detail,
	})
}

// inVersion is the detail of most lines.
type inVersion struct {
	Version int    `json:"version"`
	Why     string `json:"why,omitempty"`
	People  int64  `json:"people,omitempty"`
}

// Create saves a new campaign with its first plan, a draft. What is missing in a
// draft is told by Validate and refused by Submit; an archived segment is refused here.
//
// Errors: ErrPlan.
func (c *Campaigns) Create(ctx context.Context, by model.ID, p Plan) (Version, error) {
	return c.create(ctx, by, p, 0)
}

func (c *Campaigns) create(ctx context.Context, by model.ID, p Plan, origin model.ID) (Version, error) {
	if err := p.shape(); err != nil {
		return Version{}, err
	}
	if err := p.number(c.IDs, nil); err != nil {
		return Version{}, err
	}
	text, err := encode(p)
	if err != nil {
		return Version{}, err
	}
	id, now := c.IDs.Next(), c.millis()
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		if origin == 0 {
			if err := c.draftTx(ctx, tx, &p, &Plan{}); err != nil {
				return err
			}
		}
		q := c.q.WithTx(tx)
		err := q.InsertCampaign(ctx, db.InsertCampaignParams{
			ID: int64(id), Name: p.Name, Goal: string(p.Goal), OriginID: int64(origin), EndsAt: int64(p.EndsAt), CreatedBy: int64(by), Now: now,
		})
		if err != nil {
			return err
		}
		if err := q.InsertVersion(ctx, db.InsertVersionParams{CampaignID: int64(id), Version: 1, Plan: text, AuthorID: int64(by), Now: now}); err != nil {
			return err
		}
		return c.record(ctx, tx, by, "create", id, inVersion{Version: 1})
	})
	if err != nil {
		return Version{}, fmt.Errorf("save a campaign: %w", err)
	}
	return c.Version(ctx, id, 1)
}

// Save replaces the plan of a draft; edits is the count that was read with it.
//
// Errors: ErrVersion, ErrPlan, ErrState when it is no draft, ErrOld when somebody
// else was faster.
func (c *Campaigns) Save(ctx context.Context, by, id model.ID, version int, edits int64, p Plan) (Version, error) {
	if err := p.shape(); err != nil {
		return Version{}, err
	}
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return v, err
	}
	if v.State != Draft {
		return v, ErrState.Saying("版本%d已提交，不能再改；请先退回或另建新版本", version)
	}
	known, err := c.known(ctx, v)
	if err != nil {
		return v, err
	}
	if err := p.number(c.IDs, known); err != nil {
		return v, err
	}
	text, err := encode(p)
	if err != nil {
		return v, err
	}
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		if err := c.draftTx(ctx, tx, &p, &v.Plan); err != nil {
			return err
		}
		q, now := c.q.WithTx(tx), c.millis()
		n, err := q.SaveVersion(ctx, db.SaveVersionParams{
			CampaignID: int64(id), Version: int32(version), Plan: text, AuthorID: int64(by), Now: now, Edits: edits,
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOld
		}
		if version == 1 {
			if err := q.RenameCampaign(ctx, db.RenameCampaignParams{ID: int64(id), Name: p.Name, Goal: string(p.Goal), Now: now}); err != nil {
				return err
			}
		}
		return c.record(ctx, tx, by, "save", id, inVersion{Version: version})
	})
	if err != nil {
		return v, fmt.Errorf("save a plan: %w", err)
	}
	return c.Version(ctx, id, version)
}

// known are the steps that a draft may have: its own, and those of the version that is live,
// which may have been taken out of it and are put back.
func (c *Campaigns) known(ctx context.Context, v Version) ([]Step, error) {
	found, err := c.Get(ctx, v.Campaign)
	if err != nil || found.LiveVersion == 0 {
		return v.Plan.Steps, err
	}
	live, err := c.Version(ctx, v.Campaign, found.LiveVersion)
	if err != nil {
		return nil, err
	}
	return slices.Concat(v.Plan.Steps, live.Plan.Steps), nil
}

// Revise begins another version of a campaign that is live: a draft with the plan as
// it is, which changes nothing before it is approved and scheduled.
//
// Errors: ErrUnknown, ErrState when nothing is live, or a draft is open already.
func (c *Campaigns) Revise(ctx context.Context, by, id model.ID) (Version, error) {
	found, err := c.Get(ctx, id)
	if err != nil {
		return Version{}, err
	}
	last, err := c.Version(ctx, id, found.LastVersion)
	if err != nil {
		return Version{}, err
	}
	switch {
	case found.State == Stopped || found.State == Finished:
		return Version{}, ErrState.Saying("活动已结束，请复制成一个新活动")
	case found.LiveVersion == 0 || last.State != Live:
		return Version{}, ErrState.Saying("版本%d还没有生效，请直接修改它", found.LastVersion)
	case found.LastVersion >= maxVersions:
		return Version{}, ErrState.Saying("版本过多，请复制成一个新活动")
	}
	text, err := encode(last.Plan)
	if err != nil {
		return Version{}, err
	}
	version := found.LastVersion + 1
	err = sqldb.InTx(ctx, c.DB, func(tx *sql.Tx) error {
		q, now := c.q.WithTx(tx), c.millis()
		n, err := q.AddVersion(ctx, db.AddVersionParams{ID: int64(id), Version: int32(version), Now: now})
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrOld
		}
		if err := q.InsertVersion(ctx, db.InsertVersionParams{CampaignID: int64(id), Version: int32(version), Plan: text, AuthorID: int64(by), Now: now}); err != nil {
			return err
		}
		return c.record(ctx, tx, by, "revise", id, inVersion{Version: version})
	})
	if err != nil {
		return Version{}, fmt.Errorf("begin a version: %w", err)
	}
	return c.Version(ctx, id, version)
}

// Copy begins a new campaign with the plan of another, finished or not. Its times
// are as they were: Validate tells which have passed, and which of its segments are
// archived.
//
// Errors: ErrUnknown, ErrPlan.
func (c *Campaigns) Copy(ctx context.Context, by, id model.ID, name string) (Version, error) {
	found, err := c.Get(ctx, id)
	if err != nil {
		return Version{}, err
	}
	version := found.LiveVersion
	if version == 0 {
		version = found.LastVersion
	}
	v, err := c.Version(ctx, id, version)
	if err != nil {
		return Version{}, err
	}
	p := v.Plan
	if name != "" {
		p.Name = name
	}
	p.Steps = slices.Clone(p.Steps)
	for i := range p.Steps {
		p.Steps[i].ID = 0
	}
	return c.create(ctx, by, p, id)
}

// none turns the absence of a row into false.
func none(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	return false, err
}
