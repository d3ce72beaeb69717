package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// maxTokens is what a journey may cost a model beyond the list of tools; a token is
// about four bytes.
const maxTokens = 4_000

// TestJourney goes from an empty workspace to a live address, as an agent does: two
// calls, a push with real git, and a wait. A fourth call adds a database.
func TestJourney(t *testing.T) {
	tenancytest.NeedGit(t)
	j := newSimulatedTraveller(t)
	project := j.call("projects_create", map[string]any{"name": "shop"})
	app := j.call("apps_create", map[string]any{"project": "shop", "build": "dockerfile", "port": 3000})
	commit := j.push(project["clone_url"].(string), map[string]string{"Dockerfile": "FROM scratch\n"})
	live := j.call("deployments_wait", map[string]any{"deployment": commit})
	if live["verdict"] != "live" || live["commit"] != commit || live["app"] != app["app"] || live["url"] != "https://shop.alpha.apps.example.com/" {
		t.Errorf("the push ended as %v, want it live", live)
	}
	t.Logf("three calls: %d tokens", j.tokens())
	j.succeeds(commit)

	data := j.call("databases_create", map[string]any{"name": "shop", "engine": "postgresql", "attach_to": "shop"})
	if attached, _ := data["attached"].(map[string]any); attached["key"] != "DATABASE_URL" {
		t.Errorf("the database is %v, want it attached", data)
	}
	t.Logf("four calls: %d tokens", j.tokens())
	if n := j.tokens(); n > maxTokens {
		t.Errorf("the journey costs %d tokens, want at most %d", n, maxTokens)
	}
	again := j.push(project["clone_url"].(string), map[string]string{"Dockerfile": "FROM scratch\nCMD [\"/shop\"]\n"})
	if live = j.call("deployments_wait", map[string]any{"deployment": again}); live["verdict"] != "live" || live["commit"] != again {
		t.Errorf("the next push ended as %v, want it live", live)
	}
	j.succeeds(again)
}

// A traveller is an agent in an empty workspace.
type traveller struct {
	t       *testing.T
	session *sdk.ClientSession
	git     []string // environment of git
	spent   int      // bytes
	said    chan string
}

// newSimulatedTraveller is in a workspace of a program with simulated servers.
func newSimulatedTraveller(t *testing.T) *traveller {
	t.Helper()
	said := make(chan string, 100)
	sim := coolifytest.New(coolifytest.Config{BuildTime: 100 * time.Millisecond})
	git := giteatest.New(giteatest.Config{RequireSignIn: true, LoopbackHooks: true})
	git.OnRequest(func(r giteatest.Request) error {
		if _, sha, ok := strings.Cut(r.Path, "/statuses/"); ok && r.Write && strings.Contains(r.Body, `"success"`) {
			said <- sha
		}
		return nil
	})
	p := &program{stdout: io.Discard, stderr: t.Output(), cfg: config{listen: "127.0.0.1:0"}}
	stop, err := p.simulate(context.WithoutCancel(t.Context()), t.TempDir(), sim, git)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := git.Close(); err != nil {
			t.Error(err)
		}
		for _, v := range append(sim.Violations(), git.Violations()...) {
			t.Errorf("simulator: %s", v)
		}
	})
	h := serveProgram(t, p)
	workspaces, err := furnish(t.Context(), sim, h.server)
	if err != nil {
		t.Fatal(err)
	}
	j := newTraveller(t, h.public, workspaces[0].Key)
	j.said = said
	return j
}

// newTraveller connects an agent with its key to a program.
func newTraveller(t *testing.T, public, key string) *traveller {
	t.Helper()
	j := &traveller{t: t}
	j.git = append(os.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "VIBN_URL="+public, "VIBN_API_KEY="+key,
		"GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@example.com", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@example.com")
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	var err error
	j.session, err = client.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: public + "/mcp", HTTPClient: &http.Client{Transport: bearer(key)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.session.Close() })
	return j
}

// call makes one call, whose answer has to be a good one.
func (j *traveller) call(tool string, args map[string]any) map[string]any {
	j.t.Helper()
	answer, failed := j.try(tool, args)
	if failed {
		j.t.Fatalf("%s %v: %v", tool, args, answer)
	}
	return answer
}

// try makes one call, and returns its answer or its failure.
func (j *traveller) try(tool string, args map[string]any) (answer map[string]any, failed bool) {
	j.t.Helper()
	asked, err := json.Marshal(args)
	if err != nil {
		j.t.Fatal(err)
	}
	res, err := j.session.CallTool(j.t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		j.t.Fatalf("%s: %v", tool, err)
	}
	text, ok := res.Content[0].(*sdk.TextContent)
	if !ok {
		j.t.Fatalf("%s %s: %+v", tool, asked, res.Content[0])
	}
	j.spent += len(tool) + len(asked) + len(text.Text)
	if err := json.Unmarshal([]byte(text.Text), &answer); err != nil {
		j.t.Fatal(err)
	}
	return answer, res.IsError
}

func (j *traveller) tokens() int { return (j.spent + 3) / 4 }

// push puts files into a repository with git, and returns the commit.
func (j *traveller) push(from string, files map[string]string) string {
	j.t.Helper()
	dir := filepath.Join(j.t.TempDir(), "checkout")
	j.run(".", "clone", "--quiet", from, dir)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			j.t.Fatal(err)
		}
	}
	j.run(dir, "add", ".")
	j.run(dir, "commit", "--quiet", "--message", "Change the shop")
	j.run(dir, "push", "--quiet", "origin", "main")
	return j.run(dir, "rev-parse", "HEAD")
}

func (j *traveller) run(dir string, args ...string) string {
	j.t.Helper()
	cmd := exec.CommandContext(j.t.Context(), "git", append([]string{"-c", "credential.helper=!vibn-mcp git-credential"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(j.git, "GORACE=atexit_sleep_ms=10")
	cmd.Stderr = j.t.Output()
	out, err := cmd.Output()
	if err != nil {
		j.t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// succeeds waits until Gitea is told that a commit is live.
func (j *traveller) succeeds(commit string) {
	j.t.Helper()
	for {
		select {
		case sha := <-j.said:
			if sha == commit {
				return
			}
		case <-storetest.LastMoment(j.t):
			j.t.Fatalf("Gitea is not told that %s is live", commit)
		}
	}
}
