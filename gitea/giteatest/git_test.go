package giteatest

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A worktree runs git as a tenant's agent does, with no configuration but its
// own and nobody to ask.
type worktree struct {
	t   *testing.T
	dir string
}

func needGit(t *testing.T) worktree {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("git is required here: %v", err)
		}
		t.Skipf("git is not installed: %v", err)
	}
	return worktree{t, t.TempDir()}
}

func (w worktree) git(args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@x.invalid", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@x.invalid",
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w worktree) must(args ...string) string {
	w.t.Helper()
	out, err := w.git(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (w worktree) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// address is the clone address with credentials in it.
func (s *sim) address(userinfo, repo string) string {
	return strings.Replace(s.url, "http://", "http://"+userinfo, 1) + "/" + repo
}

func TestGitCloneCommitPush(t *testing.T) {
	w := needGit(t)
	s := newSim(t, Config{})
	s.do("POST", "/orgs/vibn-acme/repos",
		`{"name":"site","private":true,"auto_init":true,"default_branch":"trunk","description":"d"}`).
		ok(201).field("clone_url", s.url+"/vibn-acme/site.git")
	bot := s.bot("acme", "write:repository")
	w.must("clone", "-q", s.address("x:"+bot.secret()+"@", "vibn-acme/site.git"), "site")
	in := worktree{t, filepath.Join(w.dir, "site")}
	if got := in.must("symbolic-ref", "--short", "HEAD"); got != "trunk" {
		t.Errorf("branch = %q, want the default branch", got)
	}
	if got := in.must("show", "HEAD:README.md"); got != "# site\n\nd" {
		t.Errorf("README.md = %q", got)
	}
	before := s.Head("vibn-acme/site", "trunk")
	in.write("main.go", "package main\n")
	in.must("add", ".")
	in.must("commit", "-qm", "first")
	in.must("push", "-q")
	head := in.must("rev-parse", "HEAD")
	if got := s.Head("vibn-acme/site", "trunk"); got != head || got == before {
		t.Errorf("head = %s, want what was pushed, %s", got, head)
	}
	if got, ok := s.File("vibn-acme/site", "trunk", "main.go"); !ok || got != "package main\n" {
		t.Errorf("main.go = %q, %t", got, ok)
	}
	branch := bot.do("GET", "/repos/vibn-acme/site/branches/trunk", "").ok(200).object()
	commit, _ := branch["commit"].(map[string]any)
	if commit["id"] != head || commit["message"] != "first\n" {
		t.Errorf("GET of the branch = %v, want the commit", branch)
	}
	pushed, err := s.Push("vibn-acme/site", "trunk", "ours\n", map[string]string{"dir/sub/f": "x", "README.md": ""})
	if err != nil {
		t.Fatal(err)
	}
	in.must("pull", "-q", "--ff-only")
	if got := in.must("rev-parse", "HEAD"); got != pushed {
		t.Errorf("pulled %s, want %s", got, pushed)
	}
	if got := in.must("ls-files"); got != "dir/sub/f\nmain.go" {
		t.Errorf("files = %q", got)
	}
	dir, err := s.GitDir("vibn-acme/site")
	if err != nil {
		t.Fatal(err)
	}
	in.must("--git-dir", dir, "fsck", "--strict", "--full")
	in.must("checkout", "-q", "-b", "feature/x")
	in.must("push", "-q", "origin", "HEAD")
	if got := s.Head("vibn-acme/site", "feature/x"); got != pushed {
		t.Errorf("feature/x = %q, want %s", got, pushed)
	}
	in.must("push", "-q", "origin", ":feature/x")
	if got := s.Head("vibn-acme/site", "feature/x"); got != "" {
		t.Errorf("feature/x = %q, want it gone", got)
	}
	if out, err := in.git("push", "-q", "origin", ":trunk"); err == nil {
		t.Errorf("the default branch was deleted: %s", out)
	}
}

// TestGitDoors goes through the ways in, as they were tried on real servers.
func TestGitDoors(t *testing.T) {
	w := needGit(t)
	s := newSim(t, Config{})
	for _, repo := range []string{"vibn-acme/app", "vibn-other/app"} {
		if _, err := s.Push(repo, "main", "m\n", map[string]string{"a": "b\n"}); err != nil {
			t.Fatal(err)
		}
	}
	s.AddOrg(Org{Name: "pub"}, s.Admin())
	s.AddRepo("pub", Repo{Name: "repo"})
	if _, err := s.Push("pub/repo", "main", "m\n", map[string]string{"a": "b\n"}); err != nil {
		t.Fatal(err)
	}
	secret := func(scopes ...string) string { return s.bot("acme", scopes...).secret() }
	all, reader, issue := secret("all"), secret("read:repository"), secret("write:issue")
	for _, tc := range []struct {
		name, userinfo, repo, want string // want "" = it works
	}{
		{"token beside any name", "any:" + all + "@", "vibn-acme/app.git", ""},
		{"token as the name", all + ":x-oauth-basic@", "vibn-acme/app.git", ""},
		{"oauth2", "oauth2:" + reader + "@", "vibn-acme/app.git", ""},
		{"no .git, other case", "x:" + all + "@", "VIBN-Acme/App", ""},
		{"password", "vibn-bot-acme:Str0ng-passw0rd-xyz@", "vibn-acme/app.git", ""},
		{"issue scope", "x:" + issue + "@", "vibn-acme/app.git", "403"},
		{"bad token", "x:0000@", "vibn-acme/app.git", "Authentication failed"},
		{"nobody", "", "vibn-acme/app.git", "terminal prompts disabled"},
		{"another tenant's", "x:" + all + "@", "vibn-other/app.git", "not found"},
		{"not there", "x:" + all + "@", "vibn-acme/nope.git", "not found"},
		{"public, nobody", "", "pub/repo.git", ""},
		{"public, issue scope", "x:" + issue + "@", "pub/repo.git", ""},
		{"admin", "x:" + s.secret() + "@", "vibn-other/app.git", ""},
	} {
		t.Run("clone: "+tc.name, func(t *testing.T) {
			into := worktree{t, t.TempDir()}
			out, err := into.git("clone", "-q", s.address(tc.userinfo, tc.repo), "x")
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(out, tc.want)) {
				t.Errorf("%v\n%s\nwant %q", err, out, tc.want)
			}
		})
	}
	w.must("clone", "-q", s.address("x:"+all+"@", "vibn-acme/app.git"), ".")
	w.write("new", "x")
	w.must("add", ".")
	w.must("commit", "-qm", "new")
	for _, tc := range []struct{ name, userinfo, repo, want string }{
		{"read scope", "x:" + reader + "@", "vibn-acme/app.git", "403"},
		{"another tenant's", "x:" + all + "@", "vibn-other/app.git", "not found"},
		{"readable only", "x:" + all + "@", "pub/repo.git", "User permission denied for writing."},
		{"push to create", "x:" + all + "@", "vibn-acme/created.git", "Push to create is not enabled for organizations."},
		{"all", "x:" + all + "@", "vibn-acme/app.git", ""},
	} {
		out, err := w.git("push", "-q", "--force", s.address(tc.userinfo, tc.repo), "HEAD:main")
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(out, tc.want)) {
			t.Errorf("push: %s: %v\n%s\nwant %q", tc.name, err, out, tc.want)
		}
	}
	s.do("POST", "/repos/vibn-acme/app/branch_protections",
		`{"rule_name":"main","enable_push":true,"enable_push_whitelist":true,
		"push_whitelist_usernames":["siteadmin"]}`).ok(201)
	w.must("commit", "-q", "--allow-empty", "-m", "more")
	if out, err := w.git("push", "-q", s.address("x:"+all+"@", "vibn-acme/app.git"), "HEAD:main"); err == nil ||
		!strings.Contains(out, "protected branch main") {
		t.Errorf("push to a protected branch: %v\n%s", err, out)
	}
	s.do("PATCH", "/admin/users/vibn-bot-acme", `{"login_name":"x","prohibit_login":true}`).ok(200)
	if out, err := w.git("ls-remote", s.address("x:"+all+"@", "vibn-acme/app.git")); err == nil {
		t.Errorf("a prohibited bot lists refs: %s", out)
	}
}

