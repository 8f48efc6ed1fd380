package inbox

import "time"

// workers run the work on messages. A goroutine that is used again has the stack that
// the last message made it grow, which a new one would grow anew, step by step.
type workers struct{ jobs chan func() }

// workerIdle is how long a worker waits for more work before it ends.
const workerIdle = 5 * time.Second

func newWorkers() workers { return workers{make(chan func())} }

// run has a worker do the job, a new one when none is free.
func (w workers) run(job func()) {
	select {
	case w.jobs <- job:
	default:
		go w.work(job)
	}
}

func (w workers) work(job func()) {
	idle := time.NewTimer(workerIdle)
	defer idle.Stop()
	for {
		job()
		job = nil // what it held is not held while nothing is done
		idle.Reset(workerIdle)
		select {
		case job = <-w.jobs:
		case <-idle.C:
			return
		}
	}
}
