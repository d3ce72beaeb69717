package tenancy

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// A Key is what the store holds of a bearer key: everything but the key itself.
type Key struct {
	ID          string // opaque; a UUID
	WorkspaceID string
	Name        string // for people
	Prefix      string // the key's first characters, for people
	Last4       string // its last four, for people
	Rights      Rights
	CreatedBy   string     // user id or "operator"
	Request     string     // number of the form that asked for it; empty = none. Not read back
	ParentID    string     // key that minted this one; empty = none. Revoked with it
	ExpiresAt   *time.Time // nil = never
	LastUsedAt  *time.Time // exact to a minute; nil = never used
	RevokedAt   *time.Time // nil = in force
	CreatedAt   time.Time
}

// KeyPrefix begins every key.
const KeyPrefix = "vibn_sk_"

const (
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	keyRandom  = 43 // base62 characters that hold 256 bits
	keySum     = 6  // base62 characters that hold a CRC-32
	keyLength  = len(KeyPrefix) + keyRandom + keySum
	shownStart = len(KeyPrefix) + 4
)

// A Digest is the SHA-256 of a key. The store keeps no more of the key than this.
type Digest [sha256.Size]byte

var errNotAKey = errors.New("not a vibn key")

// NewKey makes a key of 256 random bits and fills in the parts of k that come from it
// (Prefix, Last4). The key is stored nowhere: show it once.
func NewKey(k *Key) (secret.Text, Digest) {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails; see crypto/rand
	body := KeyPrefix + encode62(new(big.Int).SetBytes(bits[:]), keyRandom)
	key := body + checksum(body)
	k.Prefix, k.Last4 = key[:shownStart], key[len(key)-4:]
	return secret.NewText(key), sha256.Sum256([]byte(key))
}

// ParseKey returns the digest of a well-formed key. It refuses all other strings by
// length, alphabet and checksum, so that malformed and mistyped keys never reach the
// store.
func ParseKey(s string) (Digest, error) {
	if len(s) != keyLength || !strings.HasPrefix(s, KeyPrefix) {
		return Digest{}, errNotAKey
	}
	if strings.Trim(s[len(KeyPrefix):], base62) != "" {
		return Digest{}, errNotAKey
	}
	if body := s[:keyLength-keySum]; checksum(body) != s[keyLength-keySum:] {
		return Digest{}, errNotAKey
	}
	return sha256.Sum256([]byte(s)), nil
}

func checksum(body string) string {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(body)))
	return encode62(new(big.Int).SetBytes(sum[:]), keySum)
}

// encode62 writes n with exactly width digits, padded with zeros.
func encode62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(int64(len(base62))), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}
