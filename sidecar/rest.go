package sidecar

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// The answers of routes that are no tool's.
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

// operations describes the routes that are no tool's.
func operations() []mcp.Operation {
	return append(adminOperations(), []mcp.Operation{
		{Route: "GET /", ID: "about", Summary: "What is served here", Open: true, Output: reflect.TypeFor[about]()},
		{Route: "GET /healthz", ID: "health", Summary: "Whether the server runs", Open: true, Output: reflect.TypeFor[health]()},
		{Route: "GET /readyz", ID: "ready", Summary: "Whether the server can serve", Open: true, Output: reflect.TypeFor[health]()},
		{Route: "GET /api/openapi.json", ID: "openapi", Summary: "This document", Open: true, Output: reflect.TypeFor[json.RawMessage]()},
		{Route: "GET /api/workspaces", ID: "workspaces_list", Summary: "List the key's workspaces", Output: reflect.TypeFor[workspaces]()},
		{
			Route: "POST /api/workspaces/{slug}/provision", ID: "workspace_provision", Summary: "Look at the workspace's parts again",
			Output: reflect.TypeFor[provisioning](),
		},
	}...)
}

// mountTools serves each tool at its Route, and the list of the caller's
// workspaces.
func mountTools(mux *http.ServeMux, cfg Config) {
	mux.HandleFunc("GET /api/workspaces", func(w http.ResponseWriter, r *http.Request) {
		scope, err := mcp.OpenBearer(cfg.Guard, r)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, workspaces{[]tenancy.WorkspaceInfo{scope.Info()}})
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

// provision wants the parts of the caller's workspace looked at again.
func provision(cfg Config, r *http.Request) (tenancy.ProvisionStatus, error) {
	scope, err := mcp.OpenBearer(cfg.Guard, r)
	if err != nil {
		return "", err
	}
	if err := scope.CheckClaim(r.PathValue("slug")); err != nil {
		return "", err
	}
	act, err := scope.Begin(r.Context(), tenancy.Call{Tool: "workspace.provision", Needs: tenancy.Write, Client: r.UserAgent()})
	if err != nil {
		return "", err
	}
	status, err := act.Provision(r.Context())
	act.End(r.Context(), err)
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

// A twin is a tool as a REST route.
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
	scope, err := mcp.OpenBearer(t.cfg.Guard, r)
	if err != nil {
		return nil, err
	}
	if err := scope.CheckClaim(r.PathValue("slug")); err != nil {
		return nil, err
	}
	leave, err := scope.Enter()
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

// args puts a tool's arguments together: those in the path, and the query of a
// GET or the JSON body of anything else.
func (t *twin) args(w http.ResponseWriter, r *http.Request) (json.RawMessage, error) {
	args, err := t.input(w, r)
	if err != nil {
		return nil, err
	}
	for _, name := range t.params {
		if _, twice := args[name]; twice {
			return nil, invalid(name + " is named by the path; leave it out elsewhere")
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
	body, err := mcp.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	args := map[string]any{}
	if len(body) == 0 {
		return args, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &tenancy.Error{Code: tenancy.Invalid, Msg: "the body is not said to be JSON", Hint: "send Content-Type: application/json"}
	}
	if err := json.Unmarshal(body, &args); err != nil || args == nil {
		return nil, invalid("the body is not a JSON object")
	}
	return args, nil
}

func invalid(msg string) error { return &tenancy.Error{Code: tenancy.Invalid, Msg: msg} }
