package coolifytest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest/composeenv"
)

// known finds every name but those with a U; some are empty.
func known(name string) (string, bool) {
	switch {
	case strings.ContainsAny(name, "Uu"):
		return "", false
	case strings.HasSuffix(name, "E"):
		return "", true
	}
	return "<" + name + ">", true
}

// likeCompose compares the reader with docker compose's own.
func likeCompose(t *testing.T, file string) {
	t.Helper()
	got, err := composeenv.Read(file, known)
	if errors.Is(err, composeenv.ErrDoubleQuotes) {
		return
	}
	want, wantErr := dotenv.UnmarshalWithLookup(file, known)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: %v, docker compose says %v", file, err, wantErr)
	}
	if err == nil {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q (-docker compose +here)\n%s", file, diff)
		}
		return
	}
	if strings.HasPrefix(wantErr.Error(), "line ") && err.Error() != wantErr.Error() {
		t.Fatalf("%q: %q, docker compose says %q", file, err, wantErr)
	}
}

// nasty are the pieces of values that mean something to Coolify, a shell or docker compose.
var nasty = []string{
	"'", `"`, `\`, "$", "{", "}", "#", " ", "\n", "\t", "\r", "a", "B", "$A", "${A}", "${A:-x}", "$$", "=", ":", "[", "]",
	`{"a":"b"}`, "1", "-", "?", "+", "\u00a0", "\u00e9", "U", "E",
}

func nastyText(r *rand.Rand, pieces []string, n int) string {
	var out strings.Builder
	for range n {
		out.WriteString(pieces[r.IntN(len(pieces))])
	}
	return out.String()
}

// TestContainerEnv holds what becomes of a value, as seen on a real Coolify.
func TestContainerEnv(t *testing.T) {
	const json = `{"a": "b\"c", "d": [1]}`
	literal, plain := Env{Literal: true}, Env{}
	for _, tc := range []struct {
		row         Env
		value, want string
		fails       string // what the deployment says
	}{
		{row: plain, value: "it's", want: `it\'s`},
		{row: plain, value: `"x"`, want: `\"x\"`},
		{row: plain, value: `C:\n`, want: `C:\\n`},
		{row: plain, value: "a #b", want: "a"},
		{row: plain, value: "$OTHER ${OTHER}-$$ $NONE.", want: "of other of other-$ ."},
		{row: plain, value: "$PATH", want: "/usr/local/bin:/usr/bin:/bin"},
		{row: plain, value: "a\nb=c", want: "a"},
		{row: plain, value: "a\nb c!", fails: `line 6: unexpected character "!" in variable name "b c!"`},
		{row: plain, value: "${", fails: "Invalid template"},
		{row: plain, value: "a\n=b", fails: "Error response from daemon: invalid environment variable: =b"},
		{row: plain, value: json, want: json},
		{row: literal, value: `$A "b" \c #d`, want: `$A "b" \c #d`},
		{row: literal, value: "a\nb\n\u00e9", want: "a\nb\n\u00e9"},
		{row: Env{Multiline: true}, value: "a\nb $A", want: "a\nb $A"},
		{row: literal, value: "it's", fails: `line 5: unexpected character "'" in variable name "s'"`},
		{row: literal, value: `it\'s`, want: "it's"},
		{row: literal, value: `a\`, fails: "unexpected character"},
		{row: literal, value: `a\\'b`, fails: "unexpected character"},
		{row: literal, value: `{"a":"$OTHER"}`, want: `{"a":"of other"}`},
		{row: literal, value: `{"a":"b #c"}`, want: `{"a":"b`},
		{row: literal, value: "[1,\n2]", want: "[1,"},
		{row: literal, value: "{\n\"a\":1}", fails: "unexpected character"},
		{row: literal, value: json, want: json},
		{row: literal, value: `["it\'s #1 $OTHER"]`, want: `["it's #1 $OTHER"]`},
		{row: literal},
		{row: plain},
	} {
		s := newSim(t, Config{})
		s.AddEnv(s.web.UUID, Env{Key: "OTHER", Value: "of other", Runtime: true})
		row := tc.row
		row.Key, row.Value, row.Runtime = "KEY", tc.value, true
		s.AddEnv(s.web.UUID, row)
		s.AddEnv(s.web.UUID, Env{Key: "LAST", Value: "last", Literal: true, Runtime: true})
		got, err := s.ContainerEnv(s.web.UUID, false)
		d := s.deploy(s.web)
		if tc.fails != "" {
			text := saidAtTheEnd(d)
			said := "\nError: failed to read /artifacts/" + d.UUID + "/.env: "
			if strings.HasPrefix(tc.fails, "Error response") {
				said = "\nError: "
			}
			if err == nil || d.Status != Failed || !strings.Contains(text, said) || !strings.Contains(text, tc.fails) {
				t.Errorf("%+v: %q, %v; %s %q, want it failed with %q", tc.row, got["KEY"], err, d.Status, text, tc.fails)
			}
			continue
		}
		value, there := got["KEY"]
		if err != nil || d.Status != Finished || value != tc.want || !there || got["LAST"] != "last" {
			t.Errorf("%+v %q: %q, %v, %s; want %q", tc.row, tc.value, got, err, d.Status, tc.want)
		}
	}
}

// TestContainerEnvOfPreviews: they have rows of their own, and build-time ones are in no
// container.
func TestContainerEnvOfPreviews(t *testing.T) {
	s := newSim(t, Config{})
	s.SetProjectVariable(s.alpha.UUID, "NAME", "alpha")
	s.do("POST", s.envs(), `{"key":"A","value":"{{project.NAME}}","is_literal":true}`).ok(201)
	s.do("PATCH", s.envs(), `{"key":"A","value":"p","is_literal":true,"is_preview":true}`).ok(201)
	s.AddEnv(s.web.UUID, Env{Key: "B", Value: "b", BuildTime: true})
	for preview, want := range map[bool]string{false: "alpha", true: "p"} {
		env, err := s.ContainerEnv(s.web.UUID, preview)
		if _, there := env["B"]; err != nil || env["A"] != want || there {
			t.Errorf("previews %v: %v, %v, want A %q and no B", preview, env, err, want)
		}
	}
}

// TestReadsAsComposeDoes holds the reader against docker compose's own, with files that
// Coolify would write and with files that nobody would.
func TestReadsAsComposeDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		likeCompose(t, nastyText(r, nasty, r.IntN(14)))
		var rows []Env
		for _, key := range []string{"A", "B", "C"} {
			rows = append(rows, Env{
				Key: key, Value: nastyText(r, nasty, r.IntN(8)), Literal: r.IntN(2) == 0, Multiline: r.IntN(4) == 0, Runtime: true,
			})
		}
		likeCompose(t, dotEnv(App{}, rows))
	}
}

func FuzzReadsAsComposeDoes(f *testing.F) {
	for _, file := range []string{
		"A='it\\'s'", "A=${B:-${U-x}} c\nB", "export A=b # c", "A: b", "A='x", "A = ${", "=", "A=$$A $E ${U?no}",
	} {
		f.Add(file)
	}
	f.Fuzz(likeCompose)
}
