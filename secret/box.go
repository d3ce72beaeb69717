package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MinKey is the least number of characters in a key of a [Box]. The key is
// stretched by HKDF, not by a password hash: it should be random.
const MinKey = 16

// ErrSealed says that a value does not open: no [Box] sealed it, it was changed, it was
// sealed for another [Place], or its key is not configured.
var ErrSealed = errors.New("sealed value does not open")

// A Place is where a sealed value is stored. A value opens only at the place for which it
// was sealed, so a ciphertext copied to another row is worthless.
type Place struct{ Table, Column, Row string }

// A Box seals secrets with AES-256-GCM under a key derived from a text. It opens what it
// sealed with its current key and with its old ones. It is safe for concurrent use.
//
// A sealed value is "v1.KEYID.DATA": DATA is base64url of nonce, ciphertext and tag. HKDF
// derives KEYID from the key separately from the encryption key, so KEYID reveals
// neither. Nonces are random, which is safe for some four billion values under one key.
type Box struct {
	current string                 // id of the key that seals
	keys    map[string]cipher.AEAD // by id
}

// NewBox returns a Box that seals with key, and opens what key or one of the old
// keys sealed. Each has at least [MinKey] characters.
func NewBox(key Text, old ...Text) (*Box, error) {
	b := &Box{keys: make(map[string]cipher.AEAD, 1+len(old))}
	for i, k := range old {
		if _, err := b.add(k); err != nil {
			return nil, fmt.Errorf("old key %d: %w", i+1, err)
		}
	}
	id, err := b.add(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	b.current = id
	return b, nil
}

func (b *Box) add(key Text) (id string, err error) {
	if n := utf8.RuneCountInString(key.Reveal()); n < MinKey {
		return "", fmt.Errorf("has %d characters, needs at least %d", n, MinKey)
	}
	name, err := derive(key, "vibn-mcp box v1: key id", 6)
	if err != nil {
		return "", err
	}
	raw, err := derive(key, "vibn-mcp box v1: key", 32)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return "", err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return "", err
	}
	id = hex.EncodeToString(name)
	b.keys[id] = aead
	return id, nil
}

func derive(key Text, use string, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(key.Reveal()), nil, use, n)
}

const version = "v1"

// Seal encrypts plain for one place. The result is ASCII.
func (b *Box) Seal(plain Text, at Place) (string, error) {
	aead, ok := b.keys[b.current]
	if !ok {
		return "", errors.New("seal: a Box is made by NewBox")
	}
	raw := aead.Seal(nil, nil, []byte(plain.Reveal()), at.bind(b.current)) //nolint:gosec // no nonce is given: the cipher makes it
	return header(b.current) + encoding.EncodeToString(raw), nil
}

// Open decrypts what [Box.Seal] returned for the same place. Anything else is
// [ErrSealed].
func (b *Box) Open(sealed string, at Place) (Text, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != version {
		return Text{}, ErrSealed
	}
	aead, ok := b.keys[parts[1]]
	if !ok {
		return Text{}, ErrSealed
	}
	raw, err := encoding.DecodeString(parts[2])
	// The decoder skips line breaks: only the spelling that Seal wrote opens.
	if err != nil || encoding.EncodeToString(raw) != parts[2] {
		return Text{}, ErrSealed
	}
	plain, err := aead.Open(nil, nil, raw, at.bind(parts[1]))
	if err != nil {
		return Text{}, ErrSealed
	}
	return NewText(string(plain)), nil
}

// NeedsReseal reports whether sealed was sealed by another key than the current
// one, or not by a Box at all.
func (b *Box) NeedsReseal(sealed string) bool {
	return !strings.HasPrefix(sealed, header(b.current))
}

var encoding = base64.RawURLEncoding

func header(keyID string) string { return version + "." + keyID + "." }

// bind returns the associated data: the header and the place, each part preceded by its
// length, so that no two places give the same bytes.
func (p Place) bind(keyID string) []byte {
	var out []byte
	for _, part := range []string{header(keyID), p.Table, p.Column, p.Row} {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
