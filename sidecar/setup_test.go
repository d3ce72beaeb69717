package sidecar_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

var setupRoutes = map[string]string{
	"bootstrap.sh": "text/x-shellscript; charset=utf-8", "agents.md": "text/markdown; charset=utf-8", "setup": "application/json",
}

// getSetup asks for one of the routes that set up an editor; it must be answered.
func (s *server) getSetup(t *testing.T, path, key, host string) string {
	t.Helper()
	r := s.ask(t, question{path: "/api/workspaces/" + path, key: key, host: host})
	_, name, _ := strings.Cut(path, "/")
	name, _, _ = strings.Cut(name, "?")
	if r.status != http.StatusOK || r.header.Get("Content-Type") != setupRoutes[name] {
		t.Fatalf("%s: %d %v\n%s", path, r.status, r.header, r.body)
	}
	return r.body
}

// TestSetup: the installer holds the caller's key and no other, and addresses from
// the configuration; the prompt holds neither.
func TestSetup(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	viewer, _ := s.AddKey(t, s.A, "viewer", 0)
	for _, key := range []string{s.A.Key, viewer} {
		for name := range setupRoutes {
			text := s.getSetup(t, s.A.Slug+"/"+name, key, "localhost:4711")
			if strings.Count(text, key) != map[string]int{"bootstrap.sh": 1}[name] || strings.Contains(text, s.B.Canary) || strings.Contains(text, s.B.Slug) {
				t.Errorf("%s with the key %q holds %d of it:\n%s", name, key, strings.Count(text, key), text)
			}
			if strings.Contains(text, strings.TrimPrefix(s.url, "http://")) || strings.Contains(text, "localhost") {
				t.Errorf("%s holds the address that the request used:\n%s", name, text)
			}
			if !strings.Contains(text, s.A.Web.Name) {
				t.Errorf("%s does not name the project:\n%s", name, text)
			}
		}
	}
	script := s.getSetup(t, s.A.Slug+"/bootstrap.sh", s.A.Key, "")
	if !strings.HasPrefix(script, "#!/bin/sh\n") || !strings.Contains(script, "VIBN_URL=https://vibn.example.com\n") || !strings.Contains(script, `"url": "https://vibn.example.com/mcp"`) {
		t.Errorf("the installer is\n%s", script)
	}
	if asking := s.getSetup(t, s.A.Slug+"/bootstrap.sh?key=ask", s.A.Key, ""); strings.Contains(asking, s.A.Key) || !strings.Contains(asking, "vibn_key=''\n") {
		t.Errorf("the installer that is to ask has a key:\n%s", asking)
	}
	if r := s.ask(t, question{path: "/api/workspaces/" + s.A.Slug + "/bootstrap.sh?key=" + s.B.Key, key: s.A.Key}); r.status != 422 || strings.Contains(r.body, s.B.Key) {
		t.Errorf("a key in the query: %d %s", r.status, r.body)
	}
	for _, key := range []string{s.A.Key, viewer} {
		if strings.Contains(s.Log.String(), key) {
			t.Error("the log holds a key")
		}
	}
}

// TestSetupWall: another's slug is as nobody's, and a strange method is no route.
func TestSetupWall(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for name := range setupRoutes {
		var answers [2]reply
		for i, slug := range []string{s.B.Slug, "nobody"} {
			s.Sim.Reset()
			answers[i] = s.ask(t, question{path: "/api/workspaces/" + slug + "/" + name, key: s.A.Key})
			if ops := s.Requests(); len(ops) > 0 {
				t.Errorf("%s of %s asks Coolify %v", name, slug, ops)
			}
		}
		if answers[0].status != 404 || answers[0].body != answers[1].body || answers[0].failure(t).Code != tenancy.NotFound {
			t.Errorf("%s: of B %s, of nobody %s", name, answers[0].body, answers[1].body)
		}
		s.Sim.Reset()
		s.getSetup(t, s.A.Slug+"/"+name, s.A.Key, "")
		if w := writes(s.Requests()); len(w) > 0 {
			t.Errorf("%s wrote %v", name, w)
		}
	}
}

// TestSetupWithoutCoolify: whoever sets up an editor gets all but the projects.
func TestSetupWithoutCoolify(t *testing.T) {
	s := newServer(t, tenancytest.Config{NoGitea: true})
	for _, op := range []string{"GET /applications", "GET /projects/{uuid}/environments", "GET /projects/{uuid}/{environment_name_or_uuid}"} {
		s.Sim.Fail(op, coolifytest.Fault{Status: 503})
	}
	text := s.getSetup(t, s.A.Slug+"/agents.md", s.A.Key, "")
	if !strings.Contains(text, "`projects_list` shows its projects") || strings.Contains(text, s.A.Web.Name) || strings.Contains(text, "organisation") {
		t.Errorf("without Coolify and Gitea the prompt is\n%s", text)
	}
	s.getSetup(t, s.A.Slug+"/bootstrap.sh", s.A.Key, "")
}

// TestPromptNamesTools: what the prompt calls a tool is one.
func TestPromptNamesTools(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	known := map[string]bool{}
	for _, tool := range s.registry.Tools() {
		known[tool.WireName()] = true
	}
	text := s.getSetup(t, s.A.Slug+"/agents.md", s.A.Key, "")
	named := regexp.MustCompile("`([a-z]+_[a-z_]+)`").FindAllStringSubmatch(text, -1)
	for _, m := range named {
		if !known[m[1]] && m[1] != "wait_seconds" {
			t.Errorf("the prompt names %s, which is no tool", m[1])
		}
	}
	if len(named) < 8 {
		t.Errorf("the prompt names %d tools; does this test still see them?", len(named))
	}
	if s.GitURL != "" && !strings.Contains(text, "`"+s.A.GiteaOrg+"` at ") {
		t.Errorf("the prompt does not say where the repositories are:\n%s", text)
	}
	var out map[string]string
	if err := json.Unmarshal([]byte(s.getSetup(t, s.A.Slug+"/setup", s.A.Key, "")), &out); err != nil || out["prompt"] != text || out["workspace"] != s.A.Slug {
		t.Errorf("setup is %v (%v)", out, err)
	}
}

// TestSetupCanaries: no secret that stands in a name comes out with the prompt.
func TestSetupCanaries(t *testing.T) {
	c := newCanary(t, "sqlite")
	text := c.getSetup(t, c.A.Slug+"/setup", c.A.Key, "") + c.getSetup(t, c.A.Slug+"/agents.md", c.A.Key, "") +
		strings.Replace(c.getSetup(t, c.A.Slug+"/bootstrap.sh", c.A.Key, ""), c.A.Key, "", 1)
	for _, s := range c.secrets {
		if strings.Contains(text, s) {
			t.Errorf("%q comes out", s)
		}
	}
}
