package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/clients"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy"
)

var demoCommand = command{
	name:  "demo",
	about: "try everything here and now: a simulated Coolify and Gitea, two workspaces, nothing to set up",
	reads: []string{"VIBN_LISTEN"},
	flags: func(fs *pflag.FlagSet) {
		fs.Bool("json", false, "print one line of JSON instead of words")
		fs.Bool("script", false, "play an agent's round as a client, print it, and stop")
		fs.Bool("journey", false, "with --script: go from nothing to a live address, with real git")
	},
	run: demo,
}

// demoBuild is how long a build stays queued in the demo, and then how long it runs.
const demoBuild = 3 * time.Second

// demoReserve is how many requests the platform may send at once: the demo makes two whole
// workspaces in its first second.
const demoReserve = 60

// A demoWorkspace holds what the demo prints of a workspace.
type demoWorkspace struct {
	Slug string    `json:"slug"`
	Key  string    `json:"key"`
	Page string    `json:"page"` // opens the settings page; works once
	Apps []demoApp `json:"apps"`
}

type demoApp struct {
	UUID       string `json:"uuid"`
	Name       string `json:"name"`
	Repository string `json:"repository"` // clone address
}

// demo serves the real program in front of a simulated Coolify and Gitea, with a
// temporary database. It reads no configuration except the listening address.
func demo(ctx context.Context, p *program) error {
	dir, err := os.MkdirTemp("", "vibn-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sim := coolifytest.New(coolifytest.Config{BuildTime: demoBuild, CheckEvery: time.Nanosecond})
	git := giteatest.New(giteatest.Config{GitRoot: filepath.Join(dir, "git"), RequireSignIn: true, LoopbackHooks: true})
	defer func() { _ = git.Close() }() // the whole directory is removed
	stopServing, err := p.simulate(ctx, dir, sim, git)
	if err != nil {
		return err
	}
	defer stopServing()
	ln, err := p.cfg.startListening(ctx)
	if err != nil {
		return hinted{err, "--listen 127.0.0.1:0, or VIBN_LISTEN=127.0.0.1:0, takes a free port"}
	}
	defer func() { _ = ln.Close() }()
	h, err := p.openServer(ctx, slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer h.close()
	workspaces, err := furnish(ctx, sim, h)
	if err != nil {
		return err
	}
	public := p.cfg.reachedAt()
	if err := h.addOwners(ctx, public, workspaces); err != nil {
		return err
	}
	if scripted, _ := p.flags.GetBool("script"); scripted { // the command itself defines the flag
		serving, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- h.serve(serving, ln, public, nil) }()
		var err error
		if far, _ := p.flags.GetBool("journey"); far {
			err = p.travel(ctx, public, workspaces[0])
		} else {
			err = p.perform(ctx, public, workspaces)
		}
		stop()
		return errors.Join(err, <-ended)
	}
	if err := p.announce(public, workspaces); err != nil {
		return err
	}
	return h.serve(ctx, ln, public, nil)
}

// simulate serves a Coolify and a Gitea that know each other, and configures the program
// to use them.
func (p *program) simulate(
	ctx context.Context, dir string, sim *coolifytest.Server, git *giteatest.Server,
) (stop func(), err error) {
	stopSim, coolifyURL, err := serveSimulator(ctx, sim, "/coolify")
	if err != nil {
		return nil, err
	}
	stopGit, giteaURL, err := serveSimulator(ctx, git, "/git")
	if err != nil {
		stopSim()
		return nil, err
	}
	sim.OnResolve(func(repository, branch string) string { return git.Head(repositoryIn(repository), branch) })
	p.cfg = config{
		dataDir: dir, listen: p.cfg.listen, secretsKey: secret.NewText("the demo keeps nothing"),
		coolifyURL:     coolifyURL,
		coolifyToken:   secret.NewText(sim.Token("read", "write", "deploy")),
		sensitiveToken: secret.NewText(sim.Token("read", "read:sensitive")),
		giteaURL:       giteaURL, giteaToken: secret.NewText(git.AdminToken(provision.GiteaTokenScopes()...)),
		probe:     probe.Config{Dial: sim.DialApp, RootCAs: sim.Roots()},
		appDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.com"},
		budget:    tenancy.Budget{ReserveBurst: demoReserve},
	}
	return func() { stopGit(); stopSim() }, nil
}

// repositoryIn returns owner/name of a clone address, for HTTP or SSH.
func repositoryIn(address string) string {
	parts := strings.FieldsFunc(strings.TrimSuffix(address, ".git"), func(r rune) bool { return r == '/' || r == ':' })
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}

// serveSimulator serves a simulator on a port of this machine, below a path.
func serveSimulator(ctx context.Context, sim http.Handler, path string) (stop func(), root *url.URL, err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: http.StripPrefix(path, sim), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(ln) }() // ends when stop closes it
	return func() { _ = srv.Close() }, &url.URL{Scheme: "http", Host: ln.Addr().String(), Path: path}, nil
}

