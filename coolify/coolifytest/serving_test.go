package coolifytest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (s *sim) serves(host, commit string, status int) {
	s.t.Helper()
	if gotCommit, gotStatus := s.Serving(host); gotCommit != commit || gotStatus != status {
		s.t.Errorf("%s serves %q with %d, want %q with %d", host, gotCommit, gotStatus, commit, status)
	}
}

// deploy starts a deployment and ends it.
func (s *sim) deploy(a App) Deployment {
	s.t.Helper()
	uuid := s.do("POST", "/applications/"+a.UUID+"/start?force=true", "").ok(200).object()["deployment_uuid"].(string)
	s.Advance(uuid)
	s.Advance(uuid)
	d, _ := s.Deployment(uuid)
	return d
}

// What runs is what the last good deployment made, whatever failed since, with
// the domains of then.
func TestServing(t *testing.T) {
	s := newSim(t, Config{})
	heads := map[string]string{s.web.GitRepository + " main": "c1"}
	s.OnResolve(func(repository, branch string) string { return heads[repository+" "+branch] })
	s.serves("web.example.com", "", 503)
	s.serves("nobody.example.com", "", 503)
	if d := s.deploy(s.web); d.Commit != "c1" || d.Status != Finished {
		t.Errorf("deployment = %s %s, want c1 finished", d.Commit, d.Status)
	}
	s.serves("WEB.example.com", "c1", 200)
	heads[s.web.GitRepository+" main"] = "c2"
	s.SetApp(s.web.UUID, func(a *App) { a.FailNext = true })
	if d := s.deploy(s.web); d.Commit != "c2" || d.Status != Failed {
		t.Errorf("deployment = %s %s, want c2 failed", d.Commit, d.Status)
	}
	s.serves("web.example.com", "c1", 200)
	s.do("PATCH", "/applications/"+s.web.UUID, `{"domains":"https://next.example.com"}`).ok(200)
	s.serves("web.example.com", "c1", 200)
	s.serves("next.example.com", "", 503)
	s.deploy(s.web)
	s.serves("web.example.com", "", 503)
	s.serves("next.example.com", "c2", 200)
	s.SetApp(s.web.UUID, func(a *App) { a.HTTPStatus = 502 })
	s.serves("next.example.com", "c2", 502)
	s.do("POST", "/applications/"+s.web.UUID+"/stop", "").ok(200)
	s.serves("next.example.com", "", 503)
	running := s.AddApp(s.beta.Environments[0].UUID, App{FQDN: "https://old.example.com", Status: "running:healthy", Commit: "c0"})
	s.serves("old.example.com", "c0", 200)
	s.do("DELETE", "/applications/"+running.UUID, "").ok(200)
	s.FinishDeletions()
	s.serves("old.example.com", "", 503)
}

// Who takes another's domain and deploys gets its visitors.
func TestServingOfAStolenDomain(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	s.OnResolve(func(repository, _ string) string { return repository[strings.LastIndex(repository, "/")+1:] })
	s.deploy(s.web)
	now.at = now.at.Add(time.Second)
	s.do("PATCH", "/applications/"+s.api.UUID, `{"domains":"https://web.example.com","force_domain_override":true}`).ok(200)
	s.serves("web.example.com", "web.git", 200)
	s.deploy(s.api)
	s.serves("web.example.com", "api.git", 200)
}

