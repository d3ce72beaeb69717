package main

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/sidecar/oidctest"
	"github.com/vibnai/vibn-mcp/store/storetest"
)

// A pageHouse is the program with its settings page, before simulated servers and a
// real provider.
type pageHouse struct {
	root string // of the program
	link string // signs in the owner of alpha
	sim  *coolifytest.Server
	git  *giteatest.Server
	app  string // uuid of alpha's app
}

// servePage serves the program on a kind of database.
func servePage(t *testing.T, database string) *pageHouse {
	t.Helper()
	h := &pageHouse{sim: coolifytest.New(coolifytest.Config{BuildTime: 50 * time.Millisecond}), git: giteatest.New(giteatest.Config{GitRoot: t.TempDir(), RequireSignIn: true})}
	env, stop := serveCoolify(h.sim, h.sim)
	t.Cleanup(stop)
	gitea := httptest.NewServer(http.StripPrefix("/git", h.git))
	t.Cleanup(gitea.Close)
	h.root = "http://" + freeAddress(t)
	ann := oidctest.Person{ID: "ann", Username: "ann", Email: "ann@example.com", Name: "Ann"}
	maps.Copy(env, map[string]string{
		"VIBN_DATA_DIR": t.TempDir(), "VIBN_LISTEN": strings.TrimPrefix(h.root, "http://"), "VIBN_PUBLIC_URL": h.root,
		"GITEA_API_URL": gitea.URL + "/git", "GITEA_API_TOKEN": h.git.AdminToken(provision.GiteaTokenScopes()...),
		"VIBN_OIDC_ISSUER":    oidctest.Provider(t, h.root+"/login/callback", ann),
		"VIBN_OIDC_CLIENT_ID": oidctest.ClientID, "VIBN_OIDC_CLIENT_SECRET": oidctest.ClientSecret, "VIBN_OIDC_NAME": "Example",
	})
	if database == "postgres" {
		env["DATABASE_URL"] = storetest.Migrated(t)
	}
	project := h.sim.AddProject("alpha")
	h.app = h.sim.AddApp(project.Environments[0].UUID, coolifytest.App{Name: "web", FQDN: "https://192.0.2.7", Status: "running:healthy"}).UUID
	h.sim.AddEnv(h.app, coolifytest.Env{Key: "GREETING", Value: "a value for people", Runtime: true, Literal: true})
	must(t, env, "workspace", "create", "alpha", "--owner", "owner-of-alpha", "--coolify-project", project.UUID, "--wait")
	h.link = must(t, env, "login-link", "--workspace", "alpha")
	r := begin(t, env, "serve")
	if _, err := r.stderr.until(servingLine); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(r.stderr)
		}
	})
	return h
}

// freeAddress is an address that nobody listens at just now: the provider is told
// ours before we serve.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// signIn opens the owner's link and uses it.
func (h *pageHouse) signIn(b *tab) {
	b.t.Helper()
	b.goTo(h.link)
	b.says("This link signs you in as owner-of-alpha")
	b.click(`form[action="/link"] button`)
	b.says("Everything that an agent needs to build in alpha")
}

// signInAtProvider signs Ann in, where the provider asks.
func (h *pageHouse) signInAtProvider(b *tab) {
	b.t.Helper()
	b.click(`a[href^="/login/start"]`)
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), oidctest.Password))
	b.click(`button[type=submit]`)
}

// TestPageDay goes through a day of an owner's in a real browser: sign in, mint a
// key, run the line that comes with it, have the agent deploy, see it, revoke.
func TestPageDay(t *testing.T) {
	nodeTools(t)
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			h := servePage(t, database)
			b := newTab(t, 1440, 900)
			h.signIn(b)
			home := h.root + "/w/alpha"
			b.goTo(home + "/keys")
			b.do(chromedp.SendKeys(chromedp.CSS("#name"), "my agent"))
			b.click("form[data-once] button")
			key, line := b.text("#minted-key"), b.source("#minted-line")
			if !strings.HasPrefix(key, "vibn_sk_") || !strings.Contains(line, key) || b.eval(`String(document.querySelector("dialog").matches(":modal"))`) != "true" {
				t.Fatalf("the dialog shows %q and %q", key, line)
			}
			b.press("dialog form button")
			b.do(chromedp.WaitNotPresent(chromedp.CSS("dialog")))
			if strings.Contains(b.html(), key) {
				t.Error("the key is still in the page after its dialog was closed")
			}

			agent := h.connect(t, line)
			agent("apps_deploy", map[string]any{"app": "web", "wait_seconds": 30}, `"status":"finished"`)
			b.goTo(home + "/activity")
			b.says("my agent")
			b.says("apps.deploy")
			b.goTo(home + "/workspace")
			b.says("finished")

			b.goTo(home + "/keys")
			b.press(`button[aria-label="Revoke my agent"]`)
			b.click(`[popover]:popover-open .solid`)
			b.says("The key is revoked and is refused from now on.")
			agent("apps_list", nil, "Unauthorized")
			h.reveal(t, b, home)
		})
	}
}

