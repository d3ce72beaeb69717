package sidecar

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// These are the answers of routes outside the tools.
type (
	workspaces struct {
		Workspaces []tenancy.WorkspaceInfo `json:"workspaces"`
	}
	provisioning struct {
		Status tenancy.ProvisionStatus `json:"status"`
	}
	health struct {
		OK bool `json:"ok"`
	}
	about struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		MCPURL  string `json:"mcp_url"`
	}
)

// operations describes the routes outside the tools.
func operations() []mcp.Operation {
	return slices.Concat(adminOperations(), setupOperations(), keyOperations(), []mcp.Operation{
		{Route: "GET /", ID: "about", Summary: "What is served here", Open: true, Output: reflect.TypeFor[about]()},
		{
			Route: "GET /healthz", ID: "health", Summary: "Whether the server runs", Open: true,
			Output: reflect.TypeFor[health](),
		},
		{
			Route: "GET /readyz", ID: "ready", Summary: "Whether the server can serve", Open: true,
			Output: reflect.TypeFor[health](),
		},
		{
			Route: "GET /api/openapi.json", ID: "openapi", Summary: "This document", Open: true,
			Output: reflect.TypeFor[json.RawMessage](),
		},
		{
			Route: "GET /api/workspaces", ID: "workspaces_list", Summary: "List the key's workspaces",
			Output: reflect.TypeFor[workspaces](),
		},
		{
			Route: "POST /api/workspaces/{slug}/provision", ID: "workspace_provision",
			Summary: "Check the workspace's parts again",
			Output:  reflect.TypeFor[provisioning](),
		},
	})
}

// mountTools serves each tool at its Route, and the list of the caller's workspaces.
func mountTools(mux *http.ServeMux, cfg Config) {
	mux.HandleFunc("GET /api/workspaces", func(w http.ResponseWriter, r *http.Request) {
		list, err := workspacesOf(cfg, r)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, workspaces{list})
	})
	mux.HandleFunc("POST /api/workspaces/{slug}/provision", func(w http.ResponseWriter, r *http.Request) {
		status, err := provision(cfg, r)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, provisioning{status})
	})
	doc, err := cfg.Registry.OpenAPI(cfg.PublicURL.String(), cfg.Version, operations()...)
	mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			refuse(w, err)
			return
		}
		send(w, http.StatusOK, doc)
	})
	for _, t := range cfg.Registry.Tools() {
		method, path, _ := strings.Cut(t.Route, " ")
		path = strings.TrimSuffix("/api/workspaces/{slug}"+path, "/")
		mux.Handle(method+" "+path, &twin{cfg: cfg, tool: t.Name, params: pathParams(path)})
	}
}

// workspacesOf lists the workspace of a key, or those of a person.
func workspacesOf(cfg Config, r *http.Request) ([]tenancy.WorkspaceInfo, error) {
	if !cfg.site.hasSession(r) {
		scope, err := mcp.OpenBearer(cfg.Guard, r)
		if err != nil {
			return nil, err
		}
		return []tenancy.WorkspaceInfo{scope.Info()}, nil
	}
	u, err := cfg.site.person(r.Context())
	if err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, errSignedOut
	}
	return cfg.site.accounts.Workspaces(r.Context(), u.ID)
}

// provision requests a check of the parts of the caller's workspace.
func provision(cfg Config, r *http.Request) (tenancy.ProvisionStatus, error) {
	scope, err := cfg.open(r)
	if err != nil {
		return "", err
	}
	return wantParts(r.Context(), scope, r.UserAgent())
}

// wantParts requests a check of the workspace's parts, with an entry in the audit trail.
func wantParts(ctx context.Context, scope *tenancy.Scope, client string) (status tenancy.ProvisionStatus, err error) {
	call := tenancy.Call{Tool: "workspace.provision", Needs: tenancy.Write, Client: client}
	err = act(ctx, scope, call, func(s *tenancy.Scope) error {
		status, err = people.RequestProvision(ctx, s)
		return err
	})
	return status, err
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// pathParams returns the names in a path that are arguments of the tool.
func pathParams(path string) []string {
	var names []string
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		if m[1] != "slug" {
			names = append(names, m[1])
		}
	}
	return names
}

// A twin serves a tool as a REST route.
type twin struct {
	cfg    Config
	tool   string
	params []string
}

func (t *twin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := t.call(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, http.StatusOK, out)
}

func (t *twin) call(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	scope, leave, err := t.cfg.enter(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	args, err := t.args(w, r)
	if err != nil {
		return nil, err
	}
	return t.cfg.Registry.Call(r.Context(), scope, mcp.Request{Tool: t.tool, Args: args, Client: r.UserAgent()})
}

// args combines a tool's arguments: those in the path, and the query of a GET or the JSON
// body of any other method.
func (t *twin) args(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	args, err := t.input(w, r)
	if err != nil {
		return nil, err
	}
	if err := t.cfg.refuseReveal(r, args); err != nil {
		return nil, err
	}
	for _, name := range t.params {
		if _, twice := args[name]; twice {
			return nil, invalid(name + " is given by the path; leave it out of the query and the body")
		}
		args[name] = r.PathValue(name)
	}
	return json.Marshal(args)
}

func (t *twin) input(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, invalid("the query is not well-formed")
		}
		return t.cfg.Registry.FromQuery(t.tool, query), nil
	}
	if r.URL.RawQuery != "" {
		return nil, invalid("this route takes its arguments in a JSON body, not in the query")
	}
	body, err := jsonBody(w, r)
	args := map[string]any{}
	if err != nil || len(body) == 0 {
		return args, err
	}
	if err := json.Unmarshal(body, &args); err != nil || args == nil {
		return nil, invalid("the body is not a JSON object")
	}
	return args, nil
}

// jsonBody reads a body that is empty, or declared as JSON.
func jsonBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := mcp.ReadBody(w, r, mcp.MaxBody)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "the body's Content-Type is not " +
				"JSON", Hint: "send Content-Type: application/json",
		}
	}
	return body, nil
}

func invalid(msg string) error { return &tenancy.Error{Code: tenancy.Invalid, Msg: msg} }
