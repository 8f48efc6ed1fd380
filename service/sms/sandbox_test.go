package sms_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kaimenhong/model"
	"kaimenhong/sandbox/faults"
	outside "kaimenhong/sandbox/sms"
	"kaimenhong/service/sms"
)

func TestTheSandboxTakesEachMessageOnce(t *testing.T) {
	set := faults.New(1)
	inbox, err := outside.New(time.Now, set, outside.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/sandbox/sms", inbox.Handler()))
	t.Cleanup(func() { set.Close(); server.Close() })
	client := func(token string) *sms.Gateway {
		c, err := sms.New(server.URL+"/sandbox/sms", token, time.Now, prometheus.NewRegistry(), sms.Options{Timeout: 300 * time.Millisecond, Backoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := client(token)
	for i, tt := range []struct {
		name  string
		fault faults.Fault
		text  string
		want  error
		inbox int // messages in all
	}{
		{"sends", faults.Fault{Kind: faults.Delay, DelayMS: 1, Count: 1}, text, nil, 1},
		{"a repeat sends nothing", faults.Fault{Kind: faults.Delay, DelayMS: 1, Count: 1}, text, nil, 1},
		{"an answer that was cut sends nothing more", faults.Fault{Kind: faults.Cut, Count: 1}, text, nil, 1},
		{"another text with the same id is refused", faults.Fault{Kind: faults.Delay, DelayMS: 1, Count: 1}, "other", sms.ErrConflict, 1},
	} {
		if err := set.Put("sms.send", tt.fault); err != nil {
			t.Fatal(err)
		}
		if err := c.SendSMS(t.Context(), phone(t), tt.text, "bind:1"); !errors.Is(err, tt.want) {
			t.Errorf("%d %s: SendSMS = %v, want %v", i, tt.name, err, tt.want)
		}
		if got := len(inbox.Inbox(digits, 0)); got != tt.inbox {
			t.Errorf("%s: %d messages arrived, want %d", tt.name, got, tt.inbox)
		}
	}
	for _, fault := range []faults.Fault{{Kind: faults.Cut, Count: 2}, {Kind: faults.Garbage, Count: 1}, {Kind: faults.Status, Count: 2}, {Kind: faults.Delay, DelayMS: 500, Count: 1}} {
		before := len(inbox.Inbox(digits, 0))
		if err := set.Put("sms.send", fault); err != nil {
			t.Fatal(err)
		}
		if err := c.SendSMS(t.Context(), phone(t), text, model.RequestID("bind:"+fault.Kind)); err != nil {
			t.Errorf("with %s SendSMS = %v", fault.Kind, err)
		}
		if got := len(inbox.Inbox(digits, 0)) - before; got != 1 {
			t.Errorf("with %s %d messages arrived, want 1", fault.Kind, got)
		}
	}
	if err := client("wrong").SendSMS(t.Context(), phone(t), text, "bind:9"); !errors.Is(err, sms.ErrCredentials) {
		t.Errorf("SendSMS with a wrong token = %v, want %v", err, sms.ErrCredentials)
	}
}
