// Package untrusted holds what somebody outside wrote: names, commit messages,
// logs, errors of other systems. Such text leaves the house only through one
// cleaner ([Clean], [CleanLines], and [Text], which prints no other way), with
// the secrets that we know of replaced ([Scrubber]), and reaches a model only
// between markers that say what it is ([Block]).
package untrusted

import (
	"fmt"
	"log/slog"
)

// Text is a string that someone outside wrote. It prints, marshals and logs
// only cleaned: one line, at most [MaxText] runes. See [Clean]. The zero Text
// is empty.
type Text struct{ s string }

// New keeps s as it is.
func New(s string) Text { return Text{s} }

// Raw returns what was written, uncleaned. It is for comparing inside the
// house, never for showing; every reader can be found by name.
func (t Text) Raw() string { return t.s }

// IsZero reports whether nothing was written.
func (t Text) IsZero() bool { return t.s == "" }

// String implements [fmt.Stringer].
func (t Text) String() string { return Clean(t.s) }

// Format implements [fmt.Formatter]: every verb (%s, %q, %x, %#v …) sees the
// cleaned string.
func (t Text) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), t.String())
}

// MarshalText implements [encoding.TextMarshaler], for JSON too.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue implements [slog.LogValuer].
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
