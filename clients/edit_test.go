package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testEntry = "{\n      \"url\": \"https://vibn.example.com/mcp\"\n    }"

func TestEditJSON(t *testing.T) {
	whole := "\"mcpServers\": {\n    \"vibn\": " + testEntry + "\n  }"
	for name, tc := range map[string]struct{ text, want string }{
		"no file":              {"", "{\n  " + whole + "\n}"},
		"an empty object":      {"{}", "{ " + whole + "}"},
		"another member":       {`{"a": 1}`, "{\n  " + whole + `,"a": 1}`},
		"a comment at the end": {"{\n  \"a\": 1, // one\n}\n", "{\n  " + whole + ",\n  \"a\": 1, // one\n}\n"},
		"a comment in front":   {"// mine\n{ /* { */ \"a\": \"}\" }", "// mine\n{\n  " + whole + ", /* { */ \"a\": \"}\" }"},
		"another server":       {`{"mcpServers": {"x": {}}}`, "{\"mcpServers\": {\n    \"vibn\": " + testEntry + ",\"x\": {}}}"},
		"no server":            {`{"mcpServers": {}}`, "{\"mcpServers\": { \"vibn\": " + testEntry + "}}"},
		"an old one":           {`{"mcpServers": {"x": 1, "vibn": [1, {"vibn": 2}], "y": 3}}`, `{"mcpServers": {"x": 1, "vibn": ` + testEntry + `, "y": 3}}`},
		"one elsewhere":        {`{"vibn": {"mcpServers": {}}}`, "{\n  " + whole + `,"vibn": {"mcpServers": {}}}`},
		"a byte order mark":    {"\ufeff{}", "\ufeff{ " + whole + "}"},
		"escapes and numbers":  {`{"a\"b": [-1.5e+3, true, "\\", null]}`, "{\n  " + whole + `,"a\"b": [-1.5e+3, true, "\\", null]}`},
		"Windows lines":        {"{\r\n  \"a\": 1\r\n}\r\n", "{\n  " + whole + ",\r\n  \"a\": 1\r\n}\r\n"},
		"is an array":          {"[]", ""},
		"is a word":            {"null", ""},
		"is cut":               {`{"a": 1`, ""},
		"has more":             {"{} {}", ""},
		"has no comma":         {`{"a": 1 "b": 2}`, ""},
		"has a comma first":    {`{, "a": 1}`, ""},
		"has no colon":         {`{"a" 1}`, ""},
		"has no value":         {`{"a":}`, ""},
		"has no name":          {`{a: 1}`, ""},
		"a string is open":     {"{\"a\": \"x\n\"}", ""},
		"a comment is open":    {"{} /* x", ""},
		"a slash":              {"{} / ", ""},
		"servers are a list":   {`{"mcpServers": []}`, ""},
		"servers are null":     {`{"mcpServers": null}`, ""},
		"servers twice":        {`{"mcpServers": {}, "mcpServers": {}}`, ""},
		"vibn twice":           {`{"mcpServers": {"vibn": 1, "vibn": 2}}`, ""},
		"a disguised name":     {`{"mcp\u0053ervers": {}}`, ""},
		"a disguised vibn":     {`{"mcpServers": {"v\u0069bn": {}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := editJSON(tc.text, "mcpServers", testEntry)
			if (tc.want == "") != errors.Is(err, errOthers) || got != tc.want {
				t.Errorf("%q became\n%q (error %v), want\n%q", tc.text, got, err, tc.want)
			}
			compareWithAwk(t, "edit_json.awk", tc.text, testEntry, false, got, err, "container=mcpServers")
		})
	}
}

func TestEditLines(t *testing.T) {
	hash := block{hashBegin, hashEnd, false}
	toml := block{hashBegin, hashEnd, true}
	body := hashBegin + "\n[mcp_servers.vibn]\n" + hashEnd
	env := "VIBN_URL=u\nVIBN_API_KEY=k"
	for name, tc := range map[string]struct {
		b                block
		text, body, want string
	}{
		"an empty file":           {hash, "", body, body},
		"at the end":              {hash, "a\nb\n", body, "a\nb\n" + body + "\n"},
		"no newline at the end":   {hash, "a", body, "a\n" + body},
		"in the middle":           {hash, "a\n" + hashBegin + "\nold\n" + hashEnd + "\nb", body, "a\n" + body + "\nb"},
		"Windows lines":           {hash, "a\r\n" + hashBegin + "\r\nold\r\n" + hashEnd + "\r\nb\r\n", body, "a\r\n" + body + "\nb\r\n"},
		"no end":                  {hash, hashBegin + "\nx\n", body, ""},
		"no begin":                {hash, "x\n" + hashEnd + "\n", body, ""},
		"two":                     {hash, body + "\n" + body + "\n", body, ""},
		"one in the other":        {hash, hashBegin + "\n" + body + "\n", body, ""},
		"variables":               {block{}, "A=1\nVIBN_API_KEY=old\nB=2\n", env, "A=1\n" + env + "\nB=2\n"},
		"exported variables":      {block{}, "export VIBN_URL=old\nexport  VIBN_API_KEY=old\n", env, env + "\n"},
		"variables like ours":     {block{}, "VIBN_URL_X=1\nMY_VIBN_URL=1\n# VIBN_URL=1\n", env, "VIBN_URL_X=1\nMY_VIBN_URL=1\n# VIBN_URL=1\n" + env + "\n"},
		"another table":           {toml, "[mcp_servers.other]\nurl = \"vibn\"\n", body, "[mcp_servers.other]\nurl = \"vibn\"\n" + body + "\n"},
		"a folder of that name":   {toml, "[projects.\"/src/vibn\"]\n", body, "[projects.\"/src/vibn\"]\n" + body + "\n"},
		"a table of ours":         {toml, "[mcp_servers.vibn]\nurl = \"x\"\n", body, ""},
		"a quoted table":          {toml, " [ \"mcp_servers\" . 'vibn' ]\n", body, ""},
		"a table below ours":      {toml, "[mcp_servers.vibn.env]\n", body, ""},
		"a dotted key":            {toml, "mcp_servers.vibn.url = \"x\"\n", body, ""},
		"an inline table":         {toml, "mcp_servers = { vibn = { url = \"x\" } }\n", body, ""},
		"a key in the table":      {toml, "[mcp_servers]\nvibn = { url = \"x\" }\n", body, ""},
		"a dotted key in a table": {toml, "[mcp_servers]\nvibn.url = \"x\"\n", body, ""},
		"our table, in its block": {toml, "a = 1\n" + body + "\nb = 2\n", body, "a = 1\n" + body + "\nb = 2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.b.edit(tc.text, strings.Split(tc.body, "\n"), false)
			if (tc.want == "") != (err != nil) || got != tc.want {
				t.Errorf("%q became\n%q (error %v), want\n%q", tc.text, got, err, tc.want)
			}
			compareWithAwk(t, "edit_lines.awk", tc.text, tc.body, false, got, err, tc.b.operands()...)
		})
	}
}

func (b block) operands() []string {
	toml := ""
	if b.toml {
		toml = "1"
	}
	return []string{"begin=" + b.begin, "end=" + b.end, "toml=" + toml}
}

// awks are the ones that systems have: Debian's two, macOS's, Alpine's.
var awks = []string{"gawk", "mawk", "original-awk", "busybox"}

// compareWithAwk has every awk do what Go did, and compares.
func compareWithAwk(t *testing.T, program, text, body string, remove bool, want string, wantErr error, operands ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range awks {
		path, err := exec.LookPath(name)
		if err != nil && os.Getenv("CI") != "true" {
			continue // a person's machine has one of them
		}
		line := []string{path}
		if name == "busybox" {
			line = append(line, "awk")
		}
		line = append(append(line, withoutComments(string(raw))), operands...)
		line = append(line, "remove="+one(remove), "nl="+one(strings.HasSuffix(text, "\n")), "part=1", "-", "part=2", file)
		cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
		cmd.Env, cmd.Stdin = []string{"LC_ALL=C"}, strings.NewReader(body+"\n")
		out, err := cmd.Output()
		if cmd.ProcessState == nil {
			t.Fatalf("%s: %v", name, err)
		}
		status := cmd.ProcessState.ExitCode()
		wantStatus := map[bool]int{false: 0, true: 4}[errors.Is(wantErr, errNothing)]
		if wantErr != nil && wantStatus == 0 {
			if status != 3 && status != 5 {
				t.Errorf("%s: %q gives status %d, Go says %v", name, text, status, wantErr)
			}
			continue
		}
		if status != wantStatus || string(out) != want {
			t.Errorf("%s: status %d, %q becomes (-Go +awk)\n%s", name, status, text, cmp.Diff(want, string(out)))
		}
	}
}

func one(yes bool) string {
	if yes {
		return "1"
	}
	return ""
}

// document makes up JSON with comments, and now and then something that is none.
func document(r *rand.Rand, depth int) string {
	var b strings.Builder
	space := func() string {
		return []string{"", "", " ", "\n  ", "\t", "\r\n", "// c }\n", "/* {\" */"}[r.IntN(8)]
	}
	switch kind := r.IntN(7); {
	case depth == 0 || kind < 4 && depth > 0:
		b.WriteString("{" + space())
		names := []string{"mcpServers", "vibn", "x", "y", `a\"b`, "mcpServers"}
		r.Shuffle(len(names)-1, func(i, j int) { names[i], names[j] = names[j], names[i] })
		n := r.IntN(4)
		for i := range n {
			if r.IntN(60) == 0 {
				i = len(names) - 1
			}
			value := `"v"`
			if depth < 3 {
				value = document(r, depth+1)
			}
			b.WriteString(`"` + names[i] + `"` + space() + ":" + space() + value + space())
			if i < n-1 || r.IntN(4) == 0 {
				b.WriteString("," + space())
			}
		}
		b.WriteString("}")
	case kind == 4:
		b.WriteString("[" + space() + `1, "]"` + space() + "]")
	default:
		b.WriteString([]string{"1", "-2.5e3", "true", "null", `"s\\"`, `"}{"`, "", "@"}[min(r.IntN(60), 7)])
	}
	if depth == 0 {
		b.WriteString([]string{"", "\n", "\n\n", " // end"}[r.IntN(4)])
	}
	return b.String()
}

// TestEditedJSONComesBack: what is put in and taken out leaves the text as it was,
// and a parser sees every other member as before.
func TestEditedJSONComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	edited := 0
	for i := range 3000 {
		text := document(r, 0)
		checkRoundTrip(t, text)
		if got, err := editJSON(text, "mcpServers", testEntry); err == nil {
			edited++
			if i%100 == 0 { // an awk takes a thousand times as long
				compareWithAwk(t, "edit_json.awk", text, testEntry, false, got, err, "container=mcpServers")
				back, err := editJSON(got, "mcpServers", "")
				compareWithAwk(t, "edit_json.awk", got, "", true, back, err, "container=mcpServers")
			}
		}
	}
	if edited < 1000 {
		t.Errorf("only %d of 3000 texts could be edited; are they JSON?", edited)
	}
}

