package wechat_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"kaimenhong/sandbox/wechat"
)

type vector struct {
	ID, Kind, Token, EncodingAESKey, AppID, Timestamp, Nonce string
	Signature, Random, Ciphertext, Plaintext                 string
	MsgSignature                                             string `json:"msg_signature"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSignaturesAndCiphertextsAreThoseOfTheDocuments(t *testing.T) {
	signatures, ciphertexts := 0, 0
	for _, v := range vectors(t) {
		if v.Signature != "" && v.Token != "" {
			signatures++
			if got := wechat.Signature(v.Token, v.Timestamp, v.Nonce); got != v.Signature {
				t.Errorf("%s: signature %s, want %s", v.ID, got, v.Signature)
			}
		}
		if v.Ciphertext == "" {
			continue
		}
		ciphertexts++
		if got := wechat.Signature(v.Token, v.Timestamp, v.Nonce, v.Ciphertext); got != v.MsgSignature {
			t.Errorf("%s: msg_signature %s, want %s", v.ID, got, v.MsgSignature)
		}
		c, err := wechat.NewCipher(v.EncodingAESKey, v.AppID)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := c.Decrypt(v.Ciphertext)
		if err != nil || string(plain) != v.Plaintext {
			t.Errorf("%s: decrypted %q, %v, want %q", v.ID, plain, err, v.Plaintext)
		}
		if v.Random != "" {
			if got := c.Encrypt([]byte(v.Random), []byte(v.Plaintext)); got != v.Ciphertext {
				t.Errorf("%s: encrypted %s, want %s", v.ID, got, v.Ciphertext)
			}
		}
	}
	if signatures < 4 || ciphertexts < 4 {
		t.Fatalf("%d signatures and %d ciphertexts were read, want at least 4 each", signatures, ciphertexts)
	}
}

const (
	aesKey = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	appID  = "wx5823bf96d3bd56c7"
)

func newCipher(t testing.TB, id string) *wechat.Cipher {
	t.Helper()
	c, err := wechat.NewCipher(aesKey, id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecryptRefusesWhatIsWrong(t *testing.T) {
	random := []byte("0123456789abcdef")
	good := newCipher(t, appID).Encrypt(random, []byte("message"))
	raw, err := base64.StdEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-17] ^= 1 // changes the last byte of the padding
	for _, tt := range []struct {
		name, ciphertext string
		want             error
	}{
		{"empty", "", wechat.ErrCiphertext},
		{"no base64", "***", wechat.ErrCiphertext},
		{"half a block", base64.StdEncoding.EncodeToString(raw[:8]), wechat.ErrCiphertext},
		{"a flipped bit", base64.StdEncoding.EncodeToString(flipped), wechat.ErrPadding},
		{"the appid of another", newCipher(t, "wx0000000000000000").Encrypt(random, []byte("message")), wechat.ErrAppID},
		{"no message", newCipher(t, appID).Encrypt(random, nil), nil},
	} {
		if _, err := newCipher(t, appID).Decrypt(tt.ciphertext); !errors.Is(err, tt.want) {
			t.Errorf("%s: Decrypt = %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, key := range []string{"", aesKey[:42], aesKey + "A", aesKey[:42] + "*"} {
		if _, err := wechat.NewCipher(key, appID); !errors.Is(err, wechat.ErrKey) {
			t.Errorf("NewCipher(%q) = %v, want ErrKey", key, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	for _, v := range vectors(f) {
		if v.AppID == appID {
			f.Add(v.Ciphertext)
		}
	}
	c := newCipher(f, appID)
	f.Add(c.Encrypt([]byte("0123456789abcdef"), []byte("<xml></xml>")))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, ciphertext string) {
		plain, err := c.Decrypt(ciphertext)
		if err == nil && len(plain) > len(ciphertext) {
			t.Errorf("%d bytes came out of %d", len(plain), len(ciphertext))
		}
	})
}
