package app_test

import (
	"bytes"
	"encoding/json"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"kaimenhong/cmd/internal/app"
)

// kept is a log that the drivers' own work writes to as well.
type kept struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (k *kept) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines.Write(line)
}

func (k *kept) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines.String()
}

func TestWhatADriverSaysIsALineOfTheLog(t *testing.T) {
	was := slog.Default()
	defer func() {
		app.DriversTo(was)
		log.SetOutput(os.Stderr)
	}()
	var said kept
	app.DriversTo(slog.New(slog.NewJSONHandler(&said, nil)))
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer func() { _ = client.Close() }()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a Redis answers at port 1")
	}
	log.Print("http: TLS handshake error") // as the HTTP server does
	for _, want := range []string{"failed to dial", "TLS handshake"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("the log has %q, want %q in it", said.String(), want)
		}
	}
	for line := range strings.Lines(said.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the line %q is no JSON", line)
		}
	}
}
