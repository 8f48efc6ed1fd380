package inbox

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/fault"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/inbox/internal/db"
)

//go:embed inbox.lua
var source string

var script = redis.NewScript(source)

// Timing of the records.
const (
	// redisPause is how long Redis is left alone after it failed.
	redisPause = time.Second
	// retryAge is the age from which a message is taken for a repeat, whose first
	// try may have left a row: WeChat sends the first one at once, the second after
	// five seconds.
	retryAge = 3 * time.Second
	// sqlLimit bounds one write of a record.
	sqlLimit = 3 * time.Second
	// maxSealed is what a TEXT column holds.
	maxSealed = 60000
)

// standing is what the records say of a message.
type standing struct {
	state   state
	content model.Content
}

type state uint8

const (
	mine     state = iota // to run
	running               // by another
	answered              // content is the answer
)

// claim takes the message for this process, or tells who has it. One round trip to
// Redis is all that a first try pays. SQL is asked when Redis is away or was within
// the last Options.Keep (what it knew may be gone), and for what looks like a
// repeat.
func (b *Inbox) claim(ctx context.Context, c *call, seen bool) (standing, error) {
	found, err := b.firstRedis(ctx, c, seen)
	if err != nil {
		return b.claimSQL(ctx, c, true)
	}
	if found.state != mine {
		return found, nil
	}
	lost := b.redisAway(b.opts.Keep)
	repeat := seen || b.now().Sub(c.in.CreatedAt.Time()) >= retryAge
	if !lost && !repeat {
		return found, nil
	}
	inSQL, err := b.claimSQL(ctx, c, lost)
	if err != nil {
		// Redis gave it to us, and without SQL nothing can be promised twice.
		b.log.WarnContext(ctx, "inbox record could not be read", "error", err)
		inSQL = found
	}
	switch {
	case inSQL.state == answered:
		b.keep(ctx, c, inSQL.content)
	case inSQL.state == mine && repeat && b.forgot(ctx):
		return standing{state: running}, nil // another's, for all that Redis knows
	}
	return inSQL, nil
}

// redisAway tells whether Redis failed within the last d.
func (b *Inbox) redisAway(d time.Duration) bool {
	at := b.awayAt.Load()
	return at != 0 && b.now().Sub(model.Millis(at).Time()) < d
}

// firstRedis is claimRedis for a message that is likely new: a plain command costs
// Redis half of what the script does. A record that stands is the script's to judge,
// also one that is ours after an answer that got lost.
func (b *Inbox) firstRedis(ctx context.Context, c *call, seen bool) (standing, error) {
	if !seen {
		taken, until := false, time.Now().Add(b.opts.Lease)
		err := b.ask(ctx, func(ctx context.Context) (err error) {
			taken, err = b.redis.SetNX(ctx, redisKey(c.in.Key), runningMark+c.token, b.opts.Lease).Result()
			return err
		})
		if taken {
			c.leased = until
		}
		if err != nil || taken {
			return standing{state: mine}, err
		}
	}
	return b.claimRedis(ctx, c)
}

// The marks before the token in the record of a message whose logic runs and before
// an answer, as inbox.lua writes them.
const (
	runningMark  = "r"
	answeredMark = "a"
)

func (b *Inbox) claimRedis(ctx context.Context, c *call) (standing, error) {
	record, err := b.script(ctx, c, b.opts.Lease, "")
	if err != nil {
		return standing{}, err
	}
	switch {
	case record == "":
		return standing{state: mine}, nil
	case record[0] == 'r':
		return standing{state: running}, nil
	}
	found := standing{state: answered}
	if err := decode([]byte(record[1:]), &found.content); err != nil {
		return standing{}, fmt.Errorf("inbox record in Redis: %w", err)
	}
	return found, nil
}

var errRedisAway = errors.New("redis failed a moment ago")

// script runs inbox.lua.
func (b *Inbox) script(ctx context.Context, c *call, ttl time.Duration, answer string) (record string, err error) {
	err = b.ask(ctx, func(ctx context.Context) (err error) {
		record, err = script.Run(ctx, b.redis, []string{redisKey(c.in.Key)}, c.token, ttl.Milliseconds(), answer).Text()
		return err
	})
	return record, err
}

