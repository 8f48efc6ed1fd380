package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"kaimenhong/model"
	"kaimenhong/model/redisdb"
)

// topic is what a conversation is waiting for.
type topic string

const (
	noTopic       topic = ""
	choosing      topic = "choice"   // one of Choices, by its number
	awaitUnbind   topic = "unbind"   // yes or no
	awaitFeedback topic = "feedback" // what somebody has to say
	choosingGift  topic = "gift"     // one of Offers, by its number
	awaitRedeem   topic = "redeem"   // yes or no to the one of Offers
)

// step is how far a binding has come; asking for something else does not end it.
type step string

const (
	notBinding step = ""
	awaitPhone step = "phone" // a number to bind
	awaitCode  step = "code"  // the code of an SMS
)

// thread is the state of one conversation.
type thread struct {
	Binding step     `json:"binding,omitempty"`
	Topic   topic    `json:"topic,omitempty"`
	Choices []Intent `json:"choices,omitempty"`
	Want    Intent   `json:"want,omitempty"`   // asked for before binding, answered after
	Billed  bool     `json:"billed,omitempty"` // a bill was told: another month may be named

	Offers []model.Offer `json:"offers,omitempty"`
	Phone  string        `json:"phone,omitempty"` // masked: the one that a yes is about

	Asked model.RequestID `json:"asked,omitempty"` // the message that a yes answers
}

// sessions keep the threads in Redis.
type sessions struct {
	client redis.UniversalClient
	ttl    time.Duration
	wait   time.Duration // bounds each call: a thread is not worth waiting for
}

func sessionKey(openID model.OpenID) string { return "chat:{" + string(openID) + "}:session" }

// load returns the thread as it was before the message with the key: a repeat of
// the last message finds what its first try found. The store is asked at once, and
// waited for when what is returned is called.
func (s sessions) load(ctx context.Context, openID model.OpenID, key model.RequestID) func() (thread, error) {
	asked := redisdb.HMGetAhead(ctx, s.client, s.wait, sessionKey(openID), "key", "before", "after")
	return func() (thread, error) {
		fields, err := asked().Result()
		if err != nil {
			return thread{}, fmt.Errorf("read the session: %w", err)
		}
		return before(fields, key)
	}
}

// before is the thread of a session's fields, as the message with the key finds it.
func before(fields []any, key model.RequestID) (t thread, err error) {
	kept, _ := fields[2].(string)
	if last, _ := fields[0].(string); last == string(key) && key != "" {
		kept, _ = fields[1].(string)
	}
	if kept == "" {
		return t, nil
	}
	if err := json.Unmarshal([]byte(kept), &t); err != nil {
		return thread{}, fmt.Errorf("read the session: %w", err)
	}
	return t, nil
}

// save keeps the thread after the message with the key, for the time to live.
func (s sessions) save(ctx context.Context, openID model.OpenID, key model.RequestID, before, after thread) error {
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	was, err := json.Marshal(before)
	if err != nil {
		return fmt.Errorf("write the session: %w", err)
	}
	is, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("write the session: %w", err)
	}
	name := sessionKey(openID)
	_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, name, "key", string(key), "before", was, "after", is)
		p.Expire(ctx, name, s.ttl)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the session: %w", err)
	}
	return nil
}