// connect runs the line in a folder and returns the agent that works there: it calls
// a tool with the key that the line left in Cursor's file.
func (h *pageHouse) connect(t *testing.T, line string) func(tool string, args map[string]any, want string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), lookFor(t, "bash"), "-eu")
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader("git init -q\n" + line + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	var file struct {
		MCPServers map[string]serverEntry `json:"mcpServers"`
	}
	raw, err := os.ReadFile(filepath.Join(dir, ".cursor", "mcp.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	entry := file.MCPServers["vibn"]
	key := strings.TrimPrefix(entry.Headers["Authorization"], "Bearer ")
	return func(tool string, args map[string]any, want string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": args}})
		if err != nil {
			t.Fatal(err)
		}
		status, answer, err := call(t.Context(), key, http.MethodPost, entry.URL, string(body))
		if want == "Unauthorized" {
			if err != nil || status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s %v, want 401", tool, status, answer, err)
			}
			return
		}
		if err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %d %s %v, want %s", tool, status, answer, err, want)
		}
	}
}

// reveal looks at the two kinds of secrets, which leave the page by themselves.
func (h *pageHouse) reveal(t *testing.T, b *tab, home string) {
	b.goTo(home)
	if strings.Contains(b.html(), `id="bot-token"`) {
		t.Error("the token is in the page before anybody asked")
	}
	b.click(`form[action$="/bot-token"] button`)
	if token := b.text("#bot-token"); len(token) != 40 {
		t.Errorf("the bot's token is %q", token)
	}
	b.goTo(home + "/apps/" + h.app)
	b.click(`button[aria-label="Reveal GREETING"]`)
	if value := b.text("#env-value"); value != "a value for people" {
		t.Errorf("the value is %q", value)
	}
	b.eval(`(() => { const real = Date.now; Date.now = () => real() + 31000; return "" })()`)
	b.do(chromedp.WaitNotPresent(chromedp.CSS("#env-value")))
	b.says("Hidden again.")
}

// TestPageProvider signs in with a real provider, in a real browser: the first time
// makes a workspace, whose parts come to be.
func TestPageProvider(t *testing.T) {
	nodeTools(t)
	t.Parallel()
	h := servePage(t, "sqlite")
	b := newTab(t, 375, 800)
	b.goTo(h.root + "/")
	b.says("Sign in")
	h.signInAtProvider(b)
	b.says("Welcome. Your workspace is being made")
	for range 100 {
		b.goTo(h.root + "/w/ann/workspace")
		if !strings.Contains(b.html(), "under way") {
			break
		}
	}
	b.says("Gitea organisation vibn-ann-")
	b.goTo(h.root + "/account")
	b.says("Example")
	b.click(`form[action="/logout"] .quiet`)
	b.says("Sign in")
}

// TestPageRetry: what is wrong with a part is said, and Retry mends it once its
// cause is gone.
func TestPageRetry(t *testing.T) {
	nodeTools(t)
	t.Parallel()
	h := servePage(t, "sqlite")
	h.git.Fail("POST /orgs", giteatest.Fault{Status: http.StatusInternalServerError})
	h.git.Fail("POST /admin/users/{username}/orgs", giteatest.Fault{Status: http.StatusInternalServerError})
	b := newTab(t, 1440, 900)
	b.goTo(h.root + "/login")
	h.signInAtProvider(b)
	waitFor := func(text string) {
		t.Helper()
		for range 200 {
			b.goTo(h.root + "/w/ann/workspace")
			if strings.Contains(b.html(), text) {
				return
			}
		}
		t.Fatalf("the page never says %q:\n%s", text, b.dump())
	}
	waitFor(`state bad`)
	b.says("For the operator:")
	h.git.Clear("POST /orgs")
	h.git.Clear("POST /admin/users/{username}/orgs")
	b.click(`form[action$="/provision"] button`)
	b.says("being checked again")
	for range 200 {
		b.goTo(h.root + "/w/ann/workspace")
		if !strings.Contains(b.html(), "state bad") && !strings.Contains(b.html(), "under way") {
			break
		}
	}
	b.says("Repositories ready")
}

