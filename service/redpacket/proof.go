package redpacket

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"kaimenhong/model"
)

// Split is how a target is divided into shares.
type Split string

// The splits.
const (
	DoubleMean Split = "double_mean" // 二倍均值法: each share drawn from 1 to twice the mean of what is left
	Equal      Split = "equal"       // as even as whole fen allow, the larger shares first
)

// seedSize is the length of a pot's secret, in bytes.
const seedSize = 32

// The words that keep one use of SHA-256 and HMAC apart from every other.
const (
	commitDomain = "kaimenhong/redpacket/commitment/v1"
	sharesDomain = "kaimenhong/redpacket/shares/v1"
)

// splitByte is the split within a commitment.
var splitByte = map[Split]byte{DoubleMean: 1, Equal: 2}

// stream draws numbers from a seed: block i is HMAC-SHA-256(seed, domain ‖ 0 ‖ i)
// with i as 8 bytes, big-endian, from 0; a block is four 8-byte big-endian words.
type stream struct {
	mac   hash.Hash
	next  uint64
	words []byte
}

func newStream(seed []byte) *stream { return &stream{mac: hmac.New(sha256.New, seed)} }

func (s *stream) word() uint64 {
	if len(s.words) == 0 {
		s.mac.Reset()
		s.mac.Write(binary.BigEndian.AppendUint64(append([]byte(sharesDomain), 0), s.next))
		s.words = s.mac.Sum(nil)
		s.next++
	}
	w := binary.BigEndian.Uint64(s.words)
	s.words = s.words[8:]
	return w
}

// below draws from 0 to m-1, each as likely: words from the last, incomplete run
// of m are drawn again. The loop ends, for at least half of all words are taken.
func (s *stream) below(m uint64) uint64 {
	rest := (math.MaxUint64%m + 1) % m // 2⁶⁴ mod m
	for {
		if w := s.word(); w <= math.MaxUint64-rest {
			return w % m
		}
	}
}

// sharesOf divides the target into n shares; share k stands at k-1. They depend on
// the arguments alone. The caller has made sure that 1 ≤ n ≤ target.
func sharesOf(seed []byte, n int, target model.Fen, split Split) []model.Fen {
	shares := make([]model.Fen, n)
	if split == Equal {
		for i := range shares {
			shares[i] = target / model.Fen(n)
			if model.Fen(i) < target%model.Fen(n) {
				shares[i]++
			}
		}
		return shares
	}
	draw, left := newStream(seed), target
	for i := range n - 1 {
		mean := left / model.Fen(n-i)
		shares[i] = 1 + model.Fen(draw.below(uint64(2*mean-1)))
		left -= shares[i]
	}
	shares[n-1] = left
	return shares
}

// commitmentOf binds a pot to its seed: SHA-256 over the domain word, 0, the pot's
// id (8 bytes), n (4), the target in fen (8), the split (1), all big-endian, and
// the seed (32).
func commitmentOf(pot PotID, n int, target model.Fen, split Split, seed []byte) string {
	b := append([]byte(commitDomain), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(pot))
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint64(b, uint64(target))
	b = append(b, splitByte[split])
	sum := sha256.Sum256(append(b, seed...))
	return hex.EncodeToString(sum[:])
}

// Proof is what anyone needs to check a pot. Commitment and Amounts stand from the
// start; Seed and Shares are there once the pot is filled or closed.
type Proof struct {
	Version    int         `json:"version"` // 1
	Pot        PotID       `json:"pot"`
	Helps      int         `json:"helps"`
	Target     model.Fen   `json:"target"`
	Split      Split       `json:"split"`
	Commitment string      `json:"commitment"`       // hex
	Amounts    []model.Fen `json:"amounts"`          // sorted, the smallest first
	Seed       string      `json:"seed,omitempty"`   // hex
	Shares     []model.Fen `json:"shares,omitempty"` // share of help 1, 2 …
}

// proofVersion is the layout that docs/proof.md states.
const proofVersion = 1

// Why a proof does not hold.
var (
	ErrProofForm       = errors.New("the proof cannot be read")
	ErrProofSealed     = errors.New("the pot has not ended: its seed is not revealed yet")
	ErrProofCommitment = errors.New("the seed does not belong to the commitment")
	ErrProofShares     = errors.New("the shares do not follow from the seed")
)

// Verify checks a revealed proof by itself, without any store: the seed belongs to
// the commitment, the shares follow from the seed, they are each at least 1 fen and
// sum to the target, and the list shown from the start is theirs.
func Verify(p Proof) error {
	if err := p.sound(); err != nil {
		return err
	}
	if p.Seed == "" {
		return ErrProofSealed
	}
	seed, err := hex.DecodeString(p.Seed)
	if err != nil || len(seed) != seedSize || hex.EncodeToString(seed) != p.Seed {
		return fmt.Errorf("%w: the seed is not 64 hexadecimal digits in lower case", ErrProofForm)
	}
	if commitmentOf(p.Pot, p.Helps, p.Target, p.Split, seed) != p.Commitment {
		return ErrProofCommitment
	}
	want := sharesOf(seed, p.Helps, p.Target, p.Split)
	if !equal(p.Shares, want) || !equal(p.Amounts, sorted(want)) {
		return ErrProofShares
	}
	return nil
}

// sound checks what the arithmetic relies on.
func (p Proof) sound() error {
	switch {
	case p.Version != proofVersion:
		return fmt.Errorf("%w: version %d is not known", ErrProofForm, p.Version)
	case p.Pot <= 0, p.Helps < 1, p.Helps > MaxHelps, p.Target < model.Fen(p.Helps), p.Target > MaxTarget:
		return fmt.Errorf("%w: pot, helps or target is out of range", ErrProofForm)
	case splitByte[p.Split] == 0:
		return fmt.Errorf("%w: split %q is not known", ErrProofForm, p.Split)
	}
	return nil
}

// maxProof bounds a proof's JSON: MaxHelps amounts twice, with room to spare.
const maxProof = 1 << 20

// ReadProof reads a proof's JSON; unknown fields and anything after it are errors.
func ReadProof(b []byte) (Proof, error) {
	var p Proof
	if len(b) > maxProof {
		return p, fmt.Errorf("%w: longer than %d bytes", ErrProofForm, maxProof)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%w: %w", ErrProofForm, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, fmt.Errorf("%w: something stands after it", ErrProofForm)
	}
	return p, nil
}
