package sidecar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// A server is a house with its HTTP server.
type server struct {
	*tenancytest.House
	registry *mcp.Registry
	url      string
	client   *http.Client
	handler  http.Handler
}

func newServer(t testing.TB, cfg tenancytest.Config) *server {
	t.Helper()
	return newServerWith(t, cfg, nil)
}

// newServerWith is newServer with a provider that people sign in with.
func newServerWith(t testing.TB, cfg tenancytest.Config, p *sidecar.Provider) *server {
	t.Helper()
	h := tenancytest.New(t, cfg)
	s := &server{House: h, registry: mcp.New(h.Logger)}
	srv := httptest.NewUnstartedServer(nil)
	s.handler = sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: s.registry, PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"},
		Ready: func(context.Context) error { return nil }, Version: "test", Log: h.Logger, Migrate: h.DB.Migrate, Sessions: h.DB.Sessions(), Provider: p,
	})
	srv.Config.Handler = s.handler
	srv.Start()
	t.Cleanup(srv.Close)
	s.url, s.client = srv.URL, srv.Client()
	return s
}

// send sends a request and returns status, body and the headers that tell
// something, as one text.
func (s *server) send(t testing.TB, method, path, key, body string) (int, string) {
	t.Helper()
	r := s.ask(t, question{method: method, path: path, key: key, body: body})
	r.header.Del("Date")
	r.header.Del("Content-Length") // it repeats the body's length
	var head bytes.Buffer
	if err := r.header.Write(&head); err != nil {
		t.Fatal(err)
	}
	return r.status, head.String() + r.body
}

// A door calls a tool and returns all that the caller sees.
type door struct {
	name   string
	rights tenancy.Rights
	call   func(t testing.TB, tool mcp.Tool, args map[string]any) string
}

// doors lists every way in, for every kind of principal of a tenant.
func (s *server) doors(t testing.TB, x *tenancytest.Tenant) []door {
	t.Helper()
	var doors []door
	for _, preset := range tenancy.Presets() {
		key, _ := s.AddKey(t, x, preset.Name, 0)
		doors = append(doors,
			door{"mcp/" + preset.Name, preset.Rights, func(t testing.TB, tool mcp.Tool, args map[string]any) string {
				return s.overMCP(t, tool, key, args)
			}},
			door{"rest/" + preset.Name, preset.Rights, func(t testing.TB, tool mcp.Tool, args map[string]any) string {
				return s.overREST(t, tool, x.Slug, key, args)
			}},
		)
	}
	for _, role := range []tenancy.Role{tenancy.RoleOwner, tenancy.RoleAdmin, tenancy.RoleMember} {
		user := "person-" + string(role)
		if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: x.ID, UserID: user, Role: role}); err != nil {
			t.Fatal(err)
		}
		doors = append(doors, door{"member/" + string(role), role.Rights(), func(t testing.TB, tool mcp.Tool, args map[string]any) string {
			return s.asMember(t, tool, x.Slug, user, args)
		}})
		g := s.signedIn(t, x, user)
		doors = append(doors, door{"session/" + string(role), role.Rights(), func(t testing.TB, tool mcp.Tool, args map[string]any) string {
			return g.call(t, tool, x.Slug, args)
		}})
	}
	return doors
}

func (s *server) overMCP(t testing.TB, tool mcp.Tool, key string, args map[string]any) string {
	t.Helper()
	_, answer := s.send(t, "POST", "/mcp", key, encode(t, map[string]any{
		"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": map[string]any{"name": tool.WireName(), "arguments": args},
	}))
	return answer
}

// overREST calls a tool's twin.
func (s *server) overREST(t testing.TB, tool mcp.Tool, slug, key string, args map[string]any) string {
	t.Helper()
	method, path, body := twinOf(t, tool, slug, args)
	_, answer := s.send(t, method, path, key, body)
	return answer
}

// twinOf writes a call as a request to the tool's twin: arguments go into the
// path where it names them, the rest into the query of a GET or the body.
func twinOf(t testing.TB, tool mcp.Tool, slug string, args map[string]any) (method, path, body string) {
	t.Helper()
	method, path, _ = strings.Cut(tool.Route, " ")
	rest := maps.Clone(args)
	for name, v := range args {
		if text, ok := v.(string); ok && strings.Contains(path, "{"+name+"}") {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(text))
			delete(rest, name)
		}
	}
	path = "/api/workspaces/" + slug + strings.TrimSuffix(path, "/")
	if method != "GET" {
		return method, path, encode(t, rest)
	}
	query := url.Values{}
	for name, v := range rest {
		if text, ok := v.(string); ok {
			query.Set(name, text)
		} else {
			query.Set(name, encode(t, v))
		}
	}
	return method, path + "?" + query.Encode(), ""
}

func (s *server) asMember(t testing.TB, tool mcp.Tool, slug, user string, args map[string]any) string {
	t.Helper()
	scope, err := s.Guard.OpenMember(t.Context(), user, slug, time.Now())
	if err != nil {
		return string(mcp.FailureOf(err).JSON())
	}
	out, err := s.registry.Call(t.Context(), scope, mcp.Request{Tool: tool.Name, Args: json.RawMessage(encode(t, args))})
	if err != nil {
		return string(mcp.FailureOf(err).JSON())
	}
	return string(out)
}

func encode(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// with returns a copy of args with one of them replaced.
func with(args map[string]any, name string, v any) map[string]any {
	c := maps.Clone(args)
	c[name] = v
	return c
}

func writes(ops []string) []string {
	return slices.DeleteFunc(slices.Clone(ops), func(op string) bool { return strings.HasPrefix(op, "GET ") })
}
