package audience

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"kaimenhong/model"
	"kaimenhong/service/audience/internal/db"
)

// origin tells which import said which fact, by the attribute's key. Many people
// share one: it is stored once, found by its hash and never changed.
type origin map[string]source

// source is where a fact comes from and as of when.
type source struct {
	Import model.ID     `json:"import"`
	At     model.Millis `json:"at"`
}

// maxOrigins bounds how many are kept in memory.
const maxOrigins = 10_000

// originOf reads one; id 0 is nothing known.
func (a *Audience) originOf(ctx context.Context, q *db.Queries, id int64) (origin, error) {
	if id == 0 {
		return nil, nil
	}
	a.originsMu.Lock()
	o, ok := a.origins[id]
	a.originsMu.Unlock()
	if ok {
		return o, nil
	}
	text, err := q.Origin(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read an origin: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return nil, fmt.Errorf("read an origin: %w", err)
	}
	a.keepOrigin(id, o)
	return o, nil
}

func (a *Audience) keepOrigin(id int64, o origin) {
	a.originsMu.Lock()
	defer a.originsMu.Unlock()
	if len(a.origins) >= maxOrigins {
		clear(a.origins)
	}
	a.origins[id] = o
}

// overlaid is the id of the old origin with these facts said by s.
func (a *Audience) overlaid(ctx context.Context, q *db.Queries, old int64, keys []string, s source) (int64, error) {
	before, err := a.originOf(ctx, q, old)
	if err != nil {
		return 0, err
	}
	made := make(origin, len(before)+len(keys))
	maps.Copy(made, before)
	for _, key := range keys {
		made[key] = s
	}
	return a.originID(ctx, q, made)
}

// originID finds or makes the row. Nothing of it is kept in memory, for the
// transaction may still be undone; a duplicate is the transaction's to try again.
func (a *Audience) originID(ctx context.Context, q *db.Queries, o origin) (int64, error) {
	text, err := json.Marshal(o) // keys in order
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	found, err := q.OriginByHash(ctx, hash)
	if err == nil {
		return found, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("find an origin: %w", err)
	}
	id := int64(a.IDs.Next())
	if err := q.InsertOrigin(ctx, db.InsertOriginParams{ID: id, Hash: hash, Facts: string(text)}); err != nil {
		return 0, fmt.Errorf("save an origin: %w", err)
	}
	return id, nil
}
