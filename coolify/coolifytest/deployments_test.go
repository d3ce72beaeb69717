package coolifytest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (s *sim) start(query string) result {
	return s.do("POST", "/applications/"+s.web.UUID+"/start"+query, "")
}

// exists reports whether Coolify knows the deployment that it named.
func (s *sim) exists(uuid any) bool {
	return s.do("GET", "/deployments/"+uuid.(string), "").status == 200
}

func TestStartSkipsWithoutUUID(t *testing.T) {
	s := newSim(t, Config{})
	first := s.start("").ok(200).object()
	if first["message"] != "Deployment request queued." || !s.exists(first["deployment_uuid"]) {
		t.Errorf("start = %v, want a deployment that exists", first)
	}
	s.start("").is(200, `{"message":"`+alreadyQueued+`"}`)
	s.do("POST", "/applications/"+s.web.UUID+"/restart", "").is(200, `{"message":"`+alreadyQueued+`"}`)
	s.Advance(first["deployment_uuid"].(string))
	s.start("").is(200, `{"message":"`+alreadyQueued+`"}`) // in progress too
	if !s.exists(s.start("?force=true").object()["deployment_uuid"]) {
		t.Error("force=true did not deploy")
	}
	atOnce := s.start("?instant_deploy=true").object()["deployment_uuid"].(string)
	if d, _ := s.Deployment(atOnce); d.Status != InProgress {
		t.Errorf("instant_deploy is %q, want in_progress", d.Status)
	}
	if got := len(s.Deployments(s.web.UUID)); got != 3 {
		t.Errorf("%d deployments, want 3", got)
	}
}

func TestUUIDOverrideOfActions(t *testing.T) {
	s := newSim(t, Config{})
	for _, action := range []string{"start", "restart", "stop"} {
		s.SetApp(s.api.UUID, func(a *App) { a.Status = "running:healthy" })
		s.do("POST", "/applications/"+s.web.UUID+"/"+action, `{"uuid":"`+s.api.UUID+`","force":true}`).ok(200)
	}
	if a, b := len(s.Deployments(s.web.UUID)), len(s.Deployments(s.api.UUID)); a != 0 || b == 0 {
		t.Errorf("%d deployments of the application in the path and %d of the one in the body, want the body's", a, b)
	}
	if got, _ := s.App(s.api.UUID); got.Status != "exited:unhealthy" {
		t.Errorf("status of the one in the body = %q, want it stopped", got.Status)
	}
	if got := len(s.Violations()); got != 4 {
		t.Errorf("%d violations, want 4: the stop cleans up besides", got)
	}
}

func TestFullQueueAnswersWithAPhantom(t *testing.T) {
	s := newSim(t, Config{})
	s.QueueLimit(1)
	s.AddDeployment(s.api.UUID, Deployment{})
	for _, action := range []string{"start", "restart"} {
		got := s.do("POST", "/applications/"+s.web.UUID+"/"+action, "").ok(200).object()
		if s.exists(got["deployment_uuid"]) {
			t.Errorf("%s on a full queue named a deployment that exists", action)
		}
	}
	got := s.do("POST", "/deploy?uuid="+s.web.UUID, "")
	got.is(429, `{"message":"`+queueFull+`"}`)
	if got.header.Get("Retry-After") != "60" || got.header.Get("X-RateLimit-Reset") != "" {
		t.Errorf("headers = %v, want Retry-After 60 and no reset", got.header)
	}
	s.do("POST", "/deploy?tag=site", "").ok(429)
	if n := len(s.Deployments(s.web.UUID)); n != 0 {
		t.Errorf("%d deployments, want 0", n)
	}
}

