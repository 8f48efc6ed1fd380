package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kaimenhong/model"
)

// Promise is one of many of a topic.
type Promise struct {
	Request model.RequestID
	Payload any
}

// insertRows is how many promises one INSERT makes.
const insertRows = 200

// AddAllTx makes many promises of one topic within tx, a few statements for all of
// them. Unlike AddTx it takes each request once: a promise that stands is a
// duplicate key, and the transaction does not go on.
func (o *Outbox) AddAllTx(ctx context.Context, tx *sql.Tx, topic string, promises []Promise) error {
	now := int64(model.At(o.now()))
	for part := range slices.Chunk(promises, insertRows) {
		var query strings.Builder
		query.WriteString(`INSERT INTO outbox (id, topic, request_id, payload, attempts, next_at, lease_token, leased_until, done_at, error, created_at) VALUES `)
		args := make([]any, 0, 6*len(part))
		for i, p := range part {
			body, err := json.Marshal(p.Payload)
			if err != nil {
				return ErrPromise.With(err)
			}
			if topic == "" || len(topic) > maxTopic || !p.Request.Valid() || len(body) > maxPayload {
				return ErrPromise.With(fmt.Errorf("topic %q with a request id of %d and a payload of %d bytes", topic, len(p.Request), len(body)))
			}
			if i > 0 {
				query.WriteByte(',')
			}
			query.WriteString(`(?, ?, ?, ?, 0, ?, '', 0, 0, '', ?)`)
			args = append(args, int64(o.ids.Next()), topic, string(p.Request), string(body), now, now)
		}
		if _, err := tx.ExecContext(ctx, query.String(), args...); err != nil {
			return fmt.Errorf("promise %d of %s: %w", len(part), topic, err)
		}
	}
	return nil
}