// TestPageWithoutScript does what an owner has to do in a browser that runs no
// script.
func TestPageWithoutScript(t *testing.T) {
	nodeTools(t)
	t.Parallel()
	h := servePage(t, "sqlite")
	b := newTab(t, 375, 800)
	b.withoutScript()
	h.signIn(b)
	home := h.root + "/w/alpha"
	b.press(`label[for="client-codex"]`)
	b.says(".codex/config.toml")
	b.goTo(home + "/keys")
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), "no script"))
	b.click("form[data-once] button")
	if key := b.text("#minted-key"); !strings.HasPrefix(key, "vibn_sk_") {
		t.Errorf("the key is %q", key)
	}
	b.press("dialog form button")
	b.press(`button[aria-label="Revoke no script"]`)
	b.click(`[popover]:popover-open .solid`)
	b.says("The key is revoked and is refused from now on.")
	b.click(`.tabs a[href$="/people"]`)
	b.click(`form[action$="/invite"] button`)
	b.says("Send this link")
	b.click(`.tabs a[href$="/activity"]`)
	b.says("members.invite")
}

// TestPageForms: a session that ends in the middle of a form loses nothing, and a
// double click mints one key.
func TestPageForms(t *testing.T) {
	nodeTools(t)
	t.Parallel()
	h := servePage(t, "sqlite")
	b := newTab(t, 1440, 900)
	b.goTo(h.root + "/login")
	h.signInAtProvider(b)
	b.goTo(h.root + "/w/ann/keys")
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), "typed in time"), chromedp.Click(chromedp.CSS(`input[value=viewer]`)))
	other := newTab(t, 1440, 900)
	other.goTo(h.root + "/login")
	h.signInAtProvider(other)
	other.goTo(h.root + "/account")
	other.click(`form[action="/logout/everywhere"] button`)

	b.click("form[data-once] button")
	b.says("What you typed is kept")
	h.signInAtProvider(b)
	b.says("This is what you had typed")
	if got := b.eval(`document.querySelector("#name").value + " " + document.querySelector("[name=preset]:checked").value`); got != "typed in time viewer" {
		t.Errorf("the form holds %q", got)
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.DoubleClick(chromedp.CSS("form[data-once] button"))); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.WaitVisible(chromedp.CSS("#minted-key")))
	b.goTo(h.root + "/w/ann/keys")
	if n := b.eval(`String(document.querySelectorAll("[aria-labelledby=active-title] tbody tr").length)`); n != "1" {
		t.Errorf("a double click made %s keys", n)
	}
}

// TestPageAccessible has axe-core look at each page, on a phone and a desktop, in
// light and dark.
func TestPageAccessible(t *testing.T) {
	tools := nodeTools(t)
	t.Parallel()
	h := servePage(t, "sqlite")
	b := newTab(t, 1440, 900)
	each := func() {
		t.Helper()
		for _, width := range []int64{375, 1440} {
			b.do(chromedp.EmulateViewport(width, 900))
			for _, scheme := range []string{"light", "dark"} {
				b.scheme(scheme)
				b.accessible(tools)
			}
		}
	}
	b.goTo(h.root + "/login")
	each()
	b.goTo(h.link)
	each()
	h.signIn(b)
	each()
	home := h.root + "/w/alpha"
	b.eval(`document.querySelectorAll("details").forEach(d => d.open = true) ?? ""`)
	each()
	b.goTo(home + "/keys")
	b.do(chromedp.SendKeys(chromedp.CSS("#name"), "<img src=x onerror=alert(1)>"))
	b.click("form[data-once] button")
	each()
	b.press("dialog form button")
	b.press(`[aria-label^="Revoke"]`)
	each()
	for _, path := range []string{"/keys", "/workspace", "/apps/" + h.app, "/people", "/activity", "/nothing"} {
		b.goTo(home + path)
		each()
	}
	b.goTo(home + "/people")
	b.click(`form[action$="/invite"] button`)
	each()
	b.goTo(h.root + "/account")
	each()
	if n := b.eval(`String(document.querySelectorAll("img[src=x]").length)`); n != "0" {
		t.Error("a name became a part of the page")
	}
}
