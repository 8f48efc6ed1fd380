package wechat_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"kaimenhong/model"
	"kaimenhong/service/wechat"
)

// refusal is a call and what becomes of it.
type refusal struct {
	name string
	mode wechat.Mode
	q    wechat.Query
	body string
	want error
}

func (tt refusal) check(t *testing.T) {
	t.Helper()
	call, err := testCodec(t, tt.mode).Open(tt.q, []byte(tt.body))
	if !errors.Is(err, tt.want) || (tt.want == nil) != (err == nil) {
		t.Fatalf("Open = %v, want %v", err, tt.want)
	}
	if err != nil && call.Inbound.OpenID != "" {
		t.Errorf("a refused call tells of %v", call.Inbound.OpenID)
	}
	if err == nil && (call.Inbound.Text != "查话费" || call.Inbound.Key != "oUser.24567890123456789") {
		t.Errorf("Open = %+v", call.Inbound)
	}
}

func TestNothingIsBelievedThatIsNotRight(t *testing.T) {
	sealed := encrypt(t, testKey, padded(hello, testApp))
	good, plain := signedQuery(testNow, sealed), signedQuery(testNow, "")
	with := func(q wechat.Query, change func(*wechat.Query)) wechat.Query { change(&q); return q }
	for _, tt := range []refusal{
		{"a good safe call is taken", wechat.Safe, good, envelopeOf(sealed), nil},
		{"a good plain call is taken", wechat.Plain, plain, hello, nil},
		{"compatible takes the plain form", wechat.Compatible, plain, hello, nil},
		{"compatible takes the encrypted form", wechat.Compatible, good, envelopeOf(sealed), nil},
		{"compatible takes both forms in one", wechat.Compatible, good, strings.Replace(hello, "</xml>", "<Encrypt>"+sealed+"</Encrypt></xml>", 1), nil},
		{"unsigned", wechat.Plain, with(plain, func(q *wechat.Query) { q.Signature = "" }), hello, wechat.ErrSignature},
		{"wrongly signed", wechat.Plain, with(plain, func(q *wechat.Query) { q.Signature = strings.Repeat("0", 40) }), hello, wechat.ErrSignature},
		{"a signature with a tail", wechat.Plain, with(plain, func(q *wechat.Query) { q.Signature += "0" }), hello, wechat.ErrSignature},
		{"another timestamp than was signed", wechat.Plain, with(plain, func(q *wechat.Query) { q.Timestamp = "1760000001" }), hello, wechat.ErrSignature},
		{"unsigned in safe mode", wechat.Safe, with(good, func(q *wechat.Query) { q.MsgSignature = "" }), envelopeOf(sealed), wechat.ErrSignature},
		{"the plain signature counts for nothing in safe mode", wechat.Safe, with(good, func(q *wechat.Query) { q.MsgSignature = q.Signature }), envelopeOf(sealed), wechat.ErrSignature},
		{"the plain signature does not carry an encrypted body in compatible mode", wechat.Compatible, with(good, func(q *wechat.Query) { q.MsgSignature = "" }), envelopeOf(sealed), wechat.ErrSignature},
		{"plaintext at a safe-mode account", wechat.Safe, plain, hello, wechat.ErrPlaintext},
		{"plaintext in JSON at a safe-mode account", wechat.Safe, plain, `{"MsgType":"text"}`, wechat.ErrPlaintext},
		{"ciphertext at a plain-mode account", wechat.Plain, good, envelopeOf(sealed), wechat.ErrMalformed},
		{"stale", wechat.Safe, signedQuery(testNow-301, sealed), envelopeOf(sealed), wechat.ErrStale},
		{"from the future", wechat.Safe, signedQuery(testNow+301, sealed), envelopeOf(sealed), wechat.ErrStale},
		{"just fresh", wechat.Safe, signedQuery(testNow-300, sealed), envelopeOf(sealed), nil},
		{"no timestamp", wechat.Safe, with(good, func(q *wechat.Query) { q.Timestamp = "" }), envelopeOf(sealed), wechat.ErrQuery},
		{"a timestamp that is no number", wechat.Safe, with(good, func(q *wechat.Query) { q.Timestamp = "17e8" }), envelopeOf(sealed), wechat.ErrQuery},
		{"no nonce", wechat.Safe, with(good, func(q *wechat.Query) { q.Nonce = "" }), envelopeOf(sealed), wechat.ErrQuery},
		{"an endless nonce", wechat.Safe, with(good, func(q *wechat.Query) { q.Nonce = strings.Repeat("1", 200) }), envelopeOf(sealed), wechat.ErrQuery},
		{"too large", wechat.Plain, plain, hello + strings.Repeat(" ", wechat.MaxBody), wechat.ErrTooLarge},
		{"empty", wechat.Plain, plain, "", wechat.ErrMalformed},
		{"not XML", wechat.Safe, good, "hello", wechat.ErrMalformed},
		{"deeply nested", wechat.Safe, good, "<xml>" + strings.Repeat("<a>", 5000), wechat.ErrDepth},
		{"deeply nested JSON", wechat.Safe, good, `{"a":` + strings.Repeat("[", 5000), wechat.ErrDepth},
		{"no base64", wechat.Safe, signedQuery(testNow, "!!!"), envelopeOf("!!!"), wechat.ErrCiphertext},
		{"truncated within a block", wechat.Safe, signedQuery(testNow, sealed[:len(sealed)-24]), envelopeOf(sealed[:len(sealed)-24]), wechat.ErrCiphertext},
		{"two Encrypts", wechat.Safe, good, "<xml><Encrypt>" + sealed + "</Encrypt><Encrypt>" + sealed + "</Encrypt></xml>", wechat.ErrMalformed},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestNothingIsBelievedThatWasSealedWrongly(t *testing.T) {
	for name, tt := range map[string]struct {
		plain []byte
		want  error
	}{
		"another account's appid":          {padded(hello, "wx0000000000000000"), wechat.ErrAppID},
		"no appid":                         {padded(hello, ""), wechat.ErrAppID},
		"an appid with a tail":             {padded(hello, testApp+"x"), wechat.ErrAppID},
		"a padding of 0":                   {lastByte(padded(hello, testApp), 0), wechat.ErrPadding},
		"a padding of 33":                  {lastByte(padded(hello, testApp), 33), wechat.ErrPadding},
		"a padding that is wrong inside":   {spoilPadding(padded(strings.Repeat("x", 20), testApp)), wechat.ErrPadding},
		"truncated to one block":           {padded(hello, testApp)[:32], wechat.ErrPadding},
		"a length beyond the end":          {lengthOf(padded(hello, testApp), 1<<31), wechat.ErrCiphertext},
		"a length that swallows the appid": {lengthOf(padded(hello, testApp), uint32(len(hello)+len(testApp))), wechat.ErrAppID},
		"nothing but padding":              {bytes.Repeat([]byte{32}, 32), wechat.ErrCiphertext},
		"an encrypted document type":       {padded(`<!DOCTYPE xml [<!ENTITY a "b">]>`+hello, testApp), wechat.ErrMalformed},
		"an encrypted entity":              {padded(strings.Replace(hello, "<![CDATA[text]]>", "&a;", 1), testApp), wechat.ErrMalformed},
		"a second sender":                  {padded(strings.Replace(hello, "</xml>", "<FromUserName>oOther</FromUserName></xml>", 1), testApp), wechat.ErrMalformed},
		"no sender":                        {padded(strings.Replace(hello, "oUser", "", 1), testApp), wechat.ErrMalformed},
		"an endless sender":                {padded(strings.Replace(hello, "oUser", strings.Repeat("o", 65), 1), testApp), wechat.ErrMalformed},
		"a creation time that is no time":  {padded(strings.Replace(hello, ">1760000000<", ">soon<", 1), testApp), wechat.ErrMalformed},
		"bytes that are no UTF-8":          {padded(strings.Replace(hello, "查", "\xff", 1), testApp), wechat.ErrMalformed},
	} {
		sealed := encrypt(t, testKey, tt.plain)
		t.Run(name, refusal{name, wechat.Safe, signedQuery(testNow, sealed), envelopeOf(sealed), tt.want}.check)
	}
}

func lastByte(b []byte, to byte) []byte { b[len(b)-1] = to; return b }

// spoilPadding changes the first byte of the padding.
func spoilPadding(b []byte) []byte { b[len(b)-int(b[len(b)-1])] ^= 1; return b }

func lengthOf(b []byte, n uint32) []byte {
	b[16], b[17], b[18], b[19] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return b
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	codec := testCodec(t, wechat.Safe)
	sealed := encrypt(t, testKey, padded(hello, testApp))
	q := signedQuery(testNow, sealed)
	for i := range sealed {
		flipped := []byte(sealed)
		flipped[i] ^= 1
		if _, err := codec.Open(q, []byte(envelopeOf(string(flipped)))); err == nil {
			t.Fatalf("bit flipped at %d: taken", i)
		}
	}
}

func TestThePreviousKeyOpensAndAnswers(t *testing.T) {
	codec := testCodec(t, wechat.Safe)
	sealed := encrypt(t, otherKey, padded(hello, testApp))
	call, err := codec.Open(signedQuery(testNow, sealed), []byte(envelopeOf(sealed)))
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := codec.Reply(nil, &call, model.Text("好"))
	if err != nil {
		t.Fatal(err)
	}
	if inner := openReply(t, otherKey, body); inner.Content != "好" {
		t.Errorf("the reply says %q under the previous key, want 好", inner.Content)
	}
}

func TestEchoIsHeldToItsSignature(t *testing.T) {
	sealed := encrypt(t, testKey, padded("8888", testApp))
	plain := signedQuery(testNow, "")
	plain.Echo = "12345"
	safe := signedQuery(testNow, sealed)
	safe.Echo = sealed
	for _, tt := range []struct {
		name   string
		mode   wechat.Mode
		q      wechat.Query
		change func(*wechat.Query)
		echo   string
		want   error
	}{
		{"plain", wechat.Plain, plain, nil, "12345", nil},
		{"a safe account is asked in the clear", wechat.Safe, plain, nil, "12345", nil},
		{"a safe account is asked under encryption", wechat.Safe, safe, nil, "8888", nil},
		{"wrong", wechat.Plain, plain, func(q *wechat.Query) { q.Signature = "00" }, "", wechat.ErrSignature},
		{"wrong under encryption", wechat.Safe, safe, func(q *wechat.Query) { q.MsgSignature = "00" }, "", wechat.ErrSignature},
		{"nothing to echo", wechat.Plain, plain, func(q *wechat.Query) { q.Echo = "" }, "", wechat.ErrQuery},
		{"a script of a page to echo", wechat.Plain, plain, func(q *wechat.Query) { q.Echo = strings.Repeat("<", 600) }, "", wechat.ErrQuery},
		{"stale", wechat.Plain, plain, func(q *wechat.Query) { q.Timestamp = "1" }, "", wechat.ErrStale},
		{"no ciphertext", wechat.Safe, safe, func(q *wechat.Query) { q.Echo = "1"; q.MsgSignature = sha1Of(testToken, q.Timestamp, q.Nonce, "1") }, "", wechat.ErrCiphertext},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := tt.q
			if tt.change != nil {
				tt.change(&q)
			}
			if got, err := testCodec(t, tt.mode).Echo(q); got != tt.echo || !errors.Is(err, tt.want) {
				t.Fatalf("Echo = %q, %v, want %q, %v", got, err, tt.echo, tt.want)
			}
		})
	}
}

// A wrong signature must not be answered sooner than a right one: the work up to
// the refusal is the same. Work is counted in allocations and checked by its order
// of magnitude in time, for a test must not depend on a quiet machine.
func TestAWrongSignatureCostsTheSameWork(t *testing.T) {
	codec := testCodec(t, wechat.Safe)
	sealed := encrypt(t, testKey, padded(strings.Repeat("x", 30000), "wx0000000000000000"))
	right, body := signedQuery(testNow, sealed), []byte(envelopeOf(sealed))
	wrong := right
	wrong.MsgSignature = strings.Repeat("0", 40)
	best := func(q wechat.Query) time.Duration {
		shortest := time.Hour
		for range 200 {
			begin := time.Now()
			if _, err := codec.Open(q, body); err == nil {
				t.Fatal("taken")
			}
			shortest = min(shortest, time.Since(begin))
		}
		return shortest
	}
	a, b := best(right), best(wrong)
	if a > 2*b || b > 2*a {
		t.Errorf("a right signature takes %v, a wrong one %v, want the same", a, b)
	}
}
