package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/config"
	"kaimenhong/model"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/schema"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/member"
)

// stores are the two places where state lives.
type stores struct {
	db       *sql.DB
	proofs   *sql.DB // db, for the night's statements over whole tables
	redis    redis.UniversalClient
	shared   *redisdb.Sharing // redis, for what each message asks
	embedded bool             // the Redis is in this process and has no settings to inspect
	close    []func()
}

// openStores connects to both stores. Each that fails is in the error.
func openStores(ctx context.Context, cfg config.Config) (*stores, error) {
	s := &stores{}
	db, dbErr := openDatabase(ctx, cfg, 0, cfg.Database.MaxOpen)
	if dbErr == nil {
		s.db = db
		s.close = append(s.close, func() { _ = db.Close() })
	}
	if dbErr == nil {
		if s.proofs, dbErr = openDatabase(ctx, cfg, wholeTable, proofsOpen); dbErr == nil {
			s.close = append(s.close, func() { _ = s.proofs.Close() })
		}
	}
	redisErr := s.openRedis(ctx, cfg.Redis)
	if redisErr == nil {
		s.shared = redisdb.Share(s.redis)
	}
	if err := errors.Join(dbErr, redisErr); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// errNoDSN is what the settings have said already.
var errNoDSN = errors.New("database.dsn is missing")

// wholeTable bounds one statement of a command, or of the night: a migration or a proof
// of a large table answers nothing until it is done, and a connection given up before
// leaves the server to end the change that nobody noted.
const wholeTable = 6 * time.Hour

// proofsOpen is how many such statements the night has at once.
const proofsOpen = 2

// OpenDatabase connects to the book of record alone, for a command.
func OpenDatabase(ctx context.Context, cfg config.Config) (*sql.DB, error) {
	return openDatabase(ctx, cfg, wholeTable, cfg.Database.MaxOpen)
}

// openDatabase connects, at most so often at once; answer is how long a statement may take
// to answer, 0 for what requests wait.
func openDatabase(ctx context.Context, cfg config.Config, answer time.Duration, most int) (*sql.DB, error) {
	if cfg.Database.DSN == "" { // the driver would try a server on this machine
		return nil, errNoDSN
	}
	db, err := sqldb.Open(ctx, cfg.Database.DSN.Reveal(), sqldb.Options{MaxOpen: most, Answer: answer})
	if err != nil {
		return nil, fmt.Errorf("database.dsn: %w", err)
	}
	return db, nil
}

func (s *stores) openRedis(ctx context.Context, cfg config.Redis) error {
	if cfg.Embedded() {
		client, stop, err := redisdb.Embedded(ctx)
		if err != nil {
			return err
		}
		s.redis, s.embedded, s.close = client, true, append(s.close, stop)
		return nil
	}
	client, err := redisdb.Open(ctx, redisdb.Options{
		Addrs: cfg.Addrs, Username: cfg.Username, Password: cfg.Password.Reveal(), DB: cfg.DB, Cluster: cfg.Cluster,
	})
	if err != nil {
		return fmt.Errorf("redis.addrs: %w", err)
	}
	s.redis, s.close = client, append(s.close, func() { _ = client.Close() })
	return nil
}

// stop closes what is open, last opened first.
func (s *stores) stop() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
}

// sealer reads the key of the numbers and makes sure that it is theirs.
func (s *stores) sealer(ctx context.Context, cfg config.Config) (*seal.Sealer, error) {
	sealer, err := seal.Parse(cfg.Security.PhoneKey.Reveal())
	if err == nil {
		err = member.CheckKey(ctx, s.db, sealer)
	}
	if errors.Is(err, member.ErrKey) {
		err = fmt.Errorf("is not the key of the numbers in the database; set the one that was there before: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("security.phone_key (%s): %w", config.EnvironName("security.phone_key"), err)
	}
	return sealer, nil
}

// inspect says all that is wrong with both stores.
func (s *stores) inspect(ctx context.Context) ([]model.Finding, error) {
	inSQL, sqlErr := sqldb.Inspect(ctx, s.db)
	var inRedis []model.Finding
	var redisErr error
	if !s.embedded {
		inRedis, redisErr = redisdb.Inspect(ctx, s.redis)
	}
	findings := append(inSQL, inRedis...)
	if err := schema.Check(ctx, s.db); err != nil {
		findings = append(findings, model.Finding{What: err.Error(), Fix: "kaimenhong migrate", Fatal: true})
	}
	return findings, errors.Join(sqlErr, redisErr)
}

// fit returns an error that names everything the program refuses to start with.
func (s *stores) fit(ctx context.Context, log *slog.Logger) error {
	findings, err := s.inspect(ctx)
	refused := []error{err}
	for _, f := range findings {
		if f.Fatal {
			refused = append(refused, errors.New(f.String()))
		} else {
			log.WarnContext(ctx, "store setting", "finding", f.What, "fix", f.Fix)
		}
	}
	return errors.Join(refused...)
}

// NewLog returns the program's log on standard error.
func NewLog(cfg config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // config.Load has refused any other word
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opts))
}
