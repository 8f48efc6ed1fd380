package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// serveEnv makes a process of this program one of the servers of a comparison.
const serveEnv = "KMH_BENCH_SERVE"

// server is such a process. It says on standard output where it listens and then,
// for each line that it reads, how much processor time it has taken.
type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func startServer(side string) (*server, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), serveEnv+"="+side), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server %s does not begin: %w", side, err)
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

// used is the processor time that the server has taken so far.
func (s *server) used() (time.Duration, error) {
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return 0, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Duration(n), err
}

func (s *server) stop() {
	_ = s.in.Close() // ends it
	_ = s.cmd.Wait()
}

// runServer is the server's process.
func runServer(side string, in io.Reader, out io.Writer) error {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	var handler http.Handler
	var err error
	switch side {
	case "edge":
		handler, err = edgeServer()
	case "sdk":
		handler = sdkServer()
	case "bare":
		handler = http.HandlerFunc(bareServer)
	default:
		err = fmt.Errorf("no server is called %q", side)
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = s.Serve(listener) }() // ends with Close
	defer func() { _ = s.Close() }()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := fmt.Fprintln(out, processor().Nanoseconds()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// processor is the processor time of this process so far.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// built makes a program as `make build` does, in a folder of its own.
func built(name string) (path string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "kmh-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, name)
	build := exec.Command("go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w", "-o", path, "./cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build %s: %w: %s", name, err, said)
	}
	return path, remove, nil
}

// resident is the memory that a process has now, in MB.
func resident(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, errors.New("the system does not say how much memory a process has")
}
