package wechat

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"kaimenhong/model"
	"kaimenhong/model/fault"
)

// Mode is how an account's callbacks are protected, as set on WeChat's console.
type Mode string

// The three modes.
const (
	Plain      Mode = "plain"      // 明文模式
	Compatible Mode = "compatible" // 兼容模式: both, each verified as its own
	Safe       Mode = "safe"       // 安全模式: encrypted calls alone
)

// MaxBody is the length of a callback's body, in bytes, beyond which it is refused.
const MaxBody = 64 << 10

// Bounds of the query's parts, in bytes. WeChat sends 40, 10 and about 10 bytes.
const (
	maxNonce = 128
	maxEcho  = 512
)

// Why a callback is refused. The reasons go into metrics; the sender, who proved
// nothing, is told none of them.
var (
	ErrTooLarge   = fault.New(fault.Invalid, "callback.too_large", "回调内容过大")
	ErrQuery      = fault.New(fault.Invalid, "callback.query", "回调参数有误")
	ErrStale      = fault.New(fault.Unauthenticated, "callback.stale", "回调已过期")
	ErrSignature  = fault.New(fault.Unauthenticated, "callback.signature", "回调签名有误")
	ErrPlaintext  = fault.New(fault.Unauthenticated, "callback.plaintext", "安全模式不接受明文回调")
	ErrCiphertext = fault.New(fault.Invalid, "callback.ciphertext", "回调密文不完整")
	ErrPadding    = fault.New(fault.Invalid, "callback.padding", "回调密文填充有误")
	ErrAppID      = fault.New(fault.Invalid, "callback.appid", "回调不属于本应用")
	ErrMalformed  = fault.New(fault.Invalid, "callback.malformed", "回调内容无法解析")
	ErrDepth      = fault.New(fault.Invalid, "callback.depth", "回调内容嵌套过深")
)

// Refusals are the reasons above, for who counts them.
var Refusals = []*fault.Error{
	ErrTooLarge, ErrQuery, ErrStale, ErrSignature, ErrPlaintext,
	ErrCiphertext, ErrPadding, ErrAppID, ErrMalformed, ErrDepth,
}

// CodecOptions say whose callbacks a Codec reads.
type CodecOptions struct {
	App            model.App
	AppID          string // wx…
	Token          string // 3 to 32 characters
	Mode           Mode
	AESKey         string        // EncodingAESKey; not needed in plain mode
	PreviousAESKey string        // the one before, while WeChat still uses it; may be empty
	Window         time.Duration // how far a call's timestamp may be from now, before or after; default 5 min
}

// Codec reads verified callbacks of one account and writes their answers. It is
// safe for concurrent use.
type Codec struct {
	app    model.App
	appID  []byte
	token  []byte
	mode   Mode
	keys   []*messageKey // the current one first
	window time.Duration
	now    model.Clock
}

// NewCodec checks the options; an error says what to set, and never repeats a
// secret.
func NewCodec(now model.Clock, opts CodecOptions) (*Codec, error) {
	c := &Codec{
		app: cmp.Or(opts.App, model.OfficialAccount), appID: []byte(opts.AppID), token: []byte(opts.Token),
		mode: opts.Mode, window: cmp.Or(opts.Window, 5*time.Minute), now: now,
	}
	// An empty token would let anybody sign.
	if len(opts.Token) < 3 || len(opts.Token) > 32 {
		return nil, errors.New("the callback token has 3 to 32 characters: copy it from the WeChat console")
	}
	if opts.AppID == "" {
		return nil, errors.New("the appid is missing")
	}
	if c.window < 0 {
		return nil, errors.New("the callback window is negative")
	}
	switch opts.Mode {
	case Plain:
		return c, nil
	case Compatible, Safe:
	default:
		return nil, errors.New("the callback mode is plain, compatible or safe")
	}
	for i, encoded := range []string{opts.AESKey, opts.PreviousAESKey} {
		if encoded == "" && i > 0 {
			continue
		}
		key, err := newMessageKey(encoded)
		if err != nil {
			return nil, fmt.Errorf("message key %d of 2: %w", i+1, err)
		}
		c.keys = append(c.keys, key)
	}
	return c, nil
}

// Query is what the query string of a callback holds.
type Query struct {
	Signature    string
	MsgSignature string
	Timestamp    string // seconds since 1970
	Nonce        string
	Echo         string // echostr, of a GET
}

// Call is a verified callback: the message, and how to answer it.
type Call struct {
	Inbound model.Inbound
	key     *messageKey // that opened it; nil when it came in the clear
	json    bool
}

