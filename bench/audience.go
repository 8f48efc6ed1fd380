package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/model/schema"
	"kaimenhong/model/seal"
	"kaimenhong/model/sqldb"
	"kaimenhong/service/audience"
)

// audienceRows is the size of the audience; the goals are meant for 1,000,000.
var audienceRows = flag.Int("audience-rows", 50_000, "people of the audience measures; the goals are meant for 1000000")

// audienceDB is a migrated database of its own on the server under test.
func audienceDB(ctx context.Context) (*sql.DB, func(), error) {
	asServe()
	server := os.Getenv("KMH_TEST_MYSQL_DSN")
	if server == "" {
		return nil, nil, errors.New("KMH_TEST_MYSQL_DSN is not set: run it under .ci/with-stores")
	}
	opts := sqldb.Options{Timeout: 10 * time.Minute} // LOAD DATA is one packet's wait
	root, err := sqldb.Open(ctx, server, opts)
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("kmh_bench_%d", os.Getpid())
	if _, err := root.ExecContext(ctx, "CREATE DATABASE "+name+" CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	db, err := sqldb.Open(ctx, server[:strings.LastIndexByte(server, '/')+1]+name, opts)
	if err != nil {
		return nil, nil, err
	}
	if _, err := schema.Up(ctx, db); err != nil {
		return nil, nil, err
	}
	return db, func() {
		_ = db.Close()
		if _, err := root.ExecContext(ctx, "DROP DATABASE "+name); err != nil {
			fmt.Fprintln(os.Stderr, "bench: drop the database:", err)
		}
		_ = root.Close()
	}, nil
}

func newAudience(db *sql.DB) (*audience.Audience, error) {
	sealer, err := seal.New(map[int][]byte{1: bytes.Repeat([]byte{7}, seal.KeySize)}, nil)
	if err != nil {
		return nil, err
	}
	ids, err := model.NewIDs(1, time.Now)
	if err != nil {
		return nil, err
	}
	return audience.New(audience.Deps{
		DB: db, Sealer: sealer, IDs: ids, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}, audience.Options{})
}

// customerFile writes a CSV as a carrier would, with every kind of column.
func customerFile(path string, rows int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "手机号,姓名,性别,出生日期,入网日期,付费方式,套餐,省份,城市,终端,价值等级,上月ARPU,上上月ARPU,三个月前ARPU,上月流量使用率,上上月流量使用率,三个月前流量使用率,兴趣")
	plans, cities := []string{"畅享129", "大王卡", "冰激凌199", "孝心卡"}, []string{"深圳", "广州", "东莞", "佛山", "珠海"}
	for i := range rows {
		// A multiplier prime to the range: numbers in no order, none twice.
		number := 13000000000 + (int64(i)*387420489)%900000007
		fmt.Fprintf(w, "%d,张三,%s,19%02d-%02d-%02d,20%02d-03-01,预付费,%s,广东,%s,HUAWEI P60,中价值,%d.50,%d.00,%d.25,%d.5%%,%d%%,80%%,视频、游戏\n",
			number, []string{"男", "女"}[i%2], 50+i%50, i%12+1, i%28+1, 10+i%15, plans[i%4], cities[i%5], i%190, i%150, i%170, i%120, i%100)
	}
	return cmp.Or(w.Flush(), f.Close())
}