// ask asks Redis unless it has just failed.
func (b *Inbox) ask(ctx context.Context, command func(context.Context) error) error {
	if b.redisAway(redisPause) {
		return errRedisAway
	}
	if err := command(redisdb.Within(ctx, b.opts.Redis)); err != nil {
		b.awayAt.Store(int64(model.At(b.now())))
		b.metrics.redisFailures.Inc()
		return fmt.Errorf("inbox record in Redis: %w", err)
	}
	return nil
}

func redisKey(key model.RequestID) string { return "inbox:{" + string(key) + "}" }

// renew keeps the lease of a message whose logic still runs. A lease that cannot be
// renewed is taken over by the next try, which the package comment speaks of.
func (b *Inbox) renew(ctx context.Context, c *call) {
	if _, err := b.claimRedis(ctx, c); err != nil && !c.sql {
		// Redis went away while we run: the other replicas look into SQL now.
		if _, err := b.claimSQL(ctx, c, true); err != nil {
			b.log.WarnContext(ctx, "inbox lease not renewed", "error", err)
		}
		return
	}
	if !c.sql {
		return
	}
	now := model.At(b.now())
	_, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.Renew(ctx, db.RenewParams{LeasedUntil: int64(now.Add(b.opts.Lease)), Now: int64(now), MessageKey: string(c.in.Key), Token: c.token})
	})
	if err != nil {
		b.log.WarnContext(ctx, "inbox lease not renewed", "error", err)
	}
}

// keep writes the answer down for the tries to come.
func (b *Inbox) keep(ctx context.Context, c *call, content model.Content) {
	raw, err := encode(content)
	if err == nil {
		err = b.keepRedis(ctx, c, raw)
	}
	if c.owed || err == nil && !c.sql { // an owed answer is in SQL already
		return
	}
	sealed := b.seal.SealText(raw, bound("content", c.in.Key))
	now := model.At(b.now())
	changed, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		if c.sql {
			return q.Answer(ctx, db.AnswerParams{Content: sealed, Now: int64(now), MessageKey: string(c.in.Key), Token: c.token})
		}
		return 1, q.Insert(ctx, b.row(c, stateAnswered, "", sealed, now))
	})
	if err != nil && !sqldb.Duplicate(err) || err == nil && changed == 0 {
		b.log.WarnContext(ctx, "answer not kept", "error", err)
	}
}

// keepRedis writes the answer over the record. While the lease that it was claimed under
// lasts nobody else can have changed it, and a plain command will do: unless Redis lost
// its memory meanwhile, and then the logic may have run twice already.
func (b *Inbox) keepRedis(ctx context.Context, c *call, raw []byte) error {
	if time.Until(c.leased) < b.opts.Redis {
		_, err := b.script(ctx, c, b.opts.Keep, string(raw))
		return err
	}
	return b.ask(ctx, func(ctx context.Context) error {
		return b.redis.Set(ctx, redisKey(c.in.Key), answeredMark+string(raw), b.opts.Keep).Err()
	})
}

// row is a new row of inbox_reply.
func (b *Inbox) row(c *call, state, inbound, content string, until model.Millis) db.InsertParams {
	now := int64(model.At(b.now()))
	return db.InsertParams{
		MessageKey: string(c.in.Key), App: string(c.in.App), Openid: string(c.in.OpenID), State: state,
		Inbound: inbound, Content: content, LeaseToken: c.token, LeasedUntil: int64(until), CreatedAt: now, UpdatedAt: now,
	}
}

// claimSQL is claim by the record in SQL. Without insert it only reads what is
// there: no row leaves the message ours.
func (b *Inbox) claimSQL(ctx context.Context, c *call, insert bool) (standing, error) {
	if insert && !c.sql {
		until := model.At(b.now()).Add(b.opts.Lease)
		_, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
			return 1, q.Insert(ctx, b.row(c, stateRunning, "", "", until))
		})
		switch {
		case err == nil:
			c.sql = true
			return standing{state: mine}, nil
		case !sqldb.Duplicate(err) && !errors.Is(err, sqldb.ErrCommitUnknown):
			return standing{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, sqlLimit)
	defer cancel()
	row, err := db.New(b.db).Find(ctx, string(c.in.Key))
	if errors.Is(err, sql.ErrNoRows) {
		return standing{state: mine}, nil
	}
	if err != nil {
		return standing{}, fmt.Errorf("read the inbox record: %w", err)
	}
	switch row.State {
	case stateRunning:
		return b.takeOver(ctx, c, row)
	case stateAnswered:
		found := standing{state: answered}
		raw, err := b.seal.OpenText(row.Content, bound("content", c.in.Key))
		if err == nil {
			err = decode(raw, &found.content)
		}
		return found, err
	}
	return standing{state: answered}, nil // owed, or delivered: success
}

