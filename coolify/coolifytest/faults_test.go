package coolifytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

const startOp = "POST /applications/{uuid}/start"

func TestFault(t *testing.T) {
	s := newSim(t, Config{})
	start := "/applications/" + s.web.UUID + "/start"
	s.Fail(startOp, Fault{Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}, Times: 1})
	got := s.do("POST", start, "")
	if got.status != 502 || got.text != "<html>" || got.header.Get("Content-Type") != "text/html" {
		t.Errorf("fault = %d %q %q, want 502 <html> text/html", got.status, got.text, got.header.Get("Content-Type"))
	}
	if n := len(s.Deployments(s.web.UUID)); n != 0 {
		t.Errorf("a fault before the change left %d deployments, want 0", n)
	}
	s.do("POST", start, "").ok(200) // Times is over
	s.Fail(startOp, Fault{Status: 500, Body: "{}", After: true})
	s.do("POST", start+"?force=true", "").ok(500)
	s.do("POST", start+"?force=true", "").ok(500)
	if n := len(s.Deployments(s.web.UUID)); n != 3 {
		t.Errorf("%d deployments, want 3: one, and two behind the fault", n)
	}
	s.Clear(startOp)
	s.do("POST", start+"?force=true", "").ok(200)
	s.Fail("unknown", Fault{Header: http.Header{"Retry-After": {"7"}}})
	if got := s.do("GET", "/nothing", ""); got.status != 404 || got.header.Get("Retry-After") != "7" {
		t.Errorf("fault with a header alone = %d %v, want the ordinary 404 and the header", got.status, got.header)
	}
}

