package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// measureIntent reads the whole corpus with the benchmarks of service/chat, the best
// of several runs: what a sentence takes, alone and below the operator's rules.
func measureIntent(env) ([]Figure, error) {
	said, err := exec.Command("go", "test", "-run", "^$", "-bench", "^Benchmark(Intent|Rules10|Rules10000)$", "-benchtime", "300ms", "-count", "5", "./service/chat").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	best := map[string]float64{}
	for _, found := range benchLine.FindAllStringSubmatch(string(said), -1) {
		ns, err := strconv.ParseFloat(found[2], 64)
		if err != nil {
			return nil, err
		}
		if best[found[1]] == 0 || ns < best[found[1]] {
			best[found[1]] = ns
		}
	}
	if len(best) != 3 {
		return nil, fmt.Errorf("the benchmarks said %s", said)
	}
	return []Figure{
		atMost("intent", "µs a sentence", best["Intent"]/1000, 20),
		against("intent.rules", "µs a sentence below 10,000 rules", best["Rules10000"]/1000, "10 rules", best["Rules10"]/1000, "≤", 1.2),
	}, nil
}

// benchLine is a line of go test: BenchmarkRules10-2   123456   7890 ns/op
var benchLine = regexp.MustCompile(`(?m)^Benchmark(Intent|Rules10|Rules10000)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`)
