// Package secret protects secrets: [Text] is a string that does not print, and [Box]
// seals it at rest.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a string that prints as "[redacted]" through every fmt verb, in JSON
// and in slog. The zero Text is empty. Texts are compared with [Text.Equal],
// not with ==.
type Text struct {
	// It is a pointer, because fmt does not call Format on an unexported field, nor for
	// an invalid verb: it would print a string held here. Of a pointer it prints the
	// address.
	s *string
}

// NewText keeps s as a secret.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{&s}
}

// Reveal returns the secret itself. No other function does, so every reader can be found
// by its name.
func (t Text) Reveal() string {
	if t.s == nil {
		return ""
	}
	return *t.s
}

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.s == nil }

// Equal reports whether s is the secret, in a time that does not depend on
// where they differ.
func (t Text) Equal(s string) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(s)) == 1
}

// Format implements [fmt.Formatter], so that no verb (%s, %v, %x, %#v …) shows
// the secret.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements [fmt.Stringer].
func (t Text) String() string { return redacted }

// MarshalText implements [encoding.TextMarshaler] for JSON and for slog.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }
