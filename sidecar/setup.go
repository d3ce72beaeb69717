package sidecar

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"reflect"

	"github.com/vibnai/vibn-mcp/clients"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// mountSetup serves what connects an editor or an agent to the workspace: the installer,
// the system prompt, and the data of both for "vibn-mcp connect".
func mountSetup(mux *http.ServeMux, cfg Config) {
	serve := func(name string, write func(http.ResponseWriter, *http.Request, clients.Setup)) {
		mux.HandleFunc("GET /api/workspaces/{slug}/"+name, func(w http.ResponseWriter, r *http.Request) {
			s, err := setupOf(cfg, w, r)
			if err != nil {
				refuse(w, err)
				return
			}
			write(w, r, s)
		})
	}
	serve("bootstrap.sh", sendScript)
	serve(
		"agents.md",
		func(w http.ResponseWriter, _ *http.Request, s clients.Setup) { sendText(w, promptType, s.Prompt) },
	)
	serve("setup", func(w http.ResponseWriter, _ *http.Request, s clients.Setup) {
		out := setupOut{Workspace: s.Slug, Prompt: s.Prompt}
		if s.Gitea != nil {
			out.GitServer = clients.Root(s.Gitea)
		}
		answer(w, out)
	})
}

// setupOperations describes the routes of setup.
func setupOperations() []mcp.Operation {
	const one = "GET /api/workspaces/{slug}/"
	return []mcp.Operation{
		{
			Route: one + "bootstrap.sh", ID: "bootstrap",
			Summary: "The script that connects a folder's editors and agents, with the caller's key in it",
			Text:    scriptType,
			Query:   reflect.TypeFor[scriptQuery](),
		},
		{
			Route: one + "agents.md", ID: "agents", Summary: "The system prompt of the workspace's agents",
			Text: promptType,
		},
		{
			Route: one + "setup", ID: "setup", Summary: "What a folder is connected with, for vibn-mcp connect",
			Output: reflect.TypeFor[setupOut](),
		},
	}
}

type scriptQuery struct {
	Key string `json:"key,omitempty" jsonschema:"leave the key out: the script asks for it at the terminal" enum:"ask"`
}

const (
	scriptType = "text/x-shellscript"
	promptType = "text/markdown"
)

// setupOut does not contain the server's address: the key goes to the address that the
// person gave.
type setupOut struct {
	Workspace string `json:"workspace"`
	GitServer string `json:"git_server,omitempty"`
	Prompt    string `json:"prompt"`
}

// setupOf opens the caller's workspace and returns what a folder is connected to. Its
// addresses come from the configuration, not from the request.
func setupOf(cfg Config, w http.ResponseWriter, r *http.Request) (clients.Setup, error) {
	scope, leave, err := cfg.enter(w, r)
	if err != nil {
		return clients.Setup{}, err
	}
	defer leave()
	return cfg.setup(r.Context(), scope)
}

// setup returns what a folder is connected to.
func (c Config) setup(ctx context.Context, scope *tenancy.Scope) (clients.Setup, error) {
	b, err := hosting.BriefOf(ctx, scope)
	if err != nil {
		return clients.Setup{}, err
	}
	w := clients.Workspace{Slug: b.Slug, Name: b.Name, Org: b.Org, Projects: b.Projects}
	if b.GitServer != "" {
		if w.Gitea, err = url.Parse(b.GitServer); err != nil {
			return clients.Setup{}, err
		}
	}
	return clients.Setup{URL: c.PublicURL, Slug: b.Slug, Gitea: w.Gitea, Prompt: w.Prompt()}, nil
}

// sendScript sends the installer. It contains the caller's key, unless the script is to
// ask for it.
func sendScript(w http.ResponseWriter, r *http.Request, s clients.Setup) {
	var key secret.Text
	switch r.URL.Query().Get("key") {
	case "":
		key = secret.NewText(mcp.Bearer(r))
	case "ask":
	default:
		refuse(w, &tenancy.Error{
			Code: tenancy.Invalid, Msg: `"ask" is all that key may be here`,
			Hint: "send the key in the Authorization header, which is not logged",
		})
		return
	}
	sendText(w, scriptType, s.Script(key))
}

func sendText(w http.ResponseWriter, kind, text string) {
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	_, _ = io.WriteString(w, text) //nolint:gosec // it is said not to be a page; the client is gone if this fails
}
