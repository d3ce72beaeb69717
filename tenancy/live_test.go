package tenancy_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// liveGitea returns a client of the real Gitea that the environment names.
func liveGitea(t *testing.T) (*gitea.Admin, *url.URL) {
	t.Helper()
	root, token := os.Getenv("VIBN_TEST_GITEA_URL"), os.Getenv("VIBN_TEST_GITEA_ADMIN_TOKEN")
	if root == "" || token == "" {
		t.Skip("VIBN_TEST_GITEA_URL and VIBN_TEST_GITEA_ADMIN_TOKEN name no Gitea to try this on")
	}
	u, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := gitea.New(gitea.Config{URL: u, Token: secret.NewText(token)})
	if err != nil {
		t.Fatal(err)
	}
	return admin, u
}

// TestLiveProvisioning takes a workspace through its whole life on a real Gitea.
func TestLiveProvisioning(t *testing.T) {
	admin, root := liveGitea(t)
	h := tenancytest.New(t, tenancytest.Config{Gitea: admin, GiteaURL: root.String()})
	ctx := t.Context()
	look := admin.Metered(func(context.Context, gitea.Operation) (func(), error) { return func() {}, nil })
	p := h.Provisioner
	slug := "live-" + strings.ToLower(time.Now().UTC().Format("0102-150405"))
	w, err := h.Operator.CreateWorkspace(ctx, people.NewWorkspace{Slug: slug, Placement: tenancy.Placement{Server: h.Sim.Hosts()[0].UUID}})
	if err != nil {
		t.Fatal(err)
	}
	converge := func(what string) tenancy.Provision {
		t.Helper()
		if err := p.Provision(ctx, w.ID); err != nil {
			state, _ := h.Operator.Parts(ctx, w)
			t.Fatalf("%s: %v\n%s\n%s", what, err, state.ProvisionError, h.Log)
		}
		state, err := h.Operator.Parts(ctx, w)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	t.Cleanup(func() {
		if err := h.Operator.DeleteWorkspace(context.WithoutCancel(ctx), w); err == nil {
			_ = p.Provision(context.WithoutCancel(ctx), w.ID)
		}
	})

	first := converge("provision")
	if first.Status != tenancy.Ready || first.OrgID == 0 || first.BotID == 0 || first.TeamID == 0 || first.TokenID == 0 {
		t.Fatalf("after provisioning: %+v", first)
	}
	if again := converge("provision again"); again.Parts != first.Parts {
		t.Errorf("a second run changed the parts: %+v, was %+v", again.Parts, first.Parts)
	}

	x := &tenancytest.Tenant{Workspace: first.Workspace}
	key, keyID := h.AddKey(t, x, "builder", 0)
	s := h.Open(t, key, tenancy.Write)
	if _, created, err := repository.CreateProject(ctx, s, "site", "a site"); err != nil || !created {
		t.Fatalf("CreateProject: %v %v", created, err)
	}
	info, err := repository.Repository(ctx, h.Open(t, key, tenancy.Read), "site")
	if err != nil || info == nil || info.LastCommit == nil || info.DefaultBranch.String() != "main" {
		t.Fatalf("Repository: %+v %v", info, err)
	}
	creds, err := repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true); err != nil || !again.Token.Equal(creds.Token.Reveal()) {
		t.Errorf("a second look gave another token: %v", err)
	}
	clone := gitClone(t, info.CloneURL, creds)
	if err := gitPush(t, clone, "first"); err != nil {
		t.Errorf("push: %v", err)
	}

	// What a bot can do to outlive its token, reconcile takes away.
	bot := func(method, path, body string) int {
		t.Helper()
		return asBot(t, root, creds.Token, method, path, body)
	}
	if status := bot("POST", "/repos/"+first.Org+"/site/forks", `{"organization":"`+first.Org+`","name":"mine"}`); status != http.StatusAccepted {
		t.Errorf("a fork into the organisation: %d", status)
	}
	_ = bot("POST", "/repos/"+first.Org+"/site/forks", `{}`)
	if status := bot("POST", "/repos/"+first.Org+"/mine/keys", `{"title":"k","key":"`+publicKey(t)+`","read_only":false}`); status != http.StatusCreated {
		t.Errorf("a deploy key on the fork: %d", status)
	}
	converge("reconcile")
	repos, err := look.Org(first.Org).Repositories(ctx)
	if err != nil || len(repos) != 1 || repos[0].Name != "site" || !repos[0].Private || repos[0].HasActions {
		t.Errorf("after reconcile the organisation has %+v (%v)", repos, err)
	}
	if own, err := look.UserRepositories(ctx, first.Bot); err != nil || slices.ContainsFunc(own, func(r gitea.Repository) bool { return r.OwnerID == first.BotID }) {
		t.Errorf("after reconcile the bot has %+v (%v)", own, err)
	}

	// A key that ends takes its token along.
	if err := h.Operator.RevokeKey(ctx, first.Workspace, keyID); err != nil {
		t.Fatal(err)
	}
	converge("after revoking the key")
	if err := gitPush(t, clone, "second"); err == nil {
		t.Error("a revoked key's token still pushes")
	}

	key, _ = h.AddKey(t, x, "builder", 0)
	creds, err = repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	clone = gitClone(t, info.CloneURL, creds)
	if err := h.Operator.Suspend(ctx, w); err != nil {
		t.Fatal(err)
	}
	converge("suspend")
	if err := gitPush(t, clone, "third"); err == nil {
		t.Error("a suspended workspace's token still pushes")
	}
	if err := h.Operator.Resume(ctx, w); err != nil {
		t.Fatal(err)
	}
	converge("resume")
	if err := gitPush(t, clone, "fourth"); err == nil {
		t.Error("a token from before the suspension pushes again")
	}
	creds, err = repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	clone = gitClone(t, info.CloneURL, creds)
	if err := gitPush(t, clone, "fifth"); err != nil {
		t.Errorf("push after the suspension: %v", err)
	}
	if err := h.Operator.Rotate(ctx, w); err != nil {
		t.Fatal(err)
	}
	rotated := converge("rotate")
	if rotated.TokenID == first.TokenID || rotated.TokenID == 0 {
		t.Errorf("the workspace's token after rotation is %d, was %d", rotated.TokenID, first.TokenID)
	}
	if err := gitPush(t, clone, "sixth"); err == nil {
		t.Error("a rotated token still pushes")
	}
	if tokens, err := look.TokensOf(first.Bot).List(ctx); err != nil || len(tokens) != 1 || tokens[0].ID != rotated.TokenID {
		t.Errorf("tokens after rotation: %+v (%v)", tokens, err)
	}

	if err := h.Operator.DeleteWorkspace(ctx, w); err != nil {
		t.Fatal(err)
	}
	gone := converge("delete")
	if gone.OrgID != 0 || gone.BotID != 0 || gone.TokenID != 0 || gone.Parts.CoolifyProject != "" {
		t.Errorf("after the delete: %+v", gone.Parts)
	}
	if _, err := look.Org(first.Org).Get(ctx); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("the organisation after the delete: %v", err)
	}
	if _, err := look.User(ctx, first.Bot); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("the bot after the delete: %v", err)
	}
}