// scratch is the working space of one call.
type scratch struct {
	signer
	query  []byte // timestamp and nonce
	cipher []byte
	plain  []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{signer: newSigner()} }}

// Open verifies and decodes a POST. Its errors are the Refusals. body is not kept.
func (c *Codec) Open(q Query, body []byte) (Call, error) {
	if len(body) > MaxBody {
		return Call{}, ErrTooLarge
	}
	if err := c.fresh(q); err != nil {
		return Call{}, err
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if c.mode == Plain {
		return c.openPlain(s, q, string(body))
	}
	var outer envelope
	text := string(body)
	scanned := scan(text, &outer)
	switch {
	case scanned != nil:
		// Nothing to decrypt; nobody proved anything.
		return Call{}, scanned
	case outer.encrypt != "":
		return c.openSealed(s, q, outer.encrypt)
	case c.mode == Compatible:
		return c.openPlain(s, q, text)
	}
	return Call{}, ErrPlaintext
}

func (c *Codec) openPlain(s *scratch, q Query, text string) (Call, error) {
	if !c.signed(s, q.Signature, q, nil) {
		return Call{}, ErrSignature
	}
	return c.decode(text, nil)
}

// openSealed decrypts before it judges the signature, so that a wrong one takes as
// long as a right one; what was decrypted is looked at only under a right one.
func (c *Codec) openSealed(s *scratch, q Query, encrypt string) (Call, error) {
	s.cipher = append(s.cipher[:0], encrypt...)
	signed := c.signed(s, q.MsgSignature, q, s.cipher)
	message, key, broken := c.decrypt(s)
	if !signed {
		return Call{}, ErrSignature
	}
	if broken != nil {
		return Call{}, broken
	}
	return c.decode(string(message), key)
}

// decrypt opens s.cipher, base64, with the first key that fits.
func (c *Codec) decrypt(s *scratch) ([]byte, *messageKey, error) {
	n, err := base64.StdEncoding.Strict().Decode(s.cipher, s.cipher) // never writes ahead of what it reads
	if err != nil {
		return nil, nil, ErrCiphertext
	}
	s.plain = slices.Grow(s.plain[:0], n)[:n]
	why := openTruncated
	for i, key := range c.keys {
		message, fault := key.open(s.plain, s.cipher[:n], c.appID)
		if fault == openFine {
			return message, key, nil
		}
		if i == 0 {
			why = fault
		}
	}
	switch why {
	case openPadding:
		return nil, nil, ErrPadding
	case openAppID:
		return nil, nil, ErrAppID
	}
	return nil, nil, ErrCiphertext
}

// Echo verifies the GET with which the console proves the address, and returns
// what to answer. WeChat signs it as in plain mode, whatever the mode is; a call
// that brings msg_signature is held to that one, and its echostr decrypted.
func (c *Codec) Echo(q Query) (string, error) {
	if q.Echo == "" || len(q.Echo) > maxEcho {
		return "", ErrQuery
	}
	if err := c.fresh(q); err != nil {
		return "", err
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if q.MsgSignature == "" || c.mode == Plain {
		if !c.signed(s, q.Signature, q, nil) {
			return "", ErrSignature
		}
		return q.Echo, nil
	}
	s.cipher = append(s.cipher[:0], q.Echo...)
	signed := c.signed(s, q.MsgSignature, q, s.cipher)
	message, _, broken := c.decrypt(s)
	if !signed {
		return "", ErrSignature
	}
	if broken != nil {
		return "", broken
	}
	return string(message), nil
}

// fresh checks the shape and the age of the query.
func (c *Codec) fresh(q Query) error {
	if q.Nonce == "" || len(q.Nonce) > maxNonce || q.Timestamp == "" || len(q.Timestamp) > 11 {
		return ErrQuery
	}
	seconds, err := strconv.ParseUint(q.Timestamp, 10, 63)
	if err != nil {
		return ErrQuery
	}
	if age := c.now().Sub(time.Unix(int64(seconds), 0)); age > c.window || age < -c.window {
		return ErrStale
	}
	return nil
}

// signed checks one of the two signatures; encrypted is nil for the plain one.
func (c *Codec) signed(s *scratch, signature string, q Query, encrypted []byte) bool {
	s.query = append(append(s.query[:0], q.Timestamp...), q.Nonce...)
	timestamp, nonce := s.query[:len(q.Timestamp)], s.query[len(q.Timestamp):]
	if encrypted == nil {
		return s.matches(signature, c.token, timestamp, nonce)
	}
	return s.matches(signature, c.token, timestamp, nonce, encrypted)
}
