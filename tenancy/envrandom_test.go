package tenancy_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// nasty are the characters that mean something to Coolify, a shell or docker compose.
var nasty = []string{
	"'", `"`, `\`, "$", "{", "}", "[", "]", "#", " ", "\n", "\t", "\r", "a", "B", ":", ",", "=", "1",
	`"a":`, `{"a":"`, `"}`,
}

func nastyText(r *rand.Rand) string {
	var out strings.Builder
	for range r.IntN(12) {
		out.WriteString(nasty[r.IntN(len(nasty))])
	}
	return out.String()
}

// anyText also has letters of any script, and what looks like white space.
func anyText(r *rand.Rand) string {
	letters := []rune("\u00e9\u0416\u0634\u05d0\u0939\u0e01\u4e2d\u30a2\ud55c\U0001f680\u2764\ufe0f\u200d\u00a0\u2028\u0085\u3000\u212a\u017f%!`~")
	text := []rune(nastyText(r))
	for range r.IntN(6) {
		text = slices.Insert(text, r.IntN(len(text)+1), letters[r.IntN(len(letters))])
	}
	return string(text)
}

// anyJSON is JSON of every kind, in one line or in several.
func anyJSON(r *rand.Rand, depth int) any {
	switch r.IntN(7) {
	case 0:
		return []any{nil, true, false}[r.IntN(3)]
	case 1:
		return json.Number([]string{"0", "-0", "1.50", "1e400", "12345678901234567890"}[r.IntN(5)])
	case 2, 3:
		list := make([]any, r.IntN(4))
		for i := range list {
			if depth > 0 {
				list[i] = anyJSON(r, depth-1)
			}
		}
		return list
	case 4, 5:
		object := map[string]any{}
		for range r.IntN(4) {
			if depth > 0 {
				object[anyText(r)] = anyJSON(r, depth-1)
			}
		}
		return object
	}
	return anyText(r)
}

func jsonText(t *testing.T, r *rand.Rand) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(r.IntN(2) == 0)
	e.SetIndent("", []string{"", "  ", "\t"}[r.IntN(3)])
	must(t, e.Encode(anyJSON(r, 3)))
	text := strings.TrimSuffix(out.String(), "\n")
	if r.IntN(2) == 0 {
		text = strings.ReplaceAll(text, "'", "")
	}
	if r.IntN(4) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// readByCompose is what docker compose's own reader makes of a file of variables, which it
// reads for itself and then for the container.
func readByCompose(file string) (map[string]string, error) {
	own := map[string]string{"PATH": "/usr/bin", "HOME": "/root"}
	project, err := dotenv.UnmarshalWithLookup(file, in(own))
	if err != nil {
		return nil, err
	}
	maps.Copy(project, own)
	return dotenv.UnmarshalWithLookup(file, in(project))
}

func in(m map[string]string) dotenv.LookupFn {
	return func(name string) (string, bool) { value, found := m[name]; return value, found }
}

func equalJSON(t *testing.T, a, b string) bool {
	t.Helper()
	return json.Valid([]byte(a)) && json.Valid([]byte(b)) && cmp.Equal(decoded(t, a), decoded(t, b))
}

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	must(t, d.Decode(&v))
	return v
}

// TestRandomValuesArrive: whatever is taken arrives to the byte, JSON as equal JSON, in
// the eyes of docker compose's own reader; what is refused changes nothing; and not too
// much is refused.
func TestRandomValuesArrive(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "LAST", Value: "last", Literal: true, Runtime: true})
	r, counts := rand.New(rand.NewPCG(3, 4)), map[string]int{}
	was := ""
	for i := range 1000 {
		value := anyText(r)
		if i%2 == 0 {
			value = jsonText(t, r)
		}
		var changes []hosting.EnvChange
		err := onApp(t, h, uuid, tenancy.Write, func(a *hosting.App) (err error) {
			changes, err = a.SetEnvs(t.Context(), hosting.EnvSet{Values: texts("KEY", value)})
			return err
		})
		env, unread := readByCompose(h.Sim.DotEnv(uuid, false))
		got := env["KEY"]
		switch {
		case unread != nil || env["LAST"] != "last":
			t.Fatalf("%q: docker compose reads %q, %v", value, env, unread)
		case err != nil:
			counts["refused"]++
			if e := tenancy.Public(err); e.Code != tenancy.Invalid || got != was {
				t.Fatalf("%q: %v, and %q becomes %q", value, err, was, got)
			}
		case got == value && changes[0].Arrives == "":
			counts["to the byte"]++
		case equalJSON(t, value, got) && strings.Contains(changes[0].Arrives, "equal JSON"):
			counts["equal"]++
		default:
			t.Fatalf("%q arrives as %q, and the answer is %+v", value, got, changes)
		}
		was = got
	}
	if counts["refused"] > 400 || counts["to the byte"] < 400 || counts["equal"] < 50 {
		t.Errorf("the values were %v", counts)
	}
	t.Log(counts)
}
