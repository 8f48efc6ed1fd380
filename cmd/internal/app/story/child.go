package story

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kaimenhong/cmd/internal/app"
	"kaimenhong/config"
)

// aheadEnv tells a test binary that it is a replica, and how far the story's time is
// ahead; more of it comes by standard input.
const aheadEnv = "STORY_REPLICA_AHEAD"

// Replicated makes this process a replica when World.Child started it, and tells
// whether it was one. TestMain calls it first.
func Replicated() bool {
	text, ok := os.LookupEnv(aheadEnv)
	if !ok {
		return false
	}
	if err := replicate(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// replicate serves in the time of the story until a signal.
func replicate(text string) error {
	start, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	var ahead atomic.Int64
	ahead.Store(start)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if n, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				ahead.Store(n)
			}
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load("", os.Environ())
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := app.New(ctx, cfg, log, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.HTTP.Addr)
	if err != nil {
		return err
	}
	a.Start()
	log.InfoContext(ctx, "serving", "addr", listener.Addr().String())
	err = app.Serve(ctx, listener, a.Handler, cfg.HTTP.ShutdownTimeout)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	if closeErr := a.Close(closing); err == nil {
		err = closeErr
	}
	return err
}

// children are the replicas in processes of their own that follow the story's time.
type children struct {
	mu   sync.Mutex
	into []io.Writer
}

func (c *children) tell(ahead int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.into {
		_, _ = fmt.Fprintln(w, ahead) // one that was killed hears nothing
	}
}

// Child starts a replica in a process of its own, this test's binary, which follows
// the time of the story and which Kill can end at any instant. TestMain has called
// Replicated.
func (w *World) Child() *Replica {
	w.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	serve := exec.Command(binary)
	serve.Env = append(w.Environment(), aheadEnv+"="+strconv.FormatInt(w.ahead.Load(), 10), "PATH="+os.Getenv("PATH"))
	input, err := serve.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	w.children.mu.Lock()
	w.children.into = append(w.children.into, input)
	w.children.mu.Unlock()
	return w.process(serve)
}