// takeOver makes a running row ours when it is, or when its lease has ended.
func (b *Inbox) takeOver(ctx context.Context, c *call, row db.FindRow) (standing, error) {
	now := model.At(b.now())
	if row.LeaseToken != c.token {
		if row.LeasedUntil > int64(now) {
			return standing{state: running}, nil
		}
		taken, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
			return q.TakeOver(ctx, db.TakeOverParams{Token: c.token, LeasedUntil: int64(now.Add(b.opts.Lease)), Now: int64(now), MessageKey: string(c.in.Key)})
		})
		if err != nil || taken == 0 {
			return standing{state: running}, err
		}
	}
	c.sql = true
	return standing{state: mine}, nil
}

// errTooLong says that a message cannot be kept for a late answer.
var errTooLong = fault.New(fault.Invalid, "inbox.too_long", "消息过长")

// promise commits the row that owes the answer. ours is false when another
// process already owes it. An unknown outcome is cleared up by repeating: the row
// that stands tells by its token whose it is.
func (b *Inbox) promise(ctx context.Context, c *call, content model.Content) (ours bool, err error) {
	inbound, err := b.sealInbound(c.in)
	if err != nil {
		return false, err
	}
	sealed := ""
	if content.Kind != model.NoContent {
		raw, err := encode(content)
		if err != nil {
			return false, err
		}
		sealed = b.seal.SealText(raw, bound("content", c.in.Key))
	}
	if len(sealed) > maxSealed {
		return false, errTooLong
	}
	until := model.At(b.now()).Add(b.opts.RunLimit + 2*grace)
	for range 2 {
		if ours, err = b.insertPromise(ctx, c, inbound, sealed, until); err == nil {
			return ours, nil
		}
	}
	return false, err
}

func (b *Inbox) insertPromise(ctx context.Context, c *call, inbound, sealed string, until model.Millis) (bool, error) {
	_, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return 1, q.Insert(ctx, b.row(c, statePending, inbound, sealed, until))
	})
	if !sqldb.Duplicate(err) {
		return err == nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sqlLimit)
	defer cancel()
	row, err := db.New(b.db).Find(ctx, string(c.in.Key))
	if err != nil {
		return false, fmt.Errorf("read the inbox record: %w", err)
	}
	if row.State != stateRunning {
		return row.State == statePending && row.LeaseToken == c.token, nil
	}
	if found, err := b.takeOver(ctx, c, row); err != nil || found.state != mine {
		return false, errors.Join(err, errors.New("another replica runs the message"))
	}
	owed, err := b.change(ctx, func(ctx context.Context, q *db.Queries) (int64, error) {
		return q.Promise(ctx, db.PromiseParams{
			Inbound: inbound, Content: sealed, LeasedUntil: int64(until), Now: int64(model.At(b.now())), MessageKey: string(c.in.Key), Token: c.token,
		})
	})
	return owed == 1, err
}

// sealInbound keeps what the logic needs to run again.
func (b *Inbox) sealInbound(in model.Inbound) (string, error) {
	in.Raw = nil
	for range 2 {
		raw, err := encode(in)
		if err != nil {
			return "", fmt.Errorf("keep the message: %w", err)
		}
		if sealed := b.seal.SealText(raw, bound("inbound", in.Key)); len(sealed) <= maxSealed {
			return sealed, nil
		}
		in.Fields = nil
	}
	return "", errTooLong
}

// bound ties a sealed value to its place.
func bound(column string, key model.RequestID) []byte {
	return []byte("inbox_reply." + column + "\x00" + string(key))
}

// change runs one statement in a transaction of its own, so that a lost deadlock is
// tried again, and returns how many rows it changed.
func (b *Inbox) change(ctx context.Context, statement func(context.Context, *db.Queries) (int64, error)) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, sqlLimit)
	defer cancel()
	var changed int64
	err := sqldb.InTx(ctx, b.db, func(tx *sql.Tx) (err error) {
		changed, err = statement(ctx, db.New(tx))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write the inbox record: %w", err)
	}
	return changed, nil
}