// measureAudience imports a file beside LOAD DATA and counts segments over what
// was imported.
func measureAudience(e env) ([]Figure, error) {
	ctx := context.Background()
	db, drop, err := audienceDB(ctx)
	if err != nil {
		return nil, err
	}
	defer drop()
	dir, err := os.MkdirTemp("", "kmh-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var pool, flush int64
	if err := db.QueryRowContext(ctx, "SELECT @@innodb_buffer_pool_size, @@innodb_flush_log_at_trx_commit").Scan(&pool, &flush); err != nil {
		return nil, err
	}
	fmt.Fprintf(e.log, "audience: buffer pool of %d MB, innodb_flush_log_at_trx_commit = %d\n", pool>>20, flush)
	path := filepath.Join(dir, "customers.csv")
	if err := customerFile(path, *audienceRows); err != nil {
		return nil, err
	}
	a, err := newAudience(db)
	if err != nil {
		return nil, err
	}
	figures, err := measureImport(ctx, e, db, a, path)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	counts, err := measureCount(ctx, e, db, a)
	if err != nil {
		return nil, fmt.Errorf("count: %w", err)
	}
	return append(figures, counts...), nil
}

func measureImport(ctx context.Context, e env, db *sql.DB, a *audience.Audience, path string) ([]Figure, error) {
	peer, err := loadData(ctx, db, path)
	if err != nil {
		return nil, fmt.Errorf("LOAD DATA: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	peak := watchHeap()
	started := time.Now()
	done, err := a.Import(ctx, audience.Upload{Name: "customers.csv", File: f})
	took := time.Since(started)
	heap := peak()
	if err != nil {
		return nil, err
	}
	if done.Added != int64(*audienceRows) {
		return nil, fmt.Errorf("%d of %d rows were added", done.Added, *audienceRows)
	}
	rate := float64(*audienceRows) / took.Seconds()
	fmt.Fprintf(e.log, "audience.import: %d rows in %.1f s, LOAD DATA in %.1f s\n", *audienceRows, took.Seconds(), peer.Seconds())
	return []Figure{
		against("audience.import", "rows/s", rate, "LOAD DATA", float64(*audienceRows)/peer.Seconds(), "≥", 0.5),
		atMost("audience.import.row", "µs a row (20,000 rows/s)", 1e6/rate, 50),
		atMost("audience.import.heap", "MB of heap at the peak", heap, 64),
	}, nil
}

// loadData is what the database itself needs for the same file: one plain table,
// the number as its key, nothing checked, sealed or counted.
func loadData(ctx context.Context, db *sql.DB, path string) (time.Duration, error) {
	const table = `CREATE TABLE bench_customer (phone VARCHAR(43) NOT NULL PRIMARY KEY, name VARCHAR(64), gender VARCHAR(8), birth VARCHAR(16),
		since VARCHAR(16), payment VARCHAR(16), plan VARCHAR(64), province VARCHAR(64), city VARCHAR(64), device VARCHAR(64), tier VARCHAR(16),
		arpu1 DECIMAL(10,2), arpu2 DECIMAL(10,2), arpu3 DECIMAL(10,2), data1 VARCHAR(8), data2 VARCHAR(8), data3 VARCHAR(8), interest VARCHAR(64))`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return 0, err
	}
	mysql.RegisterLocalFile(path)
	defer mysql.DeregisterLocalFile(path)
	started := time.Now()
	const load = "LOAD DATA LOCAL INFILE '%s' INTO TABLE bench_customer CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' IGNORE 1 LINES"
	if _, err := db.ExecContext(ctx, fmt.Sprintf(load, path)); err != nil {
		return 0, err
	}
	took := time.Since(started)
	var n int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM bench_customer").Scan(&n); err != nil || n != *audienceRows {
		return 0, errors.Join(err, fmt.Errorf("%d of %d rows were loaded", n, *audienceRows))
	}
	_, err := db.ExecContext(ctx, "DROP TABLE bench_customer")
	return took, err
}

// watchHeap answers a function that ends the watch and tells the peak in MB.
func watchHeap() func() float64 {
	stop, peak := make(chan struct{}), make(chan uint64)
	runtime.GC()
	go func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		var top uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapInuse)
			select {
			case <-ticker.C:
			case <-stop:
				peak <- top
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return float64(<-peak) / (1 << 20)
	}
}

// countTree has three conditions: attribute, deed in 30 days, no tag.
const countTree = `{"and":[{"attribute":"arpu1","op":"gte","value":5000},{"did":"tap","days":30},{"not":{"tag":"投诉"}}]}`

