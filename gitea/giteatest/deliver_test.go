package giteatest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A receiver keeps what webhooks bring.
type receiver struct {
	url string

	mu      sync.Mutex
	headers []http.Header
	bodies  []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.headers, r.bodies = append(r.headers, req.Header), append(r.bodies, string(body))
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// pushApp pushes a file to acme's repository and waits for the webhooks.
func (s *sim) pushApp(branch, content string) string {
	s.t.Helper()
	sha, err := s.PushAs("vibn-bot-acme", "vibn-acme/app", branch, "say "+content+"\n",
		map[string]string{"a.txt": content})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.WaitDeliveries(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return sha
}

func TestDelivery(t *testing.T) {
	to := newReceiver(t)
	s := newSim(t, Config{LoopbackHooks: true})
	first := s.pushApp("main", "one")
	s.do("POST", "/repos/vibn-acme/app/hooks", `{"type":"gitea","active":true,"events":["push"],"branch_filter":"ma*",
		"authorization_header":"Bearer zz","config":{"url":"`+to.url+`/hook","content_type":"json","secret":"s3cr3t"}}`).ok(201)
	second := s.pushApp("main", "two")
	s.pushApp("other", "three") // not of the filter
	if len(to.bodies) != 1 {
		t.Fatalf("%d deliveries, want one", len(to.bodies))
	}
	header, body := to.headers[0], to.bodies[0]
	mac := hmac.New(sha256.New, []byte("s3cr3t"))
	mac.Write([]byte(body))
	signature := hex.EncodeToString(mac.Sum(nil))
	for name, want := range map[string]string{
		"X-Gitea-Event": "push", "X-Gitea-Event-Type": "push", "X-Gitea-Signature": signature, "X-Hub-Signature-256": "sha256=" + signature,
		"X-Gitea-Hook-Installation-Target-Type": "repository", "Content-Type": "application/json", "Authorization": "Bearer zz",
	} {
		if header.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, header.Get(name), want)
		}
	}
	var payload map[string]any
	if err := json.Unmarshal([]byte(body), &payload); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"after", "before", "commits", "compare_url", "head_commit", "pusher", "ref", "repository",
		"sender", "total_commits",
	}
	if diff := cmp.Diff(want, keysOf(payload)); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	commit, _ := payload["head_commit"].(map[string]any)
	pusher, _ := payload["pusher"].(map[string]any)
	if payload["ref"] != "refs/heads/main" || payload["before"] != first || payload["after"] != second ||
		payload["total_commits"] != 1.0 ||
		commit["id"] != second || pusher["login"] != "vibn-bot-acme" {
		t.Errorf("payload = %v", payload)
	}
	if diff := cmp.Diff([]any{"a.txt"}, commit["modified"]); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	got := s.Deliveries()
	if len(got) != 1 || got[0].Status != 202 || got[0].ID != header.Get("X-Gitea-Delivery") || !got[0].Done ||
		got[0].Err != nil {
		t.Errorf("deliveries = %+v", got)
	}
}

