package wechat

import (
	"fmt"
	"testing"
	"time"
)

func TestTheBookOfSendsKeepsTheLast(t *testing.T) {
	p := &Platform{now: time.Now, opts: Options{MaxSends: 10}}
	for i := range 25 {
		p.record(Send{Channel: "custom", Persona: fmt.Sprint(i)})
	}
	var seen []int64
	for after := int64(0); ; {
		page := p.Sends(after, 4)
		if len(page) == 0 {
			break
		}
		for _, s := range page {
			if len(seen) > 0 && s.Seq != seen[len(seen)-1]+1 {
				t.Fatalf("after %d comes %d", seen[len(seen)-1], s.Seq)
			}
			seen, after = append(seen, s.Seq), s.Seq
		}
	}
	if n := len(seen); n < 9 || n > 10 || seen[n-1] != 25 {
		t.Errorf("of 25 messages %v are kept, want the last 9 or 10", seen)
	}
	if got := p.Sends(0, 1); len(got) != 1 || got[0].Seq != seen[0] {
		t.Errorf("Sends(0) = %+v, want the oldest that is kept", got)
	}
}
