package giteatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

const (
	createOrgOp = "POST /orgs"
	newOrg      = `{"username":"new","visibility":"private"}`
)

// try sends a request that may be broken off.
func (s *sim) try(ctx context.Context, method, path, body string) (text string, err error) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.url+prefix+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {s.auth}}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // which would try again by itself
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return string(raw), err
}

func (s *sim) orgs() int { return len(s.Snapshot().Orgs) }

func TestFault(t *testing.T) {
	s := newSim(t, Config{})
	s.Fail(createOrgOp, Fault{
		Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}},
		Times: 1, Skip: 1,
	})
	s.do("POST", "/orgs", `{"username":"skipped"}`).ok(201)
	got := s.do("POST", "/orgs", newOrg)
	if got.status != 502 || got.text != "<html>" || got.header.Get("Content-Type") != "text/html" || s.orgs() != 3 {
		t.Errorf("fault = %d %q %q and %d organisations", got.status, got.text, got.header.Get("Content-Type"),
			s.orgs())
	}
	s.do("POST", "/orgs", newOrg).ok(201) // Times is over
	s.Fail(createOrgOp, Fault{Status: 500, Body: "{}", After: true, Times: 1})
	s.Fail(createOrgOp, Fault{Status: 503, Body: "{}"})
	s.do("POST", "/orgs", `{"username":"after"}`).ok(500)
	s.do("POST", "/orgs", `{"username":"before"}`).ok(503)
	if s.orgs() != 5 {
		t.Errorf("%d organisations, want 5: that behind the fault, and not that before it", s.orgs())
	}
	s.Clear(createOrgOp)
	s.do("POST", "/orgs", `{"username":"before"}`).ok(201)
	s.Fail("unknown", Fault{Header: http.Header{"Retry-After": {"7"}}})
	if got := s.do("GET", "/nothing", ""); got.status != 404 || got.text != "404 page not found\n" ||
		got.header.Get("Retry-After") != "7" {
		t.Errorf("fault with a header alone = %d %q %v", got.status, got.text, got.header)
	}
}

func TestLostReplies(t *testing.T) {
	for _, tc := range []struct {
		fault Fault
		made  bool
	}{
		{Fault{Drop: true}, false},
		{Fault{Drop: true, After: true}, true},
		{Fault{Cut: true}, true},
		{Fault{Status: 500, Body: "{}", Cut: true}, false},
	} {
		s := newSim(t, Config{})
		s.Fail(createOrgOp, tc.fault)
		if text, err := s.try(t.Context(), "POST", "/orgs", newOrg); err == nil {
			t.Errorf("%+v: answered %q, want a broken connection", tc.fault, text)
		}
		if made := s.orgs() == 3; made != tc.made {
			t.Errorf("%+v: the organisation is there: %t, want %t", tc.fault, made, tc.made)
		}
	}
}