func TestDeliveryOfOrgHooksAndOfPushesByGit(t *testing.T) {
	w := needGit(t)
	to := newReceiver(t)
	s := newSim(t, Config{LoopbackHooks: true})
	s.do("POST", "/orgs/vibn-acme/hooks",
		`{"type":"gitea","active":true,"config":{"url":"`+to.url+`","content_type":"form","secret":"x"}}`).ok(201)
	s.AddOrgHook("vibn-other", Hook{URL: to.url})
	s.AddHook("vibn-acme/app", Hook{URL: to.url, Inactive: true})
	s.AddHook("vibn-acme/app", Hook{URL: to.url, Events: []string{"release"}})
	w.must("clone", "-q", s.address("x:"+s.bot("acme", "all").secret()+"@", "vibn-acme/app.git"), ".")
	for _, m := range []string{"one", "two"} {
		w.must("commit", "-q", "--allow-empty", "-m", m)
	}
	w.must("push", "-q", "origin", "HEAD:main")
	if err := s.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(to.bodies) != 1 {
		t.Fatalf("%d deliveries, want that of the organisation's hook", len(to.bodies))
	}
	form, err := url.ParseQuery(to.bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	var payload map[string]any
	if err := json.Unmarshal([]byte(form.Get("payload")), &payload); err != nil {
		t.Fatal(err)
	}
	pusher, _ := payload["pusher"].(map[string]any)
	if payload["total_commits"] != 2.0 || payload["before"] != zeroSHA || pusher["login"] != "vibn-bot-acme" {
		t.Errorf("payload = %v", payload)
	}
	if got := to.headers[0].Get("X-Gitea-Hook-Installation-Target-Type"); got != "organization" {
		t.Errorf("target type = %q", got)
	}
}

// TestDeliveryStaysHome: nothing leaves the machine, and nothing goes to
// loopback unless the configuration says so.
func TestDeliveryStaysHome(t *testing.T) {
	to := newReceiver(t)
	for _, tc := range []struct {
		cfg Config
		url string
	}{
		{Config{}, to.url},
		{Config{LoopbackHooks: true}, "http://192.0.2.1:9/"},
		{Config{LoopbackHooks: true}, "http://example.com/"},
	} {
		s := newSim(t, tc.cfg)
		s.AddHook("vibn-acme/app", Hook{URL: tc.url})
		s.pushApp("main", "x")
		got := s.Deliveries()
		if len(got) != 1 || got[0].Err == nil || got[0].Status != 0 {
			t.Errorf("delivery to %s = %+v, want an error", tc.url, got)
		}
	}
	if len(to.bodies) != 0 {
		t.Errorf("%d deliveries came through", len(to.bodies))
	}
}

func TestHookForms(t *testing.T) {
	to := newReceiver(t)
	s := newSim(t, Config{LoopbackHooks: true})
	path := "/repos/vibn-acme/app/hooks"
	config := `"config":{"url":"` + to.url + `","content_type":"json","secret":"old"}`
	id := itoa(s.do("POST", path,
		`{"type":"gitea","events":["push","pull_request"],"branch_filter":"main",`+config+`}`).ok(201).
		field("active", false).id())
	s.do("POST", path+"/"+id+"/tests", "").says(404, "repository is empty")
	s.do("PATCH", path+"/"+id, `{"active":true}`).ok(200).
		field("branch_filter", "").field("events", []any{"push"}).
		field("config", map[string]any{"url": to.url, "content_type": "json"})
	s.pushApp("main", "x")
	s.do("POST", path+"/"+id+"/tests", "").ok(204)
	if err := s.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(to.bodies) != 2 {
		t.Errorf("%d deliveries, want two", len(to.bodies))
	}
	if got := repoState(t, s, "vibn-acme/app").Hooks; len(got) != 1 || got[0].Inactive {
		t.Errorf("hooks = %+v", got)
	}
	if got := s.do("POST", path,
		`{"type":"gitea","events":["bogus"],`+config+`}`).ok(201).object()["events"]; cmp.Diff([]any{}, got) != "" {
		t.Errorf("unknown events become %v, want none", got)
	}
	all, _ := s.do("POST", path,
		`{"type":"gitea","events":["pull_request"],`+config+`}`).ok(201).object()["events"].([]any)
	if !slices.Contains(all, any("pull_request_sync")) || len(all) != 8 {
		t.Errorf("pull_request becomes %v, want its eight", all)
	}
}

// TestHookKeepsItsSecret: a change of a hook's secret is accepted and ignored.
func TestHookKeepsItsSecret(t *testing.T) {
	for _, path := range []string{"/repos/vibn-acme/app/hooks", "/orgs/vibn-acme/hooks"} {
		t.Run(path, func(t *testing.T) {
			to := newReceiver(t)
			s := newSim(t, Config{LoopbackHooks: true})
			hook := func(secret string) string {
				return `{"type":"gitea","active":true,"config":{"url":"` + to.url +
					`","content_type":"json","secret":"` + secret + `"}}`
			}
			id := itoa(s.do("POST", path, hook("old")).ok(201).id())
			s.do("PATCH", path+"/"+id, hook("new")).ok(200)
			s.pushApp("main", "x")
			if len(to.bodies) != 1 || to.headers[0].Get("X-Gitea-Signature") != sign(sha256.New, "old", to.bodies[0]) {
				t.Errorf("%d deliveries, want one that is signed with the old secret", len(to.bodies))
			}
		})
	}
}

// TestPayloadHasTheShapeOfTheCapture compares a delivery with a real one.
func TestPayloadHasTheShapeOfTheCapture(t *testing.T) {
	to := newReceiver(t)
	s := newSim(t, Config{LoopbackHooks: true})
	s.AddHook("vibn-acme/app", Hook{URL: to.url, Secret: "s"})
	s.pushApp("main", "x")
	names := []string{}
	for name := range to.headers[0] {
		names = append(names, name)
	}
	raw := transcriptText(t, filepath.Join("1.26", "hook.txt"))
	for line := range strings.Lines(raw) {
		name, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), `"`), `":`)
		if ok && strings.HasPrefix(name, "X-") && !slices.Contains(names, http.CanonicalHeaderKey(name)) {
			t.Errorf("header %s is missing; got %v", name, names)
		}
	}
}
