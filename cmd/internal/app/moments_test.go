package app

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"kaimenhong/service/redpacket"
)

func TestAPanicOverOneMomentEndsNoOther(t *testing.T) {
	var log bytes.Buffer
	m := newMoments(nil, nil, nil, moment{}, nil, slog.New(slog.NewTextHandler(&log, nil))) // there is no engine to ask
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	m.queue, m.cards = make(chan redpacket.Help), make(chan card)
	go func() {
		m.Run(ctx)
		close(ended)
	}()
	for range 2 {
		m.queue <- redpacket.Help{Pot: 1}
		m.cards <- card{}
	}
	end()
	<-ended
	if n := bytes.Count(log.Bytes(), []byte("not told")); n == 0 {
		t.Errorf("the log says %s, want the moments that were not told", log.Bytes())
	}
}