// The head is found when the deployment begins; a pinned commit is not looked
// for, and a branch that is not there fails.
func TestOnResolve(t *testing.T) {
	s := newSim(t, Config{})
	head, asked := "c1", 0
	s.OnResolve(func(repository, branch string) string {
		asked++
		if repository != s.web.GitRepository || branch != "main" {
			t.Errorf("asked for %s of %s", branch, repository)
		}
		return head
	})
	uuid := s.do("POST", "/applications/"+s.web.UUID+"/start", "").object()["deployment_uuid"].(string)
	s.Advance(uuid)
	head = "c2"
	s.do("POST", "/applications/"+s.web.UUID+"/start", "").is(200, `{"message":"Deployment request queued.","deployment_uuid":"`+s.newest(s.web)+`"}`)
	s.Advance(uuid)
	if d, _ := s.Deployment(uuid); d.Commit != "c1" || d.Status != Finished || asked != 1 {
		t.Errorf("deployment = %s %s after %d looks, want c1 finished after 1", d.Commit, d.Status, asked)
	}
	s.Finish(s.newest(s.web), Finished)
	s.serves("web.example.com", "c2", 200)
	s.do("PATCH", "/applications/"+s.web.UUID, `{"git_commit_sha":"deadbeef"}`).ok(200)
	if d := s.deploy(s.web); d.Commit != "deadbeef" || asked != 2 {
		t.Errorf("pinned deployment = %s after %d looks, want deadbeef after 2", d.Commit, asked)
	}
	s.serves("web.example.com", "deadbeef", 200)
	s.do("PATCH", "/applications/"+s.web.UUID, `{"git_commit_sha":"HEAD"}`).ok(200)
	head = ""
	d := s.deploy(s.web)
	if d.Status != Failed || !strings.Contains(saidAtTheEnd(d), "Remote branch main not found") {
		t.Errorf("deployment of no branch = %s %+v, want failed", d.Status, d.Logs)
	}
	s.serves("web.example.com", "deadbeef", 200)
	s.OnResolve(nil)
	s.SetApp(s.web.UUID, func(a *App) { a.Commit = "own" })
	if d := s.deploy(s.web); d.Commit != "own" {
		t.Errorf("deployment without the function = %s, want the application's own", d.Commit)
	}
}

// newest is the deployment that was queued last.
func (s *sim) newest(a App) string {
	s.t.Helper()
	all := s.Deployments(a.UUID)
	if len(all) == 0 {
		s.t.Fatal("no deployment")
	}
	return all[len(all)-1].UUID
}

func TestRollback(t *testing.T) {
	s := newSim(t, Config{})
	head := "c1"
	s.OnResolve(func(string, string) string { return head })
	path := "/applications/" + s.web.UUID
	s.do("GET", path+"/rollback-images", "").is(200, `{"current":null,"images":[]}`)
	for _, head = range []string{"c1", "c2", "c2"} {
		s.deploy(s.web)
	}
	got := s.do("GET", path+"/rollback-images", "").ok(200).object()
	var tags []any
	for _, i := range got["images"].([]any) {
		tags = append(tags, at(t, i, "tag"), at(t, i, "is_current"))
	}
	if diff := cmp.Diff([]any{"c2", false, "c1", false}, tags); diff != "" || got["current"] != nil {
		t.Errorf("current %v, images (-want +got):\n%s", got["current"], diff)
	}
	made := s.do("POST", path+"/rollback", `{"commit":"c1"}`).ok(200).object()
	if made["message"] != "Rollback deployment queued." || !s.exists(made["deployment_uuid"]) {
		t.Errorf("rollback = %v", made)
	}
	s.do("POST", path+"/rollback", `{"commit":"c1"}`).is(200, `{"message":"`+alreadyQueued+`"}`)
	uuid := made["deployment_uuid"].(string)
	s.Advance(uuid)
	s.Advance(uuid)
	if d, _ := s.Deployment(uuid); !d.Rollback || d.Commit != "c1" || d.Status != Finished {
		t.Errorf("deployment = %+v, want c1 rolled back to", d)
	}
	if shown := s.do("GET", "/deployments/"+uuid, "").object(); shown["rollback"] != true {
		t.Errorf("rollback = %v, want true", shown["rollback"])
	}
	s.serves("web.example.com", "c1", 200)
	if a, _ := s.App(s.web.UUID); a.GitCommitSHA != "HEAD" {
		t.Errorf("the application is pinned to %s, want HEAD still", a.GitCommitSHA)
	}
	s.do("POST", path+"/rollback", `{"commit":"-x"}`).ok(422)
	s.do("POST", path+"/rollback", `{"commit":"c1","force":true}`).is(422, `{"message":"Validation failed.","errors":{"force":["This field is not allowed."]}}`)
	s.do("POST", path+"/rollback", `{}`).ok(400)
	s.do("POST", "/applications/nope/rollback", `{"commit":"c1"}`).is(404, `{"message":"Application not found."}`)
	s.do("GET", "/applications/nope/rollback-images", "").is(404, `{"message":"Application not found."}`)
	s.QueueLimit(0)
	s.do("POST", path+"/rollback", `{"commit":"c1"}`).is(400, `{"message":"`+queueFull+`"}`)
	s.SetHost(s.Hosts()[0].UUID, func(h *Host) { h.Unreachable = true })
	s.do("GET", path+"/rollback-images", "").is(200, `{"current":null,"images":[]}`)
}

