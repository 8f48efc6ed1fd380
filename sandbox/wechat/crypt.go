package wechat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What can be wrong with an encrypted body. The sandbox tells them apart, for
// its inspector shows them to a developer.
var (
	ErrKey        = errors.New("EncodingAESKey is not 43 characters of base64")
	ErrCiphertext = errors.New("ciphertext is not base64 of whole blocks")
	ErrPadding    = errors.New("padding is wrong")
	ErrLength     = errors.New("length of the message is wrong")
	ErrAppID      = errors.New("the message is for another appid")
)

// The layout of a plaintext: 16 random bytes, 4 bytes length, message, appid.
const (
	randomBytes = 16
	lengthBytes = 4
	padBlock    = 32 // WeChat pads to 32 bytes, though AES has blocks of 16
)

// Signature is the hex SHA-1 of the sorted, joined parts: (token, timestamp,
// nonce) for signature, and with Encrypt as a fourth for msg_signature.
func Signature(parts ...string) string {
	sorted := slices.Sorted(slices.Values(parts))
	sum := sha1.Sum([]byte(strings.Join(sorted, "")))
	return hex.EncodeToString(sum[:])
}

// sameSignature compares without telling how much was right.
func sameSignature(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// Cipher encrypts and decrypts for one key and one appid.
type Cipher struct {
	block cipher.Block
	iv    []byte
	appID string
}

// NewCipher reads a 43-character EncodingAESKey.
func NewCipher(encodingAESKey, appID string) (*Cipher, error) {
	// The last character carries two bits too many; WeChat's own keys set them.
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if len(encodingAESKey) != 43 || err != nil {
		return nil, ErrKey
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &Cipher{block: block, iv: key[:aes.BlockSize], appID: appID}, nil
}

// Encrypt returns the base64 ciphertext of the message; random is 16 bytes.
func (c *Cipher) Encrypt(random, message []byte) string {
	return c.seal(pad(c.layout(random, message, c.appID)))
}

func (c *Cipher) layout(random, message []byte, appID string) []byte {
	plain := make([]byte, 0, randomBytes+lengthBytes+len(message)+len(appID)+padBlock)
	plain = append(plain, random[:randomBytes]...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(plain, message...)
	return append(plain, appID...)
}

func pad(plain []byte) []byte {
	n := padBlock - len(plain)%padBlock
	for range n {
		plain = append(plain, byte(n))
	}
	return plain
}

// seal encrypts whole blocks in place.
func (c *Cipher) seal(padded []byte) string {
	cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(padded, padded)
	return base64.StdEncoding.EncodeToString(padded)
}

// Decrypt returns the message within a base64 ciphertext; every byte of the
// padding, the length and the appid are checked.
func (c *Cipher) Decrypt(ciphertext string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil || len(raw) == 0 || len(raw)%aes.BlockSize != 0 {
		return nil, ErrCiphertext
	}
	cipher.NewCBCDecrypter(c.block, c.iv).CryptBlocks(raw, raw)
	n := int(raw[len(raw)-1])
	if n < 1 || n > padBlock || n > len(raw) {
		return nil, ErrPadding
	}
	for _, b := range raw[len(raw)-n:] {
		if int(b) != n {
			return nil, ErrPadding
		}
	}
	raw = raw[:len(raw)-n]
	if len(raw) < randomBytes+lengthBytes {
		return nil, ErrLength
	}
	length := int64(binary.BigEndian.Uint32(raw[randomBytes:]))
	rest := raw[randomBytes+lengthBytes:]
	if length > int64(len(rest)) {
		return nil, ErrLength
	}
	if string(rest[length:]) != c.appID {
		return nil, ErrAppID
	}
	return rest[:length], nil
}