func TestDeployMany(t *testing.T) {
	s := newSim(t, Config{})
	got := s.do("POST", "/deploy?uuid=nope,"+s.web.UUID, "").ok(200).json()
	if len(at(t, got, "deployments").([]any)) != 1 || at(t, got, "deployments", "0", "message") != "Application web deployment queued." {
		t.Errorf("deploy of two = %v, want the one that exists", got)
	}
	again := s.do("POST", "/deploy", `{"uuid":"`+s.web.UUID+`"}`).ok(200).json()
	if at(t, again, "deployments", "0", "message") != alreadyQueued || s.exists(at(t, again, "deployments", "0", "deployment_uuid")) {
		t.Errorf("deploy of a queued commit = %v, want a uuid that does not exist", again)
	}
	byTag := s.do("POST", "/deploy?tag=site&force=true", "").ok(200).json()
	if len(at(t, byTag, "message").([]any)) != 2 || at(t, byTag, "details", "1", "resource_uuid") != s.api.UUID {
		t.Errorf("deploy by tag = %v, want both tenants'", byTag)
	}
	for _, tc := range []struct {
		query  string
		status int
		text   string
	}{
		{"", 400, "You must provide uuid or tag."},
		{"?uuid=a&tag=b", 400, "You can only use uuid or tag, not both."},
		{"?tag=b&pr=1", 400, "You can only use tag or pr, not both."},
		{"?uuid=a", 404, "No resources found."},
		{"?tag=Site", 404, "No resources found with this tag."},
	} {
		s.do("POST", "/deploy"+tc.query, "").is(tc.status, `{"message":"`+tc.text+`"}`)
	}
	s.do("POST", "/deploy", `{"uuid":["`+s.web.UUID+`"]}`).is(500, `{"message":"Server Error"}`)
	pr := s.do("POST", "/deploy?pr=7&uuid="+s.web.UUID, "").json()
	if got := at(t, pr, "deployments", "0", "message"); got != "Pull request 7 not found for this resource." {
		t.Errorf("deploy of a preview = %v", got)
	}
}

func TestRunningListOfAll(t *testing.T) {
	s := newSim(t, Config{})
	s.do("GET", "/deployments", "").is(200, `[]`)
	s.AddDeployment(s.web.UUID, Deployment{UUID: "d1"})
	if got := s.do("GET", "/deployments", "").list(); len(got) != 1 {
		t.Errorf("one running = %v, want a list", got)
	}
	s.AddDeployment(s.api.UUID, Deployment{UUID: "d2", Status: InProgress})
	s.AddDeployment(s.api.UUID, Deployment{UUID: "d3", Status: Finished})
	got := s.do("GET", "/deployments", "").ok(200)
	if !strings.HasPrefix(got.text, `{"1":{`) || at(t, got.json(), "1", "deployment_uuid") != "d1" || at(t, got.json(), "0", "deployment_uuid") != "d2" {
		t.Errorf("two running = %s, want an object with the keys 1 and 0", got.text)
	}
	if url := at(t, got.json(), "0", "deployment_url").(string); !strings.Contains(url, "/application/"+s.api.UUID+"/") {
		t.Errorf("deployment_url = %q, want the other tenant's application in it", url)
	}
	if _, there := at(t, got.json(), "0").(map[string]any)["logs"]; there {
		t.Error("logs are there without read:sensitive")
	}
}

func TestHistory(t *testing.T) {
	s := newSim(t, Config{})
	for i := range 12 {
		s.AddDeployment(s.web.UUID, Deployment{UUID: fmt.Sprintf("d%d", i), Status: Finished})
	}
	s.AddDeployment(s.api.UUID, Deployment{})
	path := "/deployments/applications/" + s.web.UUID
	for query, want := range map[string][]int{"": {11, 10}, "?take=1": {11, 1}, "?skip=10&take=500": {1, 2}, "?skip=50": {0, 0}} {
		got := s.do("GET", path+query, "").ok(200).object()
		list := got["deployments"].([]any)
		if got["count"] != 12.0 || len(list) != want[1] {
			t.Errorf("%q: count %v and %d deployments, want 12 and %d", query, got["count"], len(list), want[1])
		}
		if len(list) > 0 && at(t, list, "0", "deployment_uuid") != fmt.Sprintf("d%d", want[0]) {
			t.Errorf("%q: first is %v, want d%d", query, at(t, list, "0", "deployment_uuid"), want[0])
		}
	}
	s.do("GET", path+"?take=x", "").is(422, `{"message":"The take field must be an integer.","errors":{"take":["The take field must be an integer."]}}`)
	s.do("GET", path+"?take=0", "").is(422, `{"message":"The take field must be at least 1.","errors":{"take":["The take field must be at least 1."]}}`)
	s.do("GET", "/deployments/applications/nope", "").is(404, `{"message":"Application not found"}`)
}

