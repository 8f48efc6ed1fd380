// Command bench measures the product beside its peers in one run and prints the
// ratios: go run ./bench -run REGEX -json. A single absolute figure says little on
// a shared machine, so each figure names its peer and its goal.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"time"
)

// Figure is one measured number and, where it has one, its peer's.
type Figure struct {
	Name  string  `json:"name"`            // callback.edge
	Value float64 `json:"value"`           // of the product
	Unit  string  `json:"unit"`            // µs of processor time a request, requests/s …
	Peer  string  `json:"peer,omitempty"`  // what it is measured against
	Other float64 `json:"other,omitempty"` // the peer's value, in the same unit
	Ratio float64 `json:"ratio,omitempty"` // Value / Other
	Goal  string  `json:"goal,omitempty"`  // "≤ 0.33 ×"
	Met   *bool   `json:"met,omitempty"`
}

// against makes a figure with a peer; the goal is a bound of the ratio.
func against(name, unit string, value float64, peer string, other float64, bound string, goal float64) Figure {
	ratio := value / other
	met := ratio <= goal
	if bound == "≥" {
		met = ratio >= goal
	}
	return Figure{Name: name, Value: value, Unit: unit, Peer: peer, Other: other, Ratio: ratio, Goal: fmt.Sprintf("%s %.2f ×", bound, goal), Met: &met}
}

// atMost makes a figure without a peer.
func atMost(name, unit string, value, goal float64) Figure {
	met := value <= goal
	return Figure{Name: name, Value: value, Unit: unit, Goal: fmt.Sprintf("≤ %g", goal), Met: &met}
}

// measure is one entry of the list in measures.go.
type measure struct {
	name string
	run  func(e env) ([]Figure, error)
}

// env is what a measure may use.
type env struct {
	log      io.Writer
	duration time.Duration // of one side of a comparison
	pots     int           // how many pots are very many
}

func main() {
	work := run
	if side := os.Getenv(serveEnv); side != "" {
		work = func() error { return runServer(side, os.Stdin, os.Stdout) }
	}
	if os.Getenv(loadEnv) != "" {
		work = func() error { return runLoad(os.Stdin, os.Stdout) }
	}
	if os.Getenv(sandboxEnv) != "" {
		work = func() error { return runSandbox(os.Stdin, os.Stdout) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	pattern := flag.String("run", ".", "measure only what matches this regular expression")
	asJSON := flag.Bool("json", false, "print one JSON object a figure")
	duration := flag.Duration("duration", 3*time.Second, "how long one side of a comparison runs")
	pots := flag.Int("pots", 1_000_000, "how many pots are very many")
	flag.Parse()
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	e := env{log: os.Stderr, duration: *duration, pots: *pots}
	fmt.Fprintf(e.log, "%s, %s/%s, %d processors\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	missed := 0
	for _, m := range measures {
		if !match.MatchString(m.name) {
			continue
		}
		figures, err := m.run(e)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, f := range figures {
			if err := show(os.Stdout, f, *asJSON); err != nil {
				return err
			}
			if f.Met != nil && !*f.Met {
				missed++
			}
		}
	}
	if missed > 0 {
		fmt.Fprintf(e.log, "%d goals missed\n", missed)
	}
	return nil
}

func show(w io.Writer, f Figure, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(f)
	}
	line := fmt.Sprintf("%-28s %12.4g %s", f.Name, f.Value, f.Unit)
	if f.Peer != "" {
		line += fmt.Sprintf(" | %s %.4g | ratio %.3f", f.Peer, f.Other, f.Ratio)
	}
	if f.Met != nil {
		verdict := "met"
		if !*f.Met {
			verdict = "MISSED"
		}
		line += fmt.Sprintf(" | goal %s %s", f.Goal, verdict)
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
