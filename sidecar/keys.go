package sidecar

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// keyList is a page of keys.
type keyList struct {
	Keys      []people.KeyInfo `json:"keys"`
	Truncated bool             `json:"truncated"`
	Cursor    string           `json:"next_cursor,omitempty"`
}

func keyListOf(p people.KeyPage) keyList {
	return keyList{people.KeyInfos(p.Keys, time.Now()), p.Next != "", p.Next}
}

// keyQuery says which keys a caller wants.
type keyQuery struct {
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"36"`
	Limit  int    `json:"limit,omitempty" jsonschema:"most keys to return" min:"1" max:"200" default:"200"`
	State  string `json:"state,omitempty" jsonschema:"only keys in force, or only those that ended" enum:"active,ended"`
}

// keyQueryOf reads the query of a list of keys.
func keyQueryOf(r *http.Request) (people.KeyQuery, error) {
	asked := r.URL.Query()
	q := people.KeyQuery{State: people.KeyFilter(asked.Get("state")), After: asked.Get("cursor")}
	if limit := asked.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return q, invalid("limit must be between 1 and " + strconv.Itoa(people.MaxKeyPage))
		}
		q.Limit = n
	}
	return q, nil
}

func listKeys(_ http.ResponseWriter, r *http.Request, s *tenancy.Scope) (any, error) {
	q, err := keyQueryOf(r)
	if err != nil {
		return nil, err
	}
	page, err := people.Keys(r.Context(), s, q)
	if err != nil {
		return nil, err
	}
	return keyListOf(page), nil
}

// keyOperations describes the routes of keys.
func keyOperations() []mcp.Operation {
	const root = "/api/workspaces/{slug}/keys"
	return []mcp.Operation{
		{
			Route: "GET " + root, ID: "keys_list", Summary: "List the workspace's keys, newest first",
			Query: reflect.TypeFor[keyQuery](), Output: reflect.TypeFor[keyList](),
		},
		{
			Route: "POST " + root, ID: "key_mint",
			Summary: "Mint a key that may do no more than the caller; it is shown once",
			Input:   reflect.TypeFor[keyInput](), Output: reflect.TypeFor[people.KeyInfo](),
		},
		{
			Route: "DELETE " + root + "/{key}", ID: "key_revoke", Summary: "Revoke a key and those minted with it",
			Output: reflect.TypeFor[health](),
		},
	}
}

// revokeRoute has places of its own, so that nothing keeps a leaked key in force.
const revokeRoute = "DELETE /api/workspaces/{slug}/keys/{key}"

// mountKeys serves a workspace's keys as REST routes, to a key with the right or to a
// signed-in person.
func mountKeys(mux *http.ServeMux, cfg Config) {
	handle := func(route string, do scopeCall) {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			out, err := inScope(cfg, w, r, do)
			if err != nil {
				refuse(w, err)
				return
			}
			answer(w, out)
		})
	}
	handle("GET /api/workspaces/{slug}/keys", listKeys)
	handle("POST /api/workspaces/{slug}/keys", createKey)
	handle(revokeRoute, func(_ http.ResponseWriter, r *http.Request, s *tenancy.Scope) (any, error) {
		return health{true}, revoke(r.Context(), s, r.PathValue("key"), r.UserAgent())
	})
}

// A scopeCall answers a request in the workspace that it names.
type scopeCall func(w http.ResponseWriter, r *http.Request, s *tenancy.Scope) (any, error)

// inScope runs a call while it holds one of the workspace's places for concurrent calls.
// The answer is sent after the place is free, so a slow reader holds none.
func inScope(cfg Config, w http.ResponseWriter, r *http.Request, do scopeCall) (any, error) {
	scope, leave, err := cfg.enter(w, r)
	if err != nil {
		return nil, err
	}
	defer leave()
	out, err := do(w, r, scope)
	if err != nil {
		return nil, scope.Public(err)
	}
	return out, nil
}

func createKey(w http.ResponseWriter, r *http.Request, s *tenancy.Scope) (any, error) {
	var in keyInput
	if err := readJSON(w, r, &in); err != nil {
		return nil, err
	}
	k, key, err := mint(r.Context(), s, in, "", r.UserAgent())
	if err != nil {
		return nil, err
	}
	shown := people.Info(k, time.Now())
	shown.Key = key.Reveal()
	return shown, nil
}

// readJSON reads a body that must be JSON. A page of another origin can send a form, but
// not JSON.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := jsonBody(w, r)
	if err != nil || len(body) == 0 {
		return err
	}
	return decodeStrict(body, v)
}