// TestGitTokenInAHeader: before 1.27 a token that comes in a header of its own
// is not asked for its scopes.
func TestGitTokenInAHeader(t *testing.T) {
	w := needGit(t)
	for behaviour, open := range map[Behaviour]bool{V126: true, V127: false} {
		s := newSim(t, Config{Behaviour: behaviour})
		if _, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"a": "b"}); err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []string{"token ", "Bearer "} {
			header := "http.extraHeader=Authorization: " + scheme + s.bot("acme", "read:misc").secret()
			if out, err := w.git("-c", header, "ls-remote", s.url+"/vibn-acme/app.git"); (err == nil) != open {
				t.Errorf("%s: with %sof another scope: %v\n%s", behaviour, scheme, err, out)
			}
			good := "http.extraHeader=Authorization: " + scheme + s.bot("acme", "read:repository").secret()
			w.must("-c", good, "ls-remote", s.url+"/vibn-acme/app.git")
		}
	}
}

// TestGitPushesAtOnce: agents push at the same time, to branches of their own.
func TestGitPushesAtOnce(t *testing.T) {
	needGit(t)
	to := newReceiver(t)
	s := newSim(t, Config{LoopbackHooks: true})
	if _, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	s.AddHook("vibn-acme/app", Hook{URL: to.url})
	address := s.address("x:"+s.bot("acme", "write:repository").secret()+"@", "vibn-acme/app.git")
	var wg sync.WaitGroup
	for i := range 3 {
		w := worktree{t, t.TempDir()}
		w.must("clone", "-q", address, ".")
		w.must("commit", "-q", "--allow-empty", "-m", itoa(i))
		wg.Go(func() {
			if out, err := w.git("push", "-q", "origin", "HEAD:agent-"+itoa(i)); err != nil {
				t.Errorf("push %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	if err := s.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if s.Head("vibn-acme/app", "agent-"+itoa(i)) == "" {
			t.Errorf("agent-%d is not there", i)
		}
	}
	if got := len(s.Deliveries()); got != 3 {
		t.Errorf("%d deliveries, want one for each branch", got)
	}
}

func TestGitFaults(t *testing.T) {
	w := needGit(t)
	s := newSim(t, Config{})
	address := s.address("x:"+s.bot("acme", "write:repository").secret()+"@", "vibn-acme/app.git")
	w.must("clone", "-q", address, ".")
	w.must("commit", "-q", "--allow-empty", "-m", "m")
	s.Fail("POST /{owner}/{repo}/git-receive-pack", Fault{Drop: true, After: true, Times: 1})
	if out, err := w.git("push", "-q", "origin", "HEAD:main"); err == nil {
		t.Errorf("a push whose answer is lost succeeds: %s", out)
	}
	if got, want := s.Head("vibn-acme/app", "main"), w.must("rev-parse", "HEAD"); got != want {
		t.Errorf("head = %q, want %s: the answer is lost, the push is not", got, want)
	}
}

func TestGitFollowsARenamedRepository(t *testing.T) {
	w := needGit(t)
	s := newSim(t, Config{})
	if _, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	s.do("PATCH", "/repos/vibn-acme/app", `{"name":"site"}`).ok(200)
	w.must("ls-remote", s.address("x:"+s.secret()+"@", "vibn-acme/app.git"))
}

func TestGitOfAForkAndAnEmptyRepository(t *testing.T) {
	w := needGit(t)
	s := newSim(t, Config{})
	bot := s.bot("acme", "write:repository")
	bot.do("POST", "/repos/vibn-acme/app/forks", `{"name":"empty"}`).ok(202).field("empty", true)
	w.must("clone", "-q", s.address("x:"+bot.secret()+"@", "vibn-acme/app.git"), ".")
	w.write("big", strings.Repeat("0123456789abcdef", 1<<17)) // more than one post buffer when packed badly
	w.must("add", ".")
	w.must("commit", "-qm", "m")
	w.must("-c", "core.compression=0", "push", "-q", "origin", "HEAD:main")
	s.do("POST", "/repos/vibn-acme/app/forks", `{"organization":"vibn-acme","name":"fork"}`).ok(202)
	if got, ok := s.File("vibn-acme/fork", "main", "big"); !ok || len(got) != 1<<21 {
		t.Errorf("the fork's file has %d bytes, want 2 MiB", len(got))
	}
	into := worktree{t, t.TempDir()}
	into.must("clone", "-q", s.address("x:"+bot.secret()+"@", "vibn-acme/fork.git"), "x")
}

func TestContentsAndCommits(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	path := "/repos/vibn-acme/app"
	s.do("GET", path+"/commits", "").ok(409)
	bot := s.bot("acme", "write:repository")
	encoded := base64.StdEncoding.EncodeToString([]byte("hi\n"))
	created := bot.do("POST", path+"/contents/dir/a.txt",
		`{"content":"`+encoded+`","message":"m","branch":"main"}`).ok(201).object()
	bot.do("POST", path+"/contents/dir/a.txt", `{"content":"","message":"m","branch":"main"}`).says(422,
		"already exists")
	sha, _ := created["content"].(map[string]any)["sha"].(string)
	if want := "45b983be36b73c0788dc9cbcb76cbb80fc7bb057"; sha != want { // what git hash-object says
		t.Errorf("sha of the blob = %s, want %s", sha, want)
	}
	bot.do("PUT", path+"/contents/dir/a.txt", `{"content":"","message":"m","branch":"main","sha":"0"}`).says(422,
		"sha does not match")
	got := bot.do("GET", path+"/contents/dir/a.txt?ref=main", "").ok(200).object()
	if got["content"] != encoded || got["type"] != "file" {
		t.Errorf("contents = %v", got)
	}
	if names := bot.do("GET", path+"/contents/dir", "").ok(200).names("path"); cmp.Diff([]string{"dir/a.txt"},
		names) != "" {
		t.Errorf("the directory has %v", names)
	}
	bot.do("GET", path+"/contents/none", "").ok(404)
	bot.do("DELETE", path+"/contents/dir/a.txt", `{"message":"gone","branch":"main","sha":"`+sha+`"}`).ok(200)
	bot.do("GET", path+"/contents/dir/a.txt", "").ok(404)
	head := s.Head("vibn-acme/app", "main")
	if got := bot.do("GET", path+"/commits?sha=main&limit=1&page=1",
		"").ok(200).names("sha"); cmp.Diff([]string{head}, got) != "" {
		t.Errorf("commits = %v, want the head", got)
	}
	bot.do("GET", path+"/git/commits/"+head, "").ok(200).field("sha", head)
	bot.do("GET", path+"/git/commits/../../x", "").ok(404)
	bot.do("GET", path+"/branches/none", "").ok(404)
	again := newSim(t, Config{Now: now.now})
	for _, sim := range []*sim{s, again} {
		sim.do("POST", "/orgs/vibn-acme/repos", `{"name":"same","auto_init":true}`).ok(201)
	}
	if a, b := s.Head("vibn-acme/same", "main"), again.Head("vibn-acme/same", "main"); a != b || a == "" {
		t.Errorf("two first commits of one moment are %s and %s, want the same", a, b)
	}
}

// TestPathsStayInside: branches and files have names that a tenant gives.
func TestPathsStayInside(t *testing.T) {
	root := t.TempDir()
	s := newSim(t, Config{GitRoot: filepath.Join(root, "git")})
	bot := s.bot("acme", "write:repository")
	for _, tc := range []struct{ file, branch string }{
		{"f", "../../../out"}, {"f", "/out"}, {"..%2F..%2Fout", "main"}, {".git/config", "main"}, {"a/../../b", "main"}, {"f", "a/../../b"},
	} {
		got := bot.do("POST", "/repos/vibn-acme/app/contents/"+tc.file,
			`{"content":"eA==","message":"m","branch":"`+tc.branch+`"}`)
		if got.status != 422 {
			t.Errorf("%s on %s = %d %s, want 422", tc.file, tc.branch, got.status, got.text)
		}
	}
	s.do("PATCH", "/repos/vibn-acme/app", `{"default_branch":"../x"}`).ok(200).field("default_branch", "main")
	entries, err := os.ReadDir(root)
	if err != nil || len(entries) > 1 {
		t.Errorf("beside the repositories there is %v (%v)", entries, err)
	}
}

// TestCommitsWithout: the list of commits leaves out those that lead to another.
func TestCommitsWithout(t *testing.T) {
	s := newSim(t, Config{})
	var shas []string
	for _, branch := range []string{"main", "main", "other"} {
		sha, err := s.Push("vibn-acme/app", branch, "m\n", map[string]string{"a": itoa(len(shas))})
		if err != nil {
			t.Fatal(err)
		}
		shas = append(shas, sha)
	}
	bot := s.bot("acme", "read:repository")
	for _, tc := range []struct {
		from, without string
		want          []string
	}{
		{shas[0], shas[1], nil}, {shas[1], shas[0], shas[1:2]}, {shas[1], shas[1], nil}, {shas[2], shas[1], shas[2:]},
	} {
		got := bot.do("GET", "/repos/vibn-acme/app/commits?page=1&limit=1&sha="+tc.from+"&not="+tc.without,
			"").ok(200).names("sha")
		if !slices.Equal(tc.want, got) {
			t.Errorf("commits from %s without %s = %v, want %v", tc.from, tc.without, got, tc.want)
		}
	}
	bot.do("GET", "/repos/vibn-acme/app/commits?sha="+strings.Repeat("0", 40)+"&not="+shas[0], "").ok(404)
}

func TestStatuses(t *testing.T) {
	s := newSim(t, Config{})
	sha, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"a": "b"})
	if err != nil {
		t.Fatal(err)
	}
	bot := s.bot("acme", "write:repository")
	path := "/repos/vibn-acme/app"
	bot.do("POST", path+"/statuses/"+sha,
		`{"state":"pending","context":"vibn","target_url":"https://x.invalid"}`).ok(201).
		field("status", "pending").field("id", 1.0)
	bot.do("POST", path+"/statuses/"+sha, `{"state":"success","context":"vibn"}`).ok(201)
	bot.do("POST", path+"/statuses/"+strings.Repeat("0", 40), `{"state":"success"}`).ok(500)
	s.bot("other", "write:repository").do("POST", path+"/statuses/"+sha, `{"state":"success"}`).ok(404)
	s.bot("acme", "read:repository").do("POST", path+"/statuses/"+sha, `{"state":"success"}`).ok(403)
	bot.do("GET", path+"/commits/main/status", "").ok(200).field("state", "success").field("total_count", 1.0)
	if got := bot.do("GET", path+"/statuses/"+sha, "").ok(200).names("status"); cmp.Diff([]string{
		"success",
		"pending",
	}, got) != "" {
		t.Errorf("statuses = %v, want the newest first", got)
	}
}

func TestGitWithoutGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := newSim(t, Config{})
	s.do("POST", "/orgs/vibn-acme/repos", `{"name":"site","private":true,"auto_init":true}`).ok(201).field("empty",
		false)
	if s.Head("vibn-acme/site", "main") == "" {
		t.Error("without git installed there is no first commit")
	}
	got := s.with(basic("x", s.secret())).do("GET", "//vibn-acme/site.git/info/refs?service=git-upload-pack",
		"").ok(404)
	if !strings.Contains(got.text, "not installed") {
		t.Errorf("git's protocol answers %q", got.text)
	}
}

func TestGitRootIsRemoved(t *testing.T) {
	s := New(Config{})
	s.AddRepo(s.Admin(), Repo{Name: "r"})
	if _, err := s.Push("siteadmin/r", "main", "m\n", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	dir, err := s.GitDir("siteadmin/r")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("the directory that New made is still there: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
