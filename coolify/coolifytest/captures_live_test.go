package coolifytest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A liveCapture is one request to a Coolify with a Docker host behind it, and its answer.
type liveCapture struct {
	Request struct {
		Method, Path, Token string
		Body                any
	}
	Status int
	Answer any
}

// A liveCase is what the captures of one kind of answer have in common.
type liveCase struct {
	one     liveCapture
	answers *form
}

var capturedID = regexp.MustCompile(`\b[a-z0-9]{24}\b`)

// ofTheHost matches what differs from server to server, as the other captures are of one
// without Docker and a proxy and the simulator answers as that one, and what is null until
// it has happened.
var ofTheHost = regexp.MustCompile(`^\S*(\.server\.|\.team\.description|\.settings\.docker|\.settings\.compose|\.proxy\.|^\.description)|is null, want`)

// liveCases reads the captures, by operation, status, and whether the token reads what is
// sensitive.
func liveCases(t *testing.T) map[string]*liveCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared(t, "captures"), "coolify-live", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSim(t, Config{})
	cases := map[string]*liveCase{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c liveCapture
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		path, query, _ := strings.Cut(strings.TrimPrefix(c.Request.Path, "/api/v1"), "?")
		rt, _ := s.routeOf(c.Request.Method, prefix+path)
		if rt == nil {
			continue // vibn-mcp does not ask for it
		}
		c.Request.Path = rt.pattern + "?" + capturedID.ReplaceAllString(query, "WEB")
		name := fmt.Sprintf("%s %s %d", c.Request.Method, rt.pattern, c.Status)
		if strings.Contains(c.Request.Token, "sensitive") {
			name += " sensitive"
		}
		if cases[name] == nil {
			cases[name] = &liveCase{c, &form{}}
		}
		cases[name].answers.learn(c.Answer)
	}
	return cases
}

// TestAnswersHaveTheShapeOfLiveCaptures makes each kind of captured request to the simulator,
// in the state that the server was in, and compares status, keys and JSON types.
func TestAnswersHaveTheShapeOfLiveCaptures(t *testing.T) {
	cases := liveCases(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Config{})
			path, body := s.prepareLive(t, name, c.one)
			token := ordinary
			if strings.HasSuffix(name, "sensitive") {
				token = revealer
			}
			got := s.as(token...).do(c.one.Request.Method, path, body)
			if got.status != c.one.Status {
				t.Fatalf("status %d, want %d; %s", got.status, c.one.Status, got.text)
			}
			if text, ok := c.one.Answer.(string); ok {
				if got.text != text {
					t.Errorf("body %q, want %q", got.text, text)
				}
				return
			}
			for _, problem := range c.answers.judge(got.json(), "") {
				if !ofTheHost.MatchString(problem) {
					t.Error(problem)
				}
			}
		})
	}
	if len(cases) < 35 {
		t.Errorf("%d kinds of answers, want at least 35", len(cases))
	}
}

// prepareLive brings about the state that a captured answer needs, and returns the request
// with the simulator's ids.
func (s *sim) prepareLive(t *testing.T, name string, c liveCapture) (path, body string) {
	t.Helper()
	path = strings.NewReplacer("WEB", s.web.UUID, "{server_uuid}", s.Hosts()[0].UUID).Replace(c.Request.Path)
	id := s.web.UUID
	switch {
	case c.Status == 404:
		id = strings.Repeat("z", 24)
	case strings.Contains(path, "/deployments/{uuid}"):
		id = s.liveDeployment(name).UUID
	case strings.Contains(path, "/databases/{uuid}"):
		id = s.liveDatabase(name).UUID
	case strings.Contains(path, "/destinations/{uuid}"):
		id = s.liveDestination(name)
	case strings.Contains(path, "/servers/{uuid}"):
		id = s.Hosts()[0].UUID
	case strings.Contains(path, "/logs") && c.Status == 200:
		s.SetApp(id, func(a *App) { a.Status, a.Logs = running, "one\ntwo\n" })
	case strings.HasPrefix(name, "GET /deployments/applications"), strings.HasPrefix(name, "GET /deployments 200"):
		s.AddDeployment(id, Deployment{Status: InProgress, Logs: []LogLine{{Output: "one"}}})
		s.AddDeployment(id, Deployment{Status: Finished})
	}
	path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, id)
	if strings.HasSuffix(name, "private-deploy-key 400") { // which of two
		s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Name: "second", Network: "second"})
	}
	if c.Request.Body == nil {
		return path, ""
	}
	return path, s.liveBody(t, name, c.Request.Body)
}

func (s *sim) liveDeployment(name string) Deployment {
	status := InProgress
	if strings.HasSuffix(name, "cancel 400") {
		status = Cancelled
	}
	return s.AddDeployment(s.web.UUID, Deployment{Status: status, Logs: []LogLine{{Output: "one"}, {Output: "two"}}})
}

func (s *sim) liveDatabase(name string) Database {
	d := Database{}
	if strings.HasSuffix(name, "start 400") || strings.HasSuffix(name, "stop 200") {
		d.Status = healthy
	}
	return s.AddDatabase(s.alpha.Environments[0].UUID, d)
}

// liveDestination returns a destination, with something in it where deleting it is refused.
func (s *sim) liveDestination(name string) (uuid string) {
	d := s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Name: "mine", Network: "mine"})
	if strings.HasSuffix(name, "409") {
		s.AddApp(s.alpha.Environments[0].UUID, App{Name: "in it", DestinationUUID: d.UUID})
	}
	return d.UUID
}

// liveBody returns a captured body with the simulator's ids.
func (s *sim) liveBody(t *testing.T, name string, captured any) string {
	t.Helper()
	if fields, ok := captured.(map[string]any); ok {
		for field, ours := range map[string]string{
			"project_uuid": s.alpha.UUID, "server_uuid": s.Hosts()[0].UUID, "private_key_uuid": s.newKey(),
			"destination_uuid": s.Hosts()[0].DestinationUUID,
		} {
			if _, there := fields[field]; there {
				fields[field] = ours
			}
		}
		if network, ok := fields["network"].(string); ok && strings.HasSuffix(name, "409") {
			s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Name: "theirs", Network: network})
		}
	}
	raw, err := json.Marshal(captured)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