func TestHangAndGate(t *testing.T) {
	s := newSim(t, Config{})
	s.Fail(createOrgOp, Fault{Hang: true, After: true, Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := s.try(ctx, "POST", "/orgs", newOrg)
		ended <- err
	}()
	for s.orgs() != 3 { // the change comes before the silence
		select {
		case err := <-ended:
			t.Fatalf("ended with %v, want silence", err)
		default:
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the client's own", err)
	}
	gate := make(chan struct{})
	s.Fail("GET /version", Fault{Gate: gate})
	go func() {
		_, err := s.try(t.Context(), "GET", "/version", "")
		ended <- err
	}()
	select {
	case <-ended:
		t.Fatal("answered before the gate was open")
	case gate <- struct{}{}:
	}
	if err := <-ended; err != nil {
		t.Errorf("after the gate: %v", err)
	}
}

// TestCrashPoints: a program dies at each of its writes, before and after, and
// finds what it had done when it lives again.
func TestCrashPoints(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, after := range []bool{false, true} {
			s := newSim(t, Config{})
			s.CrashAt(n, after)
			died := 0
			for i := 1; i <= 3; i++ {
				if _, err := s.try(t.Context(), "GET", "/version", ""); err != nil && died == 0 {
					t.Errorf("a read before crash point %d fails", n)
				}
				if _, err := s.try(t.Context(), "POST", "/orgs", fmt.Sprintf(`{"username":"o%d"}`, i)); err != nil &&
					died == 0 {
					died = i
				}
			}
			if died != n {
				t.Errorf("died at %d, want %d", died, n)
			}
			want := 2 + n - 1
			if after {
				want++
			}
			if s.orgs() != want {
				t.Errorf("crash %d, after %t: %d organisations, want %d", n, after, s.orgs(), want)
			}
			if !s.Revive() {
				t.Error("Revive says that nothing crashed")
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
		if r.Operation == createOrgOp && r.Status == 201 && strings.Contains(r.Body, "lost") {
			return errors.New("the program died")
		}
		return nil
	})
	s.do("POST", "/orgs", newOrg).ok(201)
	if _, err := s.try(t.Context(), "POST", "/orgs", `{"username":"lost"}`); err == nil {
		t.Error("an error of the callback must break the connection")
	}
	s.OnRequest(nil)
	s.do("GET", "/version", "").ok(200)
	if diff := cmp.Diff([]string{"POST /orgs 0", "POST /orgs 201", "POST /orgs 0", "POST /orgs 201"},
		seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if s.orgs() != 4 {
		t.Errorf("%d organisations, want 4", s.orgs())
	}
}

func TestRequests(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	s.Reset()
	token := s.AddNamedToken("vibn-bot-acme", "n", "read:user")
	s.with("token "+token).do("GET", "/user?x=1", "").ok(200)
	s.with(basic("a", "b")).do("GET", "/orgs/vibn-acme", "").ok(401)
	s.with(basic(s.Admin(), s.AdminPassword())).do("PATCH", "/orgs/vibn-acme", `{}`, "Sudo", "vibn-bot-acme").ok(403)
	s.with("").do("GET", "/nowhere/at/all", "").ok(404)
	s.with("").do("GET", "//vibn-acme/app.git/info/refs?service=git-upload-pack", "").ok(401)
	want := []Request{
		{
			Request: upstreamtest.Request{Operation: "GET /user", Method: "GET", Path: prefix + "/user", Query: "x=1", Status: 200},
			User:    "vibn-bot-acme", TokenID: 2, Scopes: []string{"read:user"},
		},
		{Request: upstreamtest.Request{Operation: "GET /orgs/{org}", Method: "GET", Path: prefix + "/orgs/vibn-acme", Status: 401}},
		{
			Request: upstreamtest.Request{
				Operation: "PATCH /orgs/{org}", Method: "PATCH", Path: prefix + "/orgs/vibn-acme", Body: "{}", Status: 403, Write: true,
			},
			User: "siteadmin", Sudo: "vibn-bot-acme", Basic: true,
		},
		{Request: upstreamtest.Request{Operation: "unknown", Method: "GET", Path: prefix + "/nowhere/at/all", Status: 404}},
		{Request: upstreamtest.Request{
			Operation: "GET /{owner}/{repo}/info/refs", Method: "GET", Path: "/vibn-acme/app.git/info/refs",
			Query: "service=git-upload-pack", Status: 401,
		}},
	}
	for i := range want {
		want[i].At = now.at
	}
	if diff := cmp.Diff(want, s.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	s.Reset()
	if got := s.Requests(); len(got) != 0 {
		t.Errorf("after Reset there are %d requests", len(got))
	}
}

// TestManyAtOnce: the simulator is asked by several replicas at the same time.
func TestManyAtOnce(t *testing.T) {
	s := newSim(t, Config{})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 8 {
				s.do("POST", "/orgs", fmt.Sprintf(`{"username":"o%d","visibility":"private"}`, i))
				s.do("POST", fmt.Sprintf("/orgs/o%d/repos", i), `{"name":"r","private":true,"auto_init":true}`)
				s.do("POST", fmt.Sprintf("/orgs/o%d/teams", i), `{"name":"Writers","units_map":{"repo.code":"write"}}`)
				if _, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{fmt.Sprintf("%d-%d", worker,
					i): "x"}); err != nil {
					t.Error(err)
				}
				s.Snapshot()
				s.Requests()
			}
		})
	}
	wg.Wait()
	got := s.Snapshot()
	if len(got.Orgs) != 10 || len(got.Repos) != 10 {
		t.Errorf("%d organisations and %d repositories, want 10 of each", len(got.Orgs), len(got.Repos))
	}
	for _, o := range got.Orgs {
		if len(o.Teams) != 2 {
			t.Errorf("%s has %d teams, want 2", o.Name, len(o.Teams))
		}
	}
	if n := len(s.do("GET", "/repos/vibn-acme/app/commits?limit=50&page=1", "").list()); n != 32 {
		t.Errorf("%d commits, want each of 32", n)
	}
}
