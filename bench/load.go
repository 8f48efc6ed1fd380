package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"kaimenhong/service/redpacket"
)

// loadEnv makes a process of this program the load, so that what it takes of the
// processor is not counted as the application's.
const loadEnv = "KMH_BENCH_LOAD"

// task is a load: helps in the seats of a table, or openings in its game.
type task struct {
	Addr        string            `json:"addr"`
	Game        redpacket.GameID  `json:"game,omitzero"` // open pots; else help in Pots
	Pots        []redpacket.PotID `json:"pots"`
	Helps       int               `json:"helps"`
	Width       int               `json:"width"`
	From        int               `json:"from"` // the first seat
	Most        int               `json:"most"` // seats to take; 0: until the time is over
	Connections int               `json:"connections"`
	Duration    time.Duration     `json:"duration"`
	Rate        float64           `json:"rate"` // arrivals a second whatever the answers do; 0: each connection asks when it was answered
}

// outcome is what a load met.
type outcome struct {
	Done    int     `json:"done"`
	Next    int     `json:"next"` // the first seat that was not taken
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50"` // ms
	P99     float64 `json:"p99"`

	cpu float64 // seconds of application, Redis and MariaDB
}

func (o outcome) rate() float64 { return float64(o.Done) / o.Seconds }

// perHelp is the µs of processor time of one help.
func (o outcome) perHelp() float64 { return o.cpu * 1e6 / float64(o.Done) }

// plus adds up two runs of the same side; the percentiles are the later's.
func (o outcome) plus(more outcome) outcome {
	more.Done, more.Seconds, more.cpu = more.Done+o.Done, more.Seconds+o.Seconds, more.cpu+o.cpu
	return more
}

// run lets a load process do the task against a version and measures it.
func (h *house) run(version helper, t *table, job task) (outcome, error) {
	addr, stop, err := h.serve(version)
	if err != nil {
		return outcome{}, err
	}
	defer stop()
	job.Addr, job.From = addr, t.next
	if job.Game == 0 {
		job.Pots, job.Helps, job.Width = t.pots, t.helps, t.width
	}
	text, err := json.Marshal(job)
	if err != nil {
		return outcome{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), job.Duration+2*time.Minute)
	defer cancel()
	load := exec.CommandContext(ctx, os.Args[0])
	load.Env, load.Stdin, load.Stderr = append(os.Environ(), loadEnv+"=1"), bytes.NewReader(text), os.Stderr
	before := h.cpu()
	said, err := load.Output()
	used := h.cpu() - before
	if err != nil {
		return outcome{}, fmt.Errorf("the load: %w", err)
	}
	var o outcome
	if err := json.Unmarshal(said, &o); err != nil {
		return outcome{}, err
	}
	if o.Done == 0 {
		return outcome{}, errors.New("nothing was answered")
	}
	t.next, o.cpu = o.Next, used.Seconds()
	return o, nil
}

// runLoad is the load's process: the task comes on in, the outcome goes to out. The
// first answer that is not a 200 ends it, for every seat is free.
func runLoad(in io.Reader, out io.Writer) error {
	var job task
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return err
	}
	c := &crowd{task: job, begin: time.Now()}
	c.next.Store(int64(job.From))
	took := make([][]time.Duration, job.Connections)
	err := parallel(job.Connections, job.Connections, func(i int) (err error) {
		took[i], err = c.friend()
		return err
	})
	if err != nil {
		return err
	}
	seconds := time.Since(c.begin).Seconds()
	all := slices.Concat(took...)
	if len(all) == 0 {
		return errors.New("nothing was answered")
	}
	slices.Sort(all)
	at := func(p int) float64 { return float64(all[len(all)*p/100].Microseconds()) / 1000 }
	return json.NewEncoder(out).Encode(outcome{Done: len(all), Next: int(c.next.Load()), Seconds: seconds, P50: at(50), P99: at(99)})
}

// crowd is everybody who asks.
type crowd struct {
	task
	begin time.Time
	next  atomic.Int64
}

// body is the request for a seat; "" when none is left.
func (c *crowd) body(i int) string {
	who := 10_000_000 + i
	if c.Game != 0 {
		return fmt.Sprintf(`{"game":"%s","helper":"%d","request":"o-%d"}`, c.Game, who, who)
	}
	block, within := i/(c.Width*c.Helps), i%(c.Width*c.Helps)
	at := block*c.Width + within%c.Width
	if at >= len(c.Pots) {
		return ""
	}
	return fmt.Sprintf(`{"pot":"%s","helper":"%d","request":"h-%d"}`, c.Pots[at], who, who)
}

// friend asks over one connection until the end and returns how long each answer
// took. It writes and reads bare HTTP. In an open loop the time counts from the
// instant at which the request was due, also when all connections were busy then.
func (c *crowd) friend() ([]time.Duration, error) {
	conn, err := net.Dial("tcp", c.Addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(c.Duration + time.Minute)); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	var out []byte
	var took []time.Duration
	for time.Since(c.begin) < c.Duration {
		i := int(c.next.Add(1)) - 1
		if c.Most > 0 && i >= c.From+c.Most {
			return took, nil
		}
		due := time.Now()
		if c.Rate > 0 {
			due = c.begin.Add(time.Duration(float64(i-c.From) / c.Rate * float64(time.Second)))
			if due.Sub(c.begin) >= c.Duration {
				return took, nil
			}
			time.Sleep(time.Until(due))
		}
		body := c.body(i)
		if body == "" {
			return took, errors.New("all seats are taken: open more pots")
		}
		out = fmt.Appendf(out[:0], "POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if _, err := conn.Write(out); err != nil {
			return took, err
		}
		if err := readOK(in); err != nil {
			return took, err
		}
		took = append(took, time.Since(due))
	}
	return took, nil
}

// readOK reads one answer with a Content-Length and fails unless it is a 200.
func readOK(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\r\n" {
			break
		}
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, err = strconv.Atoi(strings.TrimSpace(text))
			if err != nil || length > 4096 {
				return fmt.Errorf("an answer of %s bytes", text)
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(in, body); err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") {
		return fmt.Errorf("a help was answered %s: %s", strings.TrimSpace(status), body)
	}
	return nil
}