// git runs git in a folder, with no configuration but its own.
func git(t *testing.T, dir string, args ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=Agent", "-c", "user.email=agent@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

// gitClone clones with the token in the address: tests of the helper are elsewhere.
func gitClone(t *testing.T, address string, c repository.GitCredentials) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(c.Username, c.Token.Reveal())
	dir := filepath.Join(t.TempDir(), "clone")
	if err := git(t, filepath.Dir(dir), "clone", "-q", u.String(), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// gitPush commits a file and pushes it.
func gitPush(t *testing.T, dir, name string) error {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := git(t, dir, "add", name); err != nil {
		t.Fatal(err)
	}
	if err := git(t, dir, "commit", "-q", "-m", name); err != nil {
		t.Fatal(err)
	}
	return git(t, dir, "push", "-q", "origin", "HEAD")
}

// asBot asks Gitea with a token, and returns the status.
func asBot(t *testing.T, root *url.URL, token secret.Text, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, root.JoinPath("api/v1").String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "token "+token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// publicKey is a new Ed25519 key in the form of authorized_keys.
func publicKey(t testing.TB) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	wire := binary.BigEndian.AppendUint32(nil, 11)
	wire = append(wire, "ssh-ed25519"...)
	wire = binary.BigEndian.AppendUint32(wire, uint32(len(public)))
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(wire, public...))
}

// TestLiveDoctor looks at a real Gitea, with a bot that has a repository. What the
// operator of that Gitea may have chosen is logged only.
func TestLiveDoctor(t *testing.T) {
	admin, root := liveGitea(t)
	h := tenancytest.New(t, tenancytest.Config{
		Gitea: admin, GiteaURL: root.String(), Simulator: coolifytest.Config{RateLimit: 100_000}, Premises: tenancy.Premises{AcceptedRisks: provision.Risks()},
	})
	ctx, p := t.Context(), h.Provisioner
	w, err := h.Operator.CreateWorkspace(ctx, people.NewWorkspace{Slug: "doctor-" + strings.ToLower(time.Now().UTC().Format("0102-150405"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Operator.DeleteWorkspace(context.WithoutCancel(ctx), w); err == nil {
			_ = p.Provision(context.WithoutCancel(ctx), w.ID)
		}
	})
	if err := p.Provision(ctx, w.ID); err != nil {
		t.Fatal(err)
	}
	key, _ := h.AddKey(t, &tenancytest.Tenant{Workspace: w}, "builder", 0)
	if _, _, err := repository.CreateProject(ctx, h.Open(t, key, tenancy.Write), "site", ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Examine(ctx) {
		t.Logf("%-24s %-5s %s %s", c.Name, c.State, c.Detail, c.Fix)
		if slices.Contains([]string{"gitea", "gitea-token", "gitea-basic-auth", "gitea-pages", "gitea-bots", "secrets-key"}, c.Name) && c.State != provision.CheckOK {
			t.Errorf("%+v", c)
		}
		if slices.Contains(provision.Risks(), c.Name) && c.State == provision.CheckFail {
			t.Errorf("%+v", c)
		}
	}
}