func TestCancel(t *testing.T) {
	s := newSim(t, Config{})
	d := s.AddDeployment(s.api.UUID, Deployment{Status: InProgress})
	path := "/deployments/" + d.UUID + "/cancel"
	s.do("POST", path, "").is(200, `{"message":"Deployment cancelled successfully.","deployment_uuid":"`+d.UUID+`","status":"cancelled-by-user"}`)
	s.do("POST", path, "").is(400, `{"message":"Deployment cannot be cancelled. Current status: cancelled-by-user"}`)
	s.do("POST", "/deployments/nope/cancel", "").is(404, `{"message":"Deployment not found."}`)
	p := s.AddTeamProject(2, "elsewhere")
	other := s.AddDeployment(s.AddApp(p.Environments[0].UUID, App{}).UUID, Deployment{})
	s.do("POST", "/deployments/"+other.UUID+"/cancel", "").is(403, `{"message":"You do not have permission to cancel this deployment."}`)
	s.do("GET", "/deployments/"+other.UUID, "").is(404, `{"message":"Deployment not found."}`)
	queued := s.AddDeployment(s.web.UUID, Deployment{})
	s.do("POST", "/deployments/"+queued.UUID+"/cancel", "").ok(200)
	if got, _ := s.Deployment(queued.UUID); got.FinishedAt != nil {
		t.Error("finished_at of one cancelled while queued is set, want null")
	}
	s.Advance(queued.UUID)
	if got, _ := s.Deployment(queued.UUID); got.Status != Cancelled {
		t.Errorf("status after Advance = %q, want cancelled for good", got.Status)
	}
}

func TestAdvance(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.Commit, a.CommitMessage = strings.Repeat("ab", 20), "make it so" })
	uuid := s.start("").object()["deployment_uuid"].(string)
	want := func(status, commit, app string) {
		t.Helper()
		d, _ := s.Deployment(uuid)
		a, _ := s.App(s.web.UUID)
		if d.Status != status || d.Commit != commit || a.Status != app {
			t.Errorf("deployment %s of %s, application %s; want %s of %s, %s", d.Status, d.Commit, a.Status, status, commit, app)
		}
	}
	want(Queued, "HEAD", "exited:unhealthy")
	s.Advance(uuid)
	want(InProgress, "HEAD", "exited:unhealthy")
	s.Advance(uuid)
	want(Finished, strings.Repeat("ab", 20), "running:unknown")
	s.Advance(uuid)
	want(Finished, strings.Repeat("ab", 20), "running:unknown")

	s.SetApp(s.web.UUID, func(a *App) { a.FailNext = true })
	for _, status := range []string{Failed, Finished} {
		uuid = s.start("").object()["deployment_uuid"].(string)
		s.Advance(uuid)
		s.Advance(uuid)
		want(status, strings.Repeat("ab", 20), "running:unknown")
	}
	uuid = s.start("").object()["deployment_uuid"].(string)
	s.Finish(uuid, Failed)
	want(Failed, "HEAD", "running:unknown")
}

func TestClockMovesDeployments(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, BuildTime: time.Minute})
	uuid := s.start("").object()["deployment_uuid"].(string)
	begun := now.at
	for _, tc := range []struct {
		after  time.Duration
		status string
	}{{0, Queued}, {59 * time.Second, Queued}, {time.Minute, InProgress}, {119 * time.Second, InProgress}, {5 * time.Minute, Finished}} {
		now.at = begun.Add(tc.after)
		if got := s.do("GET", "/deployments/"+uuid, "").object()["status"]; got != tc.status {
			t.Errorf("after %v: %v, want %s", tc.after, got, tc.status)
		}
	}
	if d, _ := s.Deployment(uuid); !d.FinishedAt.Equal(begun.Add(2 * time.Minute)) {
		t.Errorf("finished at %v, want when it was due", d.FinishedAt)
	}
}