func TestFaultCut(t *testing.T) {
	s := newSim(t, Config{})
	s.Fail("POST /projects", Fault{Cut: true})
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+prefix+"/projects", strings.NewReader(`{"name":"gamma"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {typeJSON}, "Content-Type": {typeJSON}, "Authorization": {"Bearer " + s.token}}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(text) == 0 || resp.StatusCode != 201 {
		t.Errorf("cut answer = %d %q, %v; want 201, half of it and an unexpected EOF", resp.StatusCode, text, err)
	}
	if n := len(s.Projects()); n != 3 {
		t.Errorf("%d projects, want 3: the answer is lost, the project is not", n)
	}
}

// try sends a request that may be broken off.
func (s *sim) try(method, path, body string) error {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+prefix+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {typeJSON}, "Content-Type": {typeJSON}, "Authorization": {"Bearer " + s.token}}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // which would try again by itself
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

func TestFaultDrop(t *testing.T) {
	for after, want := range map[bool]int{false: 2, true: 3} {
		s := newSim(t, Config{})
		s.Fail("POST /projects", Fault{Drop: true, After: after, Skip: 1, Times: 1})
		s.do("POST", "/projects", `{"name":"skipped"}`).ok(201)
		if err := s.try("POST", "/projects", `{"name":"dropped"}`); err == nil {
			t.Error("answered, want the connection to break")
		}
		if n := len(s.Projects()); n != want+1 {
			t.Errorf("after = %v: %d projects, want %d", after, n, want+1)
		}
		s.do("POST", "/projects", `{"name":"again"}`).ok(201) // Times is over
	}
}

// TestCrashAt: a program that dies has made what it made before, and nothing
// after, whatever it asks for.
func TestCrashAt(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 3; n++ {
			s := newSim(t, Config{})
			s.CrashAt(n, after)
			made := 0
			for i := range 4 {
				read := s.try("GET", "/version", "")
				write := s.try("POST", "/projects", fmt.Sprintf(`{"name":"made-%d"}`, i))
				if alive := i < n-1; (write == nil) != alive {
					t.Errorf("crash at %d, after = %v: write %d: %v", n, after, i+1, write)
				}
				if alive := i < n; (read == nil) != alive {
					t.Errorf("crash at %d, after = %v: read before write %d: %v", n, after, i+1, read)
				}
			}
			for _, p := range s.Snapshot().Projects {
				if strings.HasPrefix(p.Name, "made-") {
					made++
				}
			}
			want := n - 1
			if after {
				want = n
			}
			if made != want {
				t.Errorf("crash at %d, after = %v: %d projects made, want %d", n, after, made, want)
			}
			if !s.Revive() {
				t.Errorf("crash at %d was not reached", n)
			}
			s.do("GET", "/version", "").ok(200)
		}
	}
	s := newSim(t, Config{})
	s.CrashAt(1, false)
	if s.do("GET", "/version", "").ok(200); s.Revive() {
		t.Error("a crash point that was not reached counts as one")
	}
}

func TestOnRequest(t *testing.T) {
	s := newSim(t, Config{})
	var seen []string
	s.OnRequest(func(r Request) error {
		seen = append(seen, fmt.Sprintf("%s %d", r.Operation, r.Status))
		if r.Status == 201 && strings.Contains(r.Body, "lost") {
			return errors.New("the program died")
		}
		return nil
	})
	s.do("POST", "/projects", `{"name":"kept"}`).ok(201)
	if err := s.try("POST", "/projects", `{"name":"lost"}`); err == nil {
		t.Error("an error of the callback must break the connection")
	}
	s.OnRequest(nil)
	s.do("GET", "/version", "").ok(200)
	if diff := cmp.Diff([]string{"POST /projects 0", "POST /projects 201", "POST /projects 0", "POST /projects 201"}, seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if n := len(s.Projects()); n != 4 {
		t.Errorf("%d projects, want 4", n)
	}
}

func TestFaultHang(t *testing.T) {
	s := newSim(t, Config{})
	s.Fail(startOp, Fault{Hang: true, After: true})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", s.url+prefix+"/applications/"+s.web.UUID+"/start", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {typeJSON}, "Authorization": {"Bearer " + s.token}}
	arrived := make(chan error)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		arrived <- err
	}()
	for len(s.Deployments(s.web.UUID)) == 0 { // the change comes before the silence
		select {
		case err := <-arrived:
			t.Fatalf("answered with %v, want silence", err)
		default:
		}
	}
	cancel()
	if err := <-arrived; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the client's own cancelling", err)
	}
	if got := s.Requests()[0].Status; got != 0 {
		t.Errorf("status of a request never answered = %d, want 0", got)
	}
}

func TestFaultGate(t *testing.T) {
	s := newSim(t, Config{})
	gate := make(chan struct{})
	s.Fail("GET /version", Fault{Gate: gate})
	answered := make(chan result)
	go func() { answered <- s.do("GET", "/version", "") }()
	select {
	case <-answered:
		t.Fatal("answered before the gate was open")
	case gate <- struct{}{}:
	}
	if got := <-answered; got.text != Version43 {
		t.Errorf("after the gate = %q, want the ordinary answer", got.text)
	}
}

func TestSlowSSH(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.Status, a.Logs = "running:healthy", "hello\n" })
	d := s.AddDeployment(s.web.UUID, Deployment{Status: InProgress})
	gate := make(chan struct{})
	s.SlowSSH(gate)
	answered := make(chan result, 2)
	go func() { answered <- s.do("GET", "/applications/"+s.web.UUID+"/logs", "") }()
	go func() { answered <- s.do("POST", "/deployments/"+d.UUID+"/cancel", "") }()
	for now, _ := s.Deployment(d.UUID); now.Status != Cancelled; now, _ = s.Deployment(d.UUID) { // flipped while the host is slow
		s.do("GET", "/version", "").ok(200) // and the rest goes on
	}
	select {
	case got := <-answered:
		t.Fatalf("answered %q while the host was slow", got.text)
	default:
	}
	close(gate)
	for range 2 {
		(<-answered).ok(200)
	}
	s.SetHost(s.Hosts()[0].UUID, func(h *Host) { h.Unreachable = true })
	s.do("GET", "/applications/"+s.web.UUID+"/logs", "").is(500, `{"message":"Server Error"}`)
}

func TestRequests(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	s.do("GET", "/projects", "", "Authorization", "Bearer 0|x").ok(401)
	s.do("PUT", "/projects", "").ok(404)
	s.do("POST", "/applications/"+s.web.UUID+"/start?force=1", `{"instant_deploy":false}`).ok(200)
	got := s.Requests()
	path := prefix + "/applications/" + s.web.UUID + "/start"
	want := []Request{
		{Request: upstreamtest.Request{Operation: "GET /projects", Method: "GET", Path: prefix + "/projects", Status: 401, At: now.at}},
		{
			Request: upstreamtest.Request{
				Operation: "unknown", Method: "PUT", Path: prefix + "/projects", Status: 404, Write: true, At: now.at,
			},
			TokenID: 1, Abilities: ordinary,
		},
		{
			Request: upstreamtest.Request{
				Operation: startOp, Method: "POST", Path: path, Query: "force=1", Body: `{"instant_deploy":false}`,
				Status: 200, Write: true, At: now.at,
			},
			TokenID: 1, Abilities: ordinary,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Requests (-want +got):\n%s", diff)
	}
	s.Reset()
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("after Reset: %d requests, want 0", len(got))
	}
	if len(s.Deployments(s.web.UUID)) != 1 {
		t.Error("Reset forgot more than the requests")
	}
}

func TestViolations(t *testing.T) {
	for _, tc := range []struct {
		name, method, path, body string
		headers                  []string
		want                     []string
	}{
		{name: "clean", method: "GET", path: "/applications/WEB"},
		{name: "clean create", method: "POST", path: "/projects", body: `{"name":"gamma"}`},
		{"uuid in query", "GET", "/projects/ALPHA?uuid=x", "", nil, []string{"GET /projects/{uuid}: uuid in the query beside the one in the path"}},
		{"uuid in body", "POST", "/applications/WEB/start", `{"uuid":"x"}`, nil, []string{startOp + ": uuid in the body beside the one in the path"}},
		{
			"environment in query", "DELETE", "/projects/ALPHA/environments/x?environment_name_or_uuid=y", "", nil,
			[]string{"DELETE /projects/{uuid}/environments/{environment_name_or_uuid}: environment_name_or_uuid in the query beside the one in the path"},
		},
		{"immune route too", "GET", "/applications/WEB?uuid=x", "", nil, []string{"GET /applications/{uuid}: uuid in the query beside the one in the path"}},
		{"no Accept", "GET", "/projects", "", []string{"Accept", "*/*"}, []string{"GET /projects: no Accept: application/json"}},
		{"empty uuid", "GET", "/applications/", "", nil, []string{"GET /applications: an empty path segment", "GET /applications: it is for the whole team"}},
		{"empty uuid inside", "GET", "/applications//envs", "", nil, []string{"unknown: an empty path segment"}},
		{"team-wide list", "GET", "/applications", "", nil, []string{"GET /applications: it is for the whole team"}},
		{"deploy of many", "POST", "/deploy?uuid=WEB", "", nil, []string{"POST /deploy: it is for the whole team"}},
		{
			"fields not for tenants", "PATCH", "/applications/WEB", `{"force_domain_override":true,"custom_docker_run_options":"--privileged","custom_labels":"YQ=="}`, nil,
			[]string{
				"PATCH /applications/{uuid}: force_domain_override in the body",
				"PATCH /applications/{uuid}: custom_docker_run_options in the body",
				"PATCH /applications/{uuid}: custom_labels in the body",
			},
		},
		{
			"what a build runs", "PATCH", "/applications/WEB", `{"build_command":"x","ports_mappings":"1:1"}`, nil,
			[]string{"PATCH /applications/{uuid}: ports_mappings in the body", "PATCH /applications/{uuid}: build_command in the body"},
		},
		{
			"two domains", "PATCH", "/applications/WEB", `{"domains":"https://a.example.com,https://b.example.com"}`, nil,
			[]string{"PATCH /applications/{uuid}: domains that are not one URL of a host name"},
		},
		{
			"a domain with a path", "POST", "/applications/private-deploy-key", `{"domains":"https://a.example.com/x"}`, nil,
			[]string{"POST /applications/private-deploy-key: domains that are not one URL of a host name"},
		},
		{name: "one domain", method: "PATCH", path: "/applications/WEB", body: `{"domains":"https://a.example.com"}`},
		{name: "no domain", method: "PATCH", path: "/applications/WEB", body: `{"domains":null}`},
		{name: "ids in a create", method: "POST", path: "/databases/redis", body: `{"project_uuid":"ALPHA","server_uuid":"x"}`},
		{
			"a database for everybody", "POST", "/databases/redis", `{"is_public":true,"public_port":6379}`, nil,
			[]string{"POST /databases/redis: a database that is reached from outside", "POST /databases/redis: public_port in the body"},
		},
		{"backups", "GET", "/databases/x/backups", "", nil, []string{"GET /databases/{uuid}/backups: its answer may be about another's database"}},
		{"databases of all", "GET", "/databases", "", nil, []string{"GET /databases: it is for the whole team"}},
		{"sensitive token", "GET", "/projects", "", []string{"Authorization", "revealer"}, []string{"GET /projects: with a token that sees secrets"}},
		{name: "sensitive token in its place", method: "GET", path: "/applications/WEB/envs", headers: []string{"Authorization", "revealer"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSim(t, Config{})
			s.t = t
			headers := slices.Clone(tc.headers)
			if i := slices.Index(headers, "revealer"); i >= 0 {
				headers[i] = "Bearer " + s.Token(revealer...)
			}
			s.do(tc.method, strings.NewReplacer("WEB", s.web.UUID, "ALPHA", s.alpha.UUID).Replace(tc.path), tc.body, headers...)
			s.violated(tc.want...)
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	s := newSim(t, Config{RateLimit: -1})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				s.do("POST", "/applications/"+s.web.UUID+"/start?force=1", "").ok(200)
				s.do("POST", "/applications/"+s.web.UUID+"/envs", `{"key":"K"}`)
				s.do("GET", "/deployments", "").ok(200)
				for _, d := range s.Deployments(s.web.UUID) {
					s.Advance(d.UUID)
				}
				s.SetApp(s.web.UUID, func(a *App) { a.Logs += "line\n" })
				s.do("POST", "/databases/redis", s.newDatabaseBody(nil)).ok(201)
				s.do("DELETE", "/security/keys/"+s.newKey(), "").ok(200)
				s.Snapshot()
				s.Serving("web.example.com")
				s.Requests()
				s.Violations()
			}
		})
	}
	wg.Wait()
	if got := len(s.Deployments(s.web.UUID)); got != 80 {
		t.Errorf("%d deployments, want 80", got)
	}
	if got := len(s.Databases()); got != 80 {
		t.Errorf("%d databases, want 80", got)
	}
}