func measureCount(ctx context.Context, e env, db *sql.DB, a *audience.Audience) ([]Figure, error) {
	if err := fillDeeds(ctx, db, a); err != nil {
		return nil, err
	}
	tree, err := audience.ParseTree([]byte(countTree))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.log, "audience.count: %d people are there\n", *audienceRows)
	var exact int64
	count, err := median(func() (err error) { exact, err = a.Count(ctx, tree); return err })
	if err != nil {
		return nil, err
	}
	var guess audience.Estimate
	preview, err := median(func() (err error) { guess, err = a.Estimate(ctx, tree); return err })
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(e.log, "audience.count: %d of %d people; estimated %s (%d–%d)\n", exact, *audienceRows, guess.Text, guess.Low, guess.High)
	if exact == 0 {
		return nil, errors.New("the segment selects nobody")
	}
	if err := fourfold(ctx, db); err != nil {
		return nil, fmt.Errorf("grow: %w", err)
	}
	fmt.Fprintf(e.log, "audience.count: %d people are there; %d of them were counted in %.2f s\n", 4**audienceRows, exact, count)
	large, err := median(func() error { _, err := a.Count(ctx, tree); return err })
	if err != nil {
		return nil, err
	}
	later, err := median(func() error { _, err := a.Estimate(ctx, tree); return err })
	if err != nil {
		return nil, err
	}
	return []Figure{
		atMost("audience.count", "s", count, 1),
		atMost("audience.estimate", "s", preview, 0.2),
		against("audience.count.4x", "s", large, "a quarter of the people", count, "≤", 4),
		atMost("audience.estimate.4x", "s", later, 0.2),
	}, nil
}

// fillDeeds gives everybody a past: three of five tapped within 90 days, everybody
// did something, one in twenty complained.
func fillDeeds(ctx context.Context, db *sql.DB, a *audience.Audience) error {
	tag, err := a.CreateTag(ctx, 0, "投诉")
	if err != nil {
		return err
	}
	today := int64(model.DayOf(time.Now()))
	for _, s := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO audience_deed SELECT p.member_id, 10, ? - MOD(CRC32(p.member_id), 90), 1, 0 FROM audience_portrait p WHERE p.bucket < 60", []any{today}},
		{"INSERT INTO audience_deed SELECT p.member_id, 11, ? - MOD(CRC32(p.member_id + 1), 200), 1, 0 FROM audience_portrait p", []any{today}},
		{"INSERT INTO audience_deed SELECT p.member_id, 8, ? - MOD(CRC32(p.member_id + 2), 365), 2, 0 FROM audience_portrait p WHERE p.bucket > 30", []any{today}},
		{"INSERT INTO audience_member_tag SELECT ?, p.member_id, 'bench', 1 FROM audience_portrait p WHERE MOD(CRC32(p.member_id + 3), 20) = 0", []any{int64(tag)}},
		{"ANALYZE TABLE audience_portrait, audience_deed, audience_member_tag", nil},
	} {
		if _, err := db.ExecContext(ctx, s.text, s.args...); err != nil {
			return err
		}
	}
	return nil
}

// fourfold adds three of everybody, with ids in between.
func fourfold(ctx context.Context, db *sql.DB) error {
	columns, err := db.QueryContext(ctx, "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'audience_portrait' AND column_name <> 'member_id' ORDER BY ordinal_position")
	if err != nil {
		return err
	}
	defer func() { _ = columns.Close() }()
	var names []string
	for columns.Next() {
		var name string
		if err := columns.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := columns.Err(); err != nil {
		return err
	}
	// Ids grow with time, so those of the copies lie behind all others.
	const shift = 1 << 60
	for i := range int64(3) {
		by := i*(1<<59) + shift
		for _, s := range []string{
			"INSERT INTO audience_portrait SELECT member_id + ?, " + strings.Join(names, ", ") + " FROM audience_portrait WHERE member_id < ?",
			"INSERT INTO audience_deed SELECT member_id + ?, kind, day, n, fen FROM audience_deed WHERE member_id < ?",
			"INSERT INTO audience_member_tag SELECT tag_id, member_id + ?, source, tagged_at FROM audience_member_tag WHERE member_id < ?",
		} {
			if _, err := db.ExecContext(ctx, s, by, int64(shift)); err != nil {
				return err
			}
		}
	}
	_, err = db.ExecContext(ctx, "ANALYZE TABLE audience_portrait, audience_deed, audience_member_tag")
	return err
}

// median runs f five times, after once for the caches, and answers the seconds.
func median(f func() error) (float64, error) {
	var took []float64
	for i := range 6 {
		started := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, time.Since(started).Seconds())
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