// furnish creates two workspaces with two apps each, and repositories for the apps.
func furnish(ctx context.Context, sim *coolifytest.Server, h *server) ([]demoWorkspace, error) {
	rights, err := tenancy.PresetRights("builder")
	if err != nil {
		return nil, err
	}
	op := people.NewOperator(h.db)
	var all []demoWorkspace
	for _, slug := range []string{"alpha", "beta"} {
		project := sim.AddProject("vibn-ws-" + slug)
		w, err := op.CreateWorkspace(ctx, people.NewWorkspace{
			Slug: slug, CoolifyProject: project.UUID, OwnerUserID: "owner-of-" + slug,
			Placement: tenancy.Placement{Server: sim.Hosts()[0].UUID},
		})
		if err != nil {
			return nil, err
		}
		if err := h.provisioner.Provision(ctx, w.ID); err != nil {
			return nil, err
		}
		_, key, err := op.CreateKey(ctx, w, "demo", rights, 24*time.Hour)
		if err != nil {
			return nil, err
		}
		d := demoWorkspace{Slug: slug, Key: key.Reveal()}
		for _, name := range []string{"web", "api"} {
			repository, err := h.createRepository(ctx, key, name)
			if err != nil {
				return nil, err
			}
			app := sim.AddApp(project.Environments[0].UUID, coolifytest.App{
				Name: name, FQDN: fmt.Sprintf("https://%s.%s.example.com", name, slug), Status: "running:healthy",
				GitRepository: repository, GitBranch: "main", Logs: "listening on :3000\nGET / 200 3ms\n",
			})
			sim.AddEnv(app.UUID, coolifytest.Env{Key: "LOG_LEVEL", Value: "information", Runtime: true, Literal: true})
			d.Apps = append(d.Apps, demoApp{app.UUID, app.Name, repository})
		}
		all = append(all, d)
	}
	return all, nil
}

// addOwners creates a sign-in link for the owner of each workspace.
func (s *server) addOwners(ctx context.Context, public *url.URL, workspaces []demoWorkspace) error {
	op := people.NewOperator(s.db)
	for i, d := range workspaces {
		w, err := op.Workspace(ctx, d.Slug)
		if err != nil {
			return err
		}
		_, token, err := op.LoginLink(ctx, w, "", "", 24*time.Hour)
		if err != nil {
			return err
		}
		workspaces[i].Page = sidecar.LinkURL(public, token.Reveal())
	}
	return nil
}

// createRepository creates a project with the key, as an agent would, and returns its clone
// address.
func (s *server) createRepository(ctx context.Context, key secret.Text, name string) (string, error) {
	scope, err := s.guard.OpenKey(ctx, key.Reveal())
	if err != nil {
		return "", err
	}
	args, err := json.Marshal(map[string]string{"name": name, "description": "a repository of the demo"})
	if err != nil {
		return "", err
	}
	out, err := s.registry.Call(ctx, scope, mcp.Request{Tool: "projects.create", Args: args, Client: "vibn-mcp demo"})
	if err != nil {
		return "", err
	}
	var project struct {
		CloneURL string `json:"clone_url"`
	}
	return project.CloneURL, json.Unmarshal(out, &project)
}

// announce prints how to use the demo: in words, or as one line of JSON.
func (p *program) announce(public *url.URL, workspaces []demoWorkspace) error {
	mcpURL := public.JoinPath("mcp").String()
	if p.wantsJSON() {
		return json.NewEncoder(p.stdout).Encode(
			map[string]any{"url": public.String(), "mcp_url": mcpURL, "workspaces": workspaces},
		)
	}
	first := workspaces[0]
	return p.printf(demoText, mcpURL, first.Slug, first.Key, workspaces[1].Slug, workspaces[1].Key, first.Page, first.Slug,
		mcpURL, first.Key, first.Key, clients.OneLine(public, first.Slug), first.Key, public, first.Slug, mcpURL,
		public, cmp.Or(
			executable(), "vibn-mcp",
		), first.Apps[0].Repository)
}

// executable returns the path of this program; "" if it is unknown or needs quoting.
func executable() string {
	path, err := os.Executable()
	if err != nil || strings.ContainsAny(path, "'\"\\ $`!") {
		return "" // the path would need quoting in a line to paste
	}
	return path
}

// demoText has no comments between its lines to paste, because zsh does not accept
// comments at its prompt.
const demoText = `vibn-mcp is serving %s before a simulated Coolify and Gitea. Stop it with Ctrl-C.

workspace %s   key %s
workspace %s    key %s

The settings page, where people see to keys and look at what agents did. The link
works once:

%s   (%s)

For Cursor, put this into .cursor/mcp.json:

{
  "mcpServers": {
    "vibn": {
      "url": "%s",
      "headers": { "Authorization": "Bearer %s" }
    }
  }
}

Or have this done, and set up every other editor that is used here, with two lines
in a project's folder; "| sh -s -- --dry-run" shows what they would do:

VIBN_API_KEY=%s
%s

Or paste these lines into another terminal. They list the apps, deploy one and
wait some seconds for it, read its log, show what was done by whom, list the tools
over MCP, and clone the app's repository: git asks vibn-mcp for the password, and
nobody sees it:

export VIBN_API_KEY=%s
vibn() { printf 'header = "Authorization: Bearer %%s"' "$VIBN_API_KEY" | curl -sS -w '\n' -K - -H 'Content-Type: application/json' "$@"; }
W=%s/api/workspaces/%s
vibn $W/apps
vibn $W/apps/web/deploy -d '{"wait_seconds": 30}'
vibn $W/apps/web/logs
vibn $W/activity
vibn %s -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
export VIBN_URL=%s
git -c credential.helper= -c credential.helper='!%s git-credential' clone %s
`
