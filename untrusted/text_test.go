package untrusted

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const hostile = "we\x1b[31mb\x1b[0m\u202e\r\nnext\u200b"

func TestTextShowsOnlyCleaned(t *testing.T) {
	const clean = "web next"
	text := New(hostile)
	for _, tc := range []struct{ format, want string }{
		{"%s", clean},
		{"%v", clean},
		{"%+v", clean},
		{"%q", `"web next"`},
		{"%#v", `"web next"`},
		{"%x", "776562206e657874"},
		{"%10.3s", "       web"},
		{"%d", "%!d(string=web next)"},
	} {
		if got := fmt.Sprintf(tc.format, text); got != tc.want {
			t.Errorf("Sprintf(%q) = %q, want %q", tc.format, got, tc.want)
		}
	}
	if got, want := fmt.Sprintf("%v %+v", []Text{text}, struct{ Name Text }{text}), "[web next] {Name:web next}"; got != want {
		t.Errorf("Sprintf of holders = %q, want %q", got, want)
	}
	if text.String() != clean || text.Raw() != hostile {
		t.Errorf("String() = %q, Raw() = %q, want %q, %q", text.String(), text.Raw(), clean, hostile)
	}
}

func TestTextInJSONAndLog(t *testing.T) {
	got, err := json.Marshal(map[string]any{"name": New(hostile), "names": []Text{New(hostile)}})
	if want := `{"name":"web next","names":["web next"]}`; err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("call", "app", New(hostile))
		if got := b.String(); !strings.Contains(got, `"web next"`) || strings.ContainsAny(got, "\x1b\u202e\u200b") {
			t.Errorf("%s log = %q, want it to hold only the cleaned text", name, got)
		}
	}
}

func TestTextIsZero(t *testing.T) {
	for text, want := range map[Text]bool{{}: true, New(""): true, New("a"): false, New("\x00"): false} {
		if got := text.IsZero(); got != want {
			t.Errorf("New(%q).IsZero() = %v, want %v", text.Raw(), got, want)
		}
	}
}