// entries decodes the log of a deployment as a client has to.
func (s *sim) entries(uuid string) []map[string]any {
	s.t.Helper()
	text, ok := s.as(revealer...).do("GET", "/deployments/"+uuid, "").object()["logs"].(string)
	if !ok {
		s.t.Fatal("logs are no string")
	}
	var out []map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func TestDeploymentLogHoldsSecrets(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.CommitMessage, a.FailNext = "fix \x1b[2J", true })
	s.AddEnv(s.web.UUID, Env{Key: "PLAIN", Value: "plain-secret", Runtime: true})
	s.AddEnv(s.web.UUID, Env{Key: "LOCKED", Value: "locked-secret", ShownOnce: true})
	s.AddEnv(s.web.UUID, Env{Key: "QUOTED", Value: "quoted-secret", ShownOnce: true, Literal: true})
	var visible, hidden, commands strings.Builder
	withoutCommand := 0
	d := s.deploy(s.web)
	s.SetApp(s.web.UUID, func(a *App) { a.FailNext, a.FailAs = true, FailDisk })
	entries := s.entries(d.UUID)
	built := len(entries)
	for i, e := range append(entries, s.entries(s.deploy(s.web).UUID)...) {
		if _, there := e["order"]; there == (i == 0 || i == built) {
			t.Errorf("entry %d has an order: %v; want it on all but the first", i, there)
		}
		command, there := e["command"]
		if !there {
			withoutCommand++
		}
		if text, ok := command.(string); ok {
			commands.WriteString(text)
		}
		to := &visible
		if e["hidden"] == true {
			to = &hidden
		}
		to.WriteString(e["output"].(string) + "\n")
	}
	file := "COOLIFY_URL=" + s.web.FQDN + "\nCOOLIFY_BRANCH=main\nCOOLIFY_RESOURCE_UUID=" + s.web.UUID +
		"\nPLAIN=plain-secret\n"
	encoded := base64.RawStdEncoding.EncodeToString([]byte(file[:len(file)/3*3])) // it goes on
	for what, in := range map[string]string{
		"plain-secret": visible.String(), "quoted-secret": visible.String(), "fix \x1b[2J": hidden.String(),
		encoded: visible.String(), "git clone": commands.String(), "Cloning into": hidden.String(),
	} {
		if !strings.Contains(in, what) {
			t.Errorf("%q is not where it has to be: %s", what, in)
		}
	}
	if strings.Contains(visible.String(), "locked-secret") {
		t.Error("a locked value that is not literal is in the log, want it redacted")
	}
	if withoutCommand != 2 || !strings.Contains(commands.String(), encoded) {
		t.Errorf("%d entries without a command, commands %s; want one of each deployment, and the variables in the commands", withoutCommand, commands.String())
	}
}

func TestDeploymentLogsAsPlanted(t *testing.T) {
	s := newSim(t, Config{})
	none := s.AddDeployment(s.web.UUID, Deployment{Status: Failed})
	broken := s.AddDeployment(s.web.UUID, Deployment{Status: Failed, RawLogs: `[{"output":`})
	lines := s.AddDeployment(s.web.UUID, Deployment{Status: Failed, Logs: []LogLine{{Output: "a/b", Type: "stderr", Hidden: true, Command: "c", Batch: 3}}})
	sees := s.as(revealer...)
	if got, there := sees.do("GET", "/deployments/"+none.UUID, "").object()["logs"]; got != nil || !there {
		t.Errorf("logs of none = %v, want null", got)
	}
	if got := sees.do("GET", "/deployments/"+broken.UUID, "").object()["logs"]; got != broken.RawLogs {
		t.Errorf("raw logs = %v, want %q", got, broken.RawLogs)
	}
	got := s.entries(lines.UUID)[0]
	delete(got, "timestamp")
	want := map[string]any{"output": "a/b", "type": "stderr", "hidden": true, "command": "c", "batch": 3.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	history := sees.do("GET", "/deployments/applications/"+s.web.UUID, "").json()
	if at(t, history, "deployments", "1", "logs") != broken.RawLogs {
		t.Error("the history of a token that sees secrets has no logs")
	}
}

// The URL is a snapshot; the application is not.
func TestDeploymentAfterAMove(t *testing.T) {
	s := newSim(t, Config{})
	d := s.AddDeployment(s.web.UUID, Deployment{})
	s.MoveApp(s.web.UUID, s.beta.Environments[0].UUID)
	got := s.do("GET", "/deployments/"+d.UUID, "").object()
	if !strings.HasPrefix(got["deployment_url"].(string), "/project/"+s.alpha.UUID+"/") {
		t.Errorf("deployment_url = %v, want the project of then", got["deployment_url"])
	}
	if project := at(t, got, "application", "environment", "project", "uuid"); project != s.beta.UUID {
		t.Errorf("project of the application = %v, want the one of now", project)
	}
}
