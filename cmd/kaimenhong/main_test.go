package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/cmd/internal/app/story"
	"kaimenhong/model/dbtest"
	"kaimenhong/model/redisdb"
	"kaimenhong/model/sqldb"
	"kaimenhong/sandbox"
	"kaimenhong/sandbox/faults"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(built(m)) }

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kaimenhong-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "kaimenhong")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// outside is a sandbox at an address.
func outside(t *testing.T) string {
	t.Helper()
	world, err := sandbox.New(sandbox.Options{Customers: 20})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/sandbox", world.Handler()))
	t.Cleanup(func() {
		server.Close()
		if err := world.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL + "/sandbox"
}

// settings are a whole environment; changes come after it, and "NAME=" removes.
func settings(s story.Stores, base string, changes ...string) []string {
	environ := []string{
		"PATH=" + os.Getenv("PATH"), "KMH_HTTP_ADDR=127.0.0.1:0", "KMH_DATABASE_DSN=" + s.DSN,
		"KMH_REDIS_ADDRS=" + strings.Join(s.Redis.Addrs, ","), "KMH_REDIS_DB=" + strconv.Itoa(s.Redis.DB),
		"KMH_WECHAT_APP_ID=" + sandbox.DefaultAppID, "KMH_WECHAT_APP_SECRET=" + sandbox.DefaultAppSecret,
		"KMH_WECHAT_TOKEN=" + sandbox.DefaultToken, "KMH_WECHAT_ENCODING_AES_KEY=" + sandbox.DefaultAESKey,
		"KMH_WECHAT_BASE_URL=" + base + "/wechat", "KMH_CARRIER_BASE_URL=" + base + "/carrier", "KMH_CARRIER_TOKEN=sandbox-carrier-token",
		"KMH_SMS_BASE_URL=" + base + "/sms", "KMH_SMS_TOKEN=" + sandbox.DefaultSMSToken,
		"KMH_SECURITY_PHONE_KEY=1:c3RvcnktcGhvbmUta2V5LTAxMjM0NTY3ODlhYmNkZWY=", "KMH_SECURITY_SESSION_KEY=c3Rvcnktc2Vzc2lvbi1rZXktMDEyMzQ1Njc4OWFiY2Q=",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		environ = slices.DeleteFunc(environ, func(pair string) bool { return strings.HasPrefix(pair, name+"=") })
		if value != "" {
			environ = append(environ, change)
		}
	}
	return environ
}

// run runs the program to its end and returns all that it said.
func run(t *testing.T, environ []string, input string, args ...string) (said string, code int) {
	t.Helper()
	program := exec.CommandContext(t.Context(), binary, args...)
	program.Env, program.Stdin = environ, strings.NewReader(input)
	var out bytes.Buffer
	program.Stdout, program.Stderr = &out, &out
	err := program.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), program.ProcessState.ExitCode()
}

// refuses fails unless the program ended with 1 and said each of these.
func refuses(t *testing.T, environ []string, args []string, wants ...string) {
	t.Helper()
	said, code := run(t, environ, "", args...)
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("%v says\n%s\nwant %q in it", args, said, want)
		}
	}
	if code != 1 {
		t.Errorf("%v ends with %d, want 1", args, code)
	}
}

func TestMigrateBringsAnEmptyDatabaseUpToDateAndServeInsistsOnIt(t *testing.T) {
	s := story.Stores{DSN: "sqlite:" + filepath.Join(t.TempDir(), "new.db"), Redis: redisdb.Options{Addrs: []string{"embedded"}}}
	environ := settings(s, outside(t))
	refuses(t, environ, []string{"serve"}, "is pending", "kaimenhong migrate")
	refuses(t, environ, []string{"check"}, "wrong: ", "kaimenhong migrate")
	for _, want := range []string{" migrations applied", "0 migrations applied"} {
		if said, code := run(t, environ, "", "migrate"); code != 0 || !strings.Contains(said, want) {
			t.Errorf("migrate says %q, ends with %d, want %q", said, code, want)
		}
	}
	if said, code := run(t, environ, "", "check"); code != 0 || !strings.Contains(said, "all is well") {
		t.Errorf("check says %q, ends with %d, want that all is well", said, code)
	}
}

func TestServeNamesEverythingThatIsMissingAtOnce(t *testing.T) {
	refuses(t, []string{"PATH=" + os.Getenv("PATH"), "KMH_HTTP_ADDRESS=:1"}, []string{"serve"},
		"KMH_HTTP_ADDRESS is no setting", "KMH_DATABASE_DSN", "KMH_REDIS_ADDRS", "KMH_WECHAT_APP_ID", "KMH_WECHAT_APP_SECRET", "KMH_WECHAT_TOKEN",
		"KMH_WECHAT_ENCODING_AES_KEY", "KMH_CARRIER_BASE_URL", "KMH_CARRIER_TOKEN", "KMH_SMS_BASE_URL", "KMH_SECURITY_PHONE_KEY", "openssl rand -base64 32")
}

