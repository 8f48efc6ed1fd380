package dbtest_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/sqldb"
)

func TestInspectFindsATableThatMixesUpCharacters(t *testing.T) {
	db := dbtest.MySQL(t)
	if fatal := inspect(t, db); len(fatal) > 0 {
		t.Fatalf("a fresh database has %v, want nothing fatal", fatal)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE greeting (word VARCHAR(9)) CHARACTER SET latin1`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		// The database is used again by other tests.
		if _, err := db.ExecContext(t.Context(), `DROP TABLE greeting`); err != nil {
			t.Error(err)
		}
	}()
	if fatal := inspect(t, db); len(fatal) != 1 || !strings.Contains(fatal[0].String(), "ALTER TABLE greeting CONVERT") {
		t.Errorf("Inspect = %v, want the latin1 table and its fix", fatal)
	}
}

// inspect returns what is fatal.
func inspect(t *testing.T, db *sql.DB) []model.Finding {
	t.Helper()
	findings, err := sqldb.Inspect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return fatals(findings)
}

func fatals(all []model.Finding) (fatal []model.Finding) {
	for _, f := range all {
		if f.Fatal {
			fatal = append(fatal, f)
		}
	}
	return fatal
}

func TestInspectFindsARedisThatEvicts(t *testing.T) {
	dbtest.Redises(t, func(t *testing.T, client redis.UniversalClient) {
		if findings, err := redisdb.Inspect(t.Context(), client); err != nil || len(fatals(findings)) > 0 {
			t.Errorf("Inspect = %v, %v, want nothing fatal", findings, err)
		}
	})
	client := dbtest.PrivateRedis(t, "--maxmemory-policy", "allkeys-lru")
	findings, err := redisdb.Inspect(t.Context(), client)
	if fatal := fatals(findings); err != nil || len(fatal) != 1 || !strings.Contains(fatal[0].String(), "noeviction") {
		t.Errorf("Inspect = %v, %v, want the eviction and its fix", findings, err)
	}
}
