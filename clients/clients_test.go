package clients

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// TestAll: what the clients are called, and that no two write one file.
func TestAll(t *testing.T) {
	files := map[string]bool{}
	for _, c := range All() {
		if !regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(c.Name) || c.Title == "" || c.Reference == "" || files[c.File] {
			t.Errorf("%+v lacks something, or its file is another's", c)
		}
		files[c.File] = true
		if got, ok := Named(c.Name); !ok || got.File != c.File {
			t.Errorf("Named(%q) = %+v, %t", c.Name, got, ok)
		}
		entry := c.Entry("https://vibn.example.com/mcp", testKey)
		if strings.Contains(entry, `\`) || strings.ContainsAny(entry, "{}") && strings.Count(entry, "{") != strings.Count(entry, "}") || !strings.Contains(entry, "Bearer "+testKey) {
			t.Errorf("%s: a shell's echo does not write this as it is, or it lacks the key:\n%s", c.Name, entry)
		}
		if c.Container != "" && !json.Valid([]byte(entry)) {
			t.Errorf("%s: not JSON: %s", c.Name, entry)
		}
	}
	if _, ok := Named("emacs"); ok || !slices.Contains(Names(), "cursor") {
		t.Errorf("the names are %v", Names())
	}
}

// TestExamplesHoldNoKey, and are what a client reads.
func TestExamplesHoldNoKey(t *testing.T) {
	for name, text := range Examples() {
		if regexp.MustCompile(`vibn_sk_[0-9A-Za-z]{10}`).MatchString(text) {
			t.Errorf("%s holds a key:\n%s", name, text)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON:\n%s", name, text)
		}
	}
	vscode, _ := Named("vscode")
	var file struct{ Inputs []struct{ Type, ID string } }
	if err := json.Unmarshal([]byte(vscode.Example("x")), &file); err != nil || len(file.Inputs) != 1 || "${input:"+file.Inputs[0].ID+"}" != vscode.Reference {
		t.Errorf("VS Code asks for %+v (%v), and the header wants %s", file, err, vscode.Reference)
	}
}

// TestCursorLink reads the link as Cursor does.
func TestCursorLink(t *testing.T) {
	link, err := url.Parse(CursorLink("https://vibn.example.com/mcp"))
	if err != nil || link.Scheme != "cursor" || link.Host != "anysphere.cursor-deeplink" || link.Path != "/mcp/install" || link.Query().Get("name") != "vibn" {
		t.Fatalf("%s (%v)", link, err)
	}
	raw, err := base64.StdEncoding.DecodeString(link.Query().Get("config"))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"url": "https://vibn.example.com/mcp", "headers": map[string]any{"Authorization": "Bearer ${env:VIBN_API_KEY}"}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("the link's server (-want +got)\n%s", diff)
	}
}

// TestRoot: an address has only characters that nothing obeys, and means the same.
func TestRoot(t *testing.T) {
	for raw, want := range map[string]string{
		"https://vibn.example.com":           "https://vibn.example.com",
		"https://vibn.example.com:8443/a/b/": "https://vibn.example.com:8443/a/b",
		"http://[::1]:8080":                  "http://[::1]:8080",
		"https://x.example.com/$(id)/'a'":    "https://x.example.com/%24%28id%29/%27a%27",
		"https://x.example.com/ä b":          "https://x.example.com/%C3%A4%20b",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Root(u); got != want {
			t.Errorf("Root(%s) = %s, want %s", raw, got, want)
		}
	}
	plain := regexp.MustCompile(`^[0-9A-Za-z:/%._~\[\]-]+$`)
	err := quick.Check(func(path string) bool {
		u := &url.URL{Scheme: "https", Host: "x.example.com", Path: "/" + path}
		again, err := url.Parse(Root(u))
		return plain.MatchString(Root(u)) && err == nil && again.Path == strings.TrimRight(u.Path, "/")
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func TestOneLine(t *testing.T) {
	u := &url.URL{Scheme: "https", Host: "vibn.example.com"}
	if got, want := OneLine(u, "alpha"), `echo "Authorization: Bearer $VIBN_API_KEY" | curl -fsS -H @- https://vibn.example.com/api/workspaces/alpha/bootstrap.sh | sh`; got != want {
		t.Errorf("the line is %s, want %s", got, want)
	}
	u.Host, u.Scheme = "[::1]:8080", "http"
	if got := OneLine(u, "alpha"); !strings.Contains(got, ` 'http://[::1]:8080/api/workspaces/alpha/bootstrap.sh' | sh`) {
		t.Errorf("a shell takes the address for a pattern: %s", got)
	}
}

// TestLabel: of a name the prompt shows what a name needs.
func TestLabel(t *testing.T) {
	for raw, want := range map[string]string{
		"vibn-alpha/web_1.0": "vibn-alpha/web_1.0", "  Köln  &  Söhne ": "Köln Söhne", "東京": "東京", "हिन्दी": "हिन्दी", "$(touch pwned)": "touch pwned",
		"a\nb": "a b", "<!-- x -->": "-- x --", "`": "", "\u202eevil": "evil", strings.Repeat("x", 100): strings.Repeat("x", maxLabel), "": "",
	} {
		if got := label(raw); got != want {
			t.Errorf("label(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestPrompt(t *testing.T) {
	w := Workspace{Slug: "alpha", Name: untrusted.New("alpha"), Org: "vibn-alpha", Gitea: &url.URL{Scheme: "https", Host: "git.example.com"}}
	for range 30 {
		w.Projects = append(w.Projects, untrusted.New("vibn-alpha/web"))
	}
	p := w.Prompt()
	for _, want := range []string{"of one workspace, `alpha`, and", "organisation `vibn-alpha` at https://git.example.com.\n", "- and more; `projects_list`", "`.env.local`"} {
		if !strings.Contains(p, want) {
			t.Errorf("the prompt lacks %q:\n%s", want, p)
		}
	}
	if n := strings.Count(p, "- `vibn-alpha/web`\n"); n != maxProjects {
		t.Errorf("the prompt names %d projects, want %d", n, maxProjects)
	}
	if p := (Workspace{Slug: "alpha"}).Prompt(); strings.Contains(p, "organisation") || !strings.Contains(p, "`projects_list` shows its projects") {
		t.Errorf("without anything the prompt is\n%s", p)
	}
}

// TestScriptHidesNothing: the script that a server makes is the same each time, and
// holds the key once.
func TestScriptHidesNothing(t *testing.T) {
	script := setup().Script(secret.NewText(testKey))
	if script != setup().Script(secret.NewText(testKey)) || strings.Count(script, testKey) != 1 || len(script) > 64<<10 {
		t.Errorf("the script has %d bytes and holds the key %d times", len(script), strings.Count(script, testKey))
	}
}