func TestServeRefusesStoresThatLoseThings(t *testing.T) {
	evicting := dbtest.PrivateRedis(t, "--maxmemory-policy", "allkeys-lru").(*redis.Client)
	s := story.Servers(t)
	db, err := sqldb.Open(t.Context(), s.DSN, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE greeting (word VARCHAR(9)) CHARACTER SET latin1`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := db.ExecContext(t.Context(), `DROP TABLE greeting`); err != nil {
			t.Error(err) // the database is used again
		}
	}()
	s.Redis = redisdb.Options{Addrs: []string{evicting.Options().Addr}}
	environ := settings(s, outside(t))
	for _, command := range []string{"serve", "check"} {
		refuses(t, environ, []string{command}, "ALTER TABLE greeting CONVERT TO CHARACTER SET utf8mb4", "CONFIG SET maxmemory-policy noeviction")
	}
}

func TestCheckSaysAllThatIsWrongAtOnce(t *testing.T) {
	s := story.Embedded(t)
	base := outside(t)
	refuses(t, settings(s, base, "KMH_CARRIER_TOKEN=wrong", "KMH_WECHAT_APP_SECRET=wrong"), []string{"check"},
		"carrier.base_url and carrier.token", "wechat.app_id, wechat.app_secret", "2 things to mend")
	refuses(t, settings(s, base, "KMH_CARRIER_TOKEN=", "KMH_DATABASE_DSN=root:hunter2@tcp(127.0.0.1:1)/kmh"), []string{"check"},
		"carrier.token", "the database does not answer")
	if said, _ := run(t, settings(s, base, "KMH_DATABASE_DSN=root:hunter2@tcp(127.0.0.1:1)/kmh"), "", "check"); strings.Contains(said, "hunter2") {
		t.Errorf("check repeats a secret: %s", said)
	}
	if said, code := run(t, settings(s, base, "KMH_DATABASE_DSN="), "", "check"); code == 0 || strings.Count(said, "database.dsn") != 1 || strings.Contains(said, "3306: connect") {
		t.Errorf("check of a missing DSN says %q, ends with %d, want it named once and no server asked", said, code)
	}
}

func TestCheckFindsWhatServeWouldRefuse(t *testing.T) {
	environ := settings(story.Embedded(t), outside(t), "KMH_CARRIER_PACKS=1024", "KMH_PUSH_QUOTAS=pigeon=1",
		"KMH_CHAT_AGENT_HOURS=22:00-08:00")
	for _, command := range []string{"check", "serve"} {
		refuses(t, environ, []string{command}, "KMH_CARRIER_PACKS", "KMH_PUSH_QUOTAS", "KMH_CHAT_AGENT_HOURS")
	}
}

func TestAnOperatorIsAddedOnce(t *testing.T) {
	environ := settings(story.Embedded(t), outside(t))
	add := []string{"operator", "add", "wang", "--name", "王芳", "--role", "admin,planner"}
	if said, code := run(t, environ, "correct horse battery staple\n", add...); code != 0 || !strings.Contains(said, "operator wang has the id ") {
		t.Errorf("operator add says %q, ends with %d", said, code)
	}
	if said, code := run(t, environ, "correct horse battery staple\n", add...); code != 1 {
		t.Errorf("the same name again says %q, ends with %d, want 1", said, code)
	}
	if said, code := run(t, environ, "short\n", "operator", "add", "li", "--name", "李", "--role", "admin"); code != 1 || strings.Contains(said, "short\n") {
		t.Errorf("a short password says %q, ends with %d, want 1", said, code)
	}
}

func TestServeAnswersUntilASignalAndStopsCleanly(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Process(binary)
		w.Person("ordinary").Bound().Says("查话费").Hears("话费余额")
		if got := r.Get("/readyz"); !strings.Contains(got, `"database":"ok"`) || !strings.Contains(got, `"redis":"ok"`) {
			t.Errorf("/readyz = %s, want both stores", got)
		}
		r.Stop() // fails the test unless it ends with 0
	})
}

func TestAKeyThatIsNotTheStoredNumbersIsRefused(t *testing.T) {
	s := story.Embedded(t)
	w := story.Begin(t, s)
	r := w.Process(binary)
	w.Person("ordinary").Bound()
	r.Stop()
	environ := settings(s, outside(t), "KMH_SECURITY_PHONE_KEY=1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	for _, command := range []string{"check", "serve"} {
		refuses(t, environ, []string{command}, "KMH_SECURITY_PHONE_KEY", "is not the key of the numbers in the database")
	}
}

func TestASignalLetsWhatIsBeingAnsweredFinish(t *testing.T) {
	story.Everywhere(t, func(t *testing.T, s story.Stores) {
		w := story.Begin(t, s)
		r := w.Process(binary)
		zhang := w.Person("ordinary").Bound()
		w.Fault("carrier.bucket", faults.Fault{Kind: faults.Delay, DelayMS: 1500})
		zhang.Begins("查话费")
		w.Until("the carrier is being asked", func() bool { return w.Begun("/bucket") > 0 })
		r.Stop() // SIGTERM; fails the test unless it ends with 0
		w.Idle()
		zhang.Hears("话费余额 " + zhang.Balance())
	})
}

// maxBinary is what the stripped binary may have.
const maxBinary = 45_000_000

func TestTheBinaryStaysSmall(t *testing.T) {
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, at most %d. Does something call methods by name now, so that the linker keeps all of them? "+
			"go build -ldflags=-dumpdep -o /dev/null ./cmd/kaimenhong 2>&1 | grep -o '[^ ]* <ReflectMethod>' | sort -u", info.Size(), maxBinary)
	}
}

func TestTheSandboxIsNotInTheProduct(t *testing.T) {
	list, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(list)) {
		if strings.HasPrefix(name, "kaimenhong/sandbox") || strings.HasPrefix(name, "testing") || strings.Contains(name, "dbtest") {
			t.Errorf("the production binary links %s", name)
		}
	}
}
