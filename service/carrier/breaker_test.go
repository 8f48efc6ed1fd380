package carrier_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/service/carrier"
)

// wire is a carrier without a network, so that a test's clock can stand in for the
// real one.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func TestTheBreakerSparesACarrierThatIsDownAndFindsItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, up := 0, false
		c, err := carrier.New(time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), carrier.Options{
			BaseURL: "http://carrier", Tries: 1, Trip: 3, OpenFor: 5 * time.Second,
			Transport: wire(func(*http.Request) (*http.Response, error) {
				calls++
				if !up {
					return nil, errors.New("down")
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("[]"))}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		ask := func() error { _, err := c.OrderState(t.Context(), "x"); return err }
		for range 10 {
			if err := ask(); !errors.Is(err, carrier.ErrUnavailable) {
				t.Fatalf("while it is down: %v", err)
			}
		}
		if calls != 3 {
			t.Errorf("%d calls reached the carrier, want 3", calls)
		}
		// An order that was held back was never sent: its outcome is known.
		if _, err := c.Order(t.Context(), carrier.Order{Request: "a", Phone: phone(t, ordinary), Offering: "x"}); errors.Is(err, carrier.ErrUnknownOutcome) {
			t.Errorf("an order that was held back = %v", err)
		}
		up = true
		if err := ask(); !errors.Is(err, carrier.ErrUnavailable) || calls != 3 {
			t.Errorf("at once: %v, %d calls; want patience", err, calls)
		}
		time.Sleep(5*time.Second + time.Millisecond)
		for range 4 {
			if err := ask(); !errors.Is(err, carrier.ErrNoOrder) {
				t.Errorf("5 s later: %v, want an answer", err)
			}
		}
		if calls != 7 {
			t.Errorf("%d calls, want 7", calls)
		}
	})
}

func TestAnAnswerIsBoundedAndAboutTheRightNumber(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"too large", `{"usageConsumption":[],"x":"` + strings.Repeat("a", 2000) + `"}`},
		{"too deep", strings.Repeat("[", 64) + strings.Repeat("]", 64)},
		{"another number", `{"usageConsumption":[{"state":"done","logicalResource":[{"id":"13900000000"}]}]}`},
		{"two consumptions", `{"usageConsumption":[{},{}]}`},
		{"an unknown unit", `{"usageConsumption":[{"bucketRefOrValue":[{"usageType":"data","remainingValue":{"amount":1,"units":"parsec"}}]}]}`},
		{"more left than there was", `{"usageConsumption":[{"bucketRefOrValue":[{"usageType":"data","remainingValue":{"amount":2,"units":"GB"},"bucketCounter":[{"counterType":"total","value":{"amount":1,"units":"GB"}}]}]}]}`},
		{"nothing", ``},
		{"HTML", `<html>`},
	} {
		c, err := carrier.New(time.Now, slog.New(slog.DiscardHandler), prometheus.NewRegistry(), carrier.Options{
			BaseURL: "http://carrier", Tries: 1, MaxBody: 1024,
			Transport: wire(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 201, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(tt.body))}, nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Usage(t.Context(), phone(t, ordinary)); !errors.Is(err, carrier.ErrBadAnswer) {
			t.Errorf("%s: Usage = %+v, %v; want %v", tt.name, got, err, carrier.ErrBadAnswer)
		}
	}
}