func checkRoundTrip(t *testing.T, text string) {
	t.Helper()
	got, err := editJSON(text, "mcpServers", testEntry)
	if err != nil {
		return
	}
	again, err := editJSON(got, "mcpServers", testEntry)
	if err != nil || again != got {
		t.Fatalf("%q is edited to %q, and that to %q (%v)", text, got, again, err)
	}
	had := text != ""
	if s := (&scanner{text: text, container: "mcpServers"}); had {
		_, inner, _ := s.document()
		had = !inner.found
	}
	back, err := editJSON(got, "mcpServers", "")
	if had && (err != nil || back != text) {
		t.Fatalf("%q is edited to %q, and back to %q (%v)", text, got, back, err)
	}
	var before, after map[string]any
	if json.Unmarshal([]byte(text), &before) != nil {
		return // it has comments
	}
	if err := json.Unmarshal([]byte(got), &after); err != nil {
		t.Fatalf("%q is JSON, and edited it is not: %q", text, got)
	}
	servers, _ := after["mcpServers"].(map[string]any)
	if diff := cmp.Diff(map[string]any{"url": "https://vibn.example.com/mcp"}, servers["vibn"]); diff != "" {
		t.Fatalf("%q edited: vibn (-want +got)\n%s", text, diff)
	}
	for _, m := range []map[string]any{before, after} {
		if servers, ok := m["mcpServers"].(map[string]any); ok {
			if delete(servers, "vibn"); len(servers) == 0 {
				delete(m, "mcpServers")
			}
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("%q edited: the rest (-want +got)\n%s", text, diff)
	}
}

func FuzzEditJSON(f *testing.F) {
	for _, text := range []string{"{}", `{"mcpServers": {"vibn": 1, /**/}, // x` + "\n}", "{\n}\n", `{"mcpServers":{` + "\n  }}"} {
		f.Add(text)
	}
	f.Fuzz(checkRoundTrip)
}

func FuzzEditLines(f *testing.F) {
	f.Add("a\n"+hashBegin+"\n"+hashEnd, true)
	f.Add("VIBN_URL=1\r\nexport VIBN_API_KEY=2", false)
	f.Fuzz(func(t *testing.T, text string, marked bool) {
		b, body := block{}, []string{"VIBN_URL=u"}
		if marked {
			b, body = block{hashBegin, hashEnd, false}, []string{hashBegin, "x", hashEnd}
		}
		got, err := b.edit(text, body, false)
		if err != nil {
			return
		}
		if again, err := b.edit(got, body, false); err != nil || again != got {
			t.Fatalf("%q is edited to %q, and that to %q (%v)", text, got, again, err)
		}
		bare, err := b.edit(text, nil, true)
		if err != nil && !errors.Is(err, errNothing) {
			t.Fatal(err)
		}
		back, err := b.edit(got, nil, true)
		if back != bare && (bare != "" || !errors.Is(err, errNothing)) {
			t.Fatalf("%q without ours is %q; edited to %q, it goes back to %q (%v)", text, bare, got, back, err)
		}
	})
}

// TestEditedLinesComeBack runs the same in every awk, on made-up texts.
func TestEditedLinesComeBack(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	parts := []string{"a", "", "b\r", "VIBN_URL=1", "export VIBN_API_KEY=2", hashBegin, hashEnd, "[mcp_servers.vibn]", "  x \\n"}
	for range 60 {
		var lines []string
		for range r.IntN(6) {
			lines = append(lines, parts[r.IntN(len(parts))])
		}
		text := strings.Join(lines, "\n") + []string{"", "\n"}[r.IntN(2)]
		for i, b := range []block{{}, {hashBegin, hashEnd, false}, {hashBegin, hashEnd, true}} {
			body := []string{"VIBN_URL=u"}
			if i > 0 {
				body = []string{hashBegin, "x", hashEnd}
			}
			for _, remove := range []bool{false, true} {
				got, err := b.edit(text, body, remove)
				compareWithAwk(t, "edit_lines.awk", text, strings.Join(body, "\n"), remove, got, err, b.operands()...)
			}
		}
	}
}

func ExampleClient_Example() {
	c, _ := Named("cursor")
	fmt.Print(c.Example("https://vibn.example.com/mcp"))
	// Output:
	// {
	//   "mcpServers": {
	//     "vibn": {
	//       "url": "https://vibn.example.com/mcp",
	//       "headers": { "Authorization": "Bearer ${env:VIBN_API_KEY}" }
	//     }
	//   }
	// }
}
