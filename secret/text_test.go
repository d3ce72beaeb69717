package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
)

const hidden = "hunter2-hunter2"

// leaks reports whether out holds the secret as text, hex, a byte list or with
// its letters escaped.
func leaks(out string) bool {
	for _, form := range []string{
		hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), fmt.Sprintf("% x", hidden),
		strings.Trim(fmt.Sprintf("%d", []byte(hidden)), "[]"), "hunter2",
	} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

func TestLeaks(t *testing.T) {
	for _, out := range []string{"<" + hidden + ">", fmt.Sprintf("%x", hidden), fmt.Sprintf("%d", []byte(hidden))} {
		if !leaks(out) {
			t.Errorf("leaks(%q) = false: the check below would pass whatever is printed", out)
		}
	}
}

type holder struct {
	Name   string
	Token  secret.Text
	hidden secret.Text // fmt cannot call methods on an unexported field
	inner  struct{ deep *secret.Text }
}

func TestTextDoesNotPrint(t *testing.T) {
	text := secret.NewText(hidden)
	h := holder{Name: "web", Token: text, hidden: text}
	h.inner.deep = &text
	for name, v := range map[string]any{
		"text": text, "pointer": &text, "struct": h, "pointer to struct": &h,
		"slice": []secret.Text{text}, "map value": map[string]secret.Text{"a": text},
		"map key": map[secret.Text]string{text: "a"}, "any": []any{text, h},
		"error": fmt.Errorf("token %v: %w", text, errors.ErrUnsupported),
	} {
		for _, verb := range []string{
			"%s", "%v", "%+v", "%#v", "%x", "%X", "% x", "%q", "%#q", "%d", "%t", "%c", "%U", "%e", "%p", "%w", "%T",
			"%20s", "%.3s", "%z", "%!", "%[2]v", "no verb at all",
		} {
			if out := fmt.Sprintf(verb, v); leaks(out) {
				t.Errorf("Sprintf(%q, %s) = %q, shows the secret", verb, name, out)
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v); leaks(out) {
			t.Errorf("Sprint(%s) = %q, shows the secret", name, out)
		}
	}
	if got := fmt.Sprintf("%s %v %#v %x", text, &text, text, text); got != "[redacted] [redacted] [redacted] [redacted]" {
		t.Errorf("Sprintf = %q, want [redacted] four times", got)
	}
}

func TestTextDoesNotMarshal(t *testing.T) {
	text := secret.NewText(hidden)
	for _, tc := range []struct {
		name string
		in   any
		want string
	}{
		{"alone", text, `"[redacted]"`},
		{"pointer", &text, `"[redacted]"`},
		{"struct", holder{Name: "web", Token: text, hidden: text}, `{"Name":"web","Token":"[redacted]"}`},
		{"map value", map[string]secret.Text{"a": text}, `{"a":"[redacted]"}`},
		{"map key", map[secret.Text]int{text: 1}, `{"[redacted]":1}`},
		{"slice", []secret.Text{text}, `["[redacted]"]`},
	} {
		got, err := json.Marshal(tc.in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: Marshal = %s, %v, want %s", tc.name, got, err, tc.want)
		}
	}
}

func TestTextDoesNotLog(t *testing.T) {
	text := secret.NewText(hidden)
	h := holder{Name: "web", Token: text, hidden: text}
	var out bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(&out, nil), "json": slog.NewJSONHandler(&out, nil),
	} {
		out.Reset()
		log := slog.New(handler).With("with", text)
		log.Info("call", "text", text, "pointer", &text, "struct", h, "pointer to struct", &h,
			"map", map[string]secret.Text{"a": text}, slog.Group("group", "text", text))
		if leaks(out.String()) || !strings.Contains(out.String(), "[redacted]") {
			t.Errorf("%s handler wrote %s, want the secret redacted", name, &out)
		}
	}
}

func TestText(t *testing.T) {
	text := secret.NewText(hidden)
	if got := text.Reveal(); got != hidden {
		t.Errorf("Reveal() = %q, want %q", got, hidden)
	}
	for s, want := range map[string]bool{hidden: true, hidden + "x": false, "": false, "hunter2-hunter3": false} {
		if got := text.Equal(s); got != want {
			t.Errorf("Equal(%q) = %v, want %v", s, got, want)
		}
	}
	for _, zero := range []secret.Text{{}, secret.NewText("")} {
		if !zero.IsZero() || zero.Reveal() != "" || !zero.Equal("") || zero.Equal("x") {
			t.Errorf("a zero Text: IsZero() = %v, Reveal() = %q, want true and nothing", zero.IsZero(), zero.Reveal())
		}
	}
	if text.IsZero() {
		t.Error("IsZero() = true for a Text that holds a secret")
	}
}