// TestDialApp asks the proxies as a browser would, over TLS and without it.
func TestDialApp(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.Commit = "c1" })
	s.deploy(s.web)
	client := &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return s.DialApp(ctx, address) },
		TLSClientConfig:   &tls.Config{RootCAs: s.Roots()},
		DisableKeepAlives: true,
	}}
	for address, want := range map[string]string{
		"https://web.example.com": "200 c1\n", "http://web.example.com": "200 c1\n", "https://nobody.example.com": "503 \n",
	} {
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprintf("%d %s", resp.StatusCode, body); got != want || err != nil {
			t.Errorf("%s answers %q (%v), want %q", address, got, err, want)
		}
	}
}

// A changed port reaches the proxy when the domains are sent with it, and the container that
// the next deployment starts.
func TestPortOfTheProxy(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.Listens = "8080" })
	s.deploy(s.web)
	s.serves("web.example.com", "", 502)
	path := "/applications/" + s.web.UUID
	s.do("PATCH", path, `{"ports_exposes":"8080"}`).ok(200)
	s.deploy(s.web)
	s.serves("web.example.com", "", 502)
	s.do("PATCH", path, `{"ports_exposes":"8080","domains":"https://web.example.com"}`).ok(200)
	s.serves("web.example.com", "", 502)
	commit := s.deploy(s.web).Commit
	s.serves("web.example.com", commit, 200)
}

// The switch of containers loses requests where no health check keeps the old one.
func TestSwitchOfContainers(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	first := s.deploy(s.web).Commit
	s.serves("web.example.com", first, 200)
	now.at = now.at.Add(time.Minute)
	second := s.deploy(s.web).Commit
	s.serves("web.example.com", "", 502)
	now.at = now.at.Add(time.Second)
	s.serves("web.example.com", second, 200)
	s.do("PATCH", "/applications/"+s.web.UUID, `{"health_check_enabled":true,"health_check_path":"/up"}`).ok(200)
	third := s.deploy(s.web).Commit
	s.serves("web.example.com", third, 200)
}

// A stop shows later, and deleting what is being deployed leaves its helper on the host.
func TestStopsAndHelpers(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	s.deploy(s.web)
	path := "/applications/" + s.web.UUID
	now.at = now.at.Add(time.Minute)
	s.do("POST", path+"/stop?docker_cleanup=false", "").ok(200)
	for _, want := range []string{running, exited} {
		if got := s.do("GET", path, "").object()["status"]; got != want {
			t.Errorf("status %v, want %v", got, want)
		}
		now.at = now.at.Add(15 * time.Second)
	}
	uuid := s.do("POST", path+"/start", "").ok(200).object()["deployment_uuid"].(string)
	s.Advance(uuid)
	s.do("DELETE", path+"?docker_cleanup=false", "").ok(200)
	s.FinishDeletions()
	if left := s.HelpersLeft(); len(left) != 1 || left[0] != uuid {
		t.Errorf("helpers left: %v", left)
	}
}
