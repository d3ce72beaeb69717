package verdict

import (
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/probe"
)

// The matrix: each status, with the commit that was wanted and with another, for
// each thing that a visitor may meet.
const verdicts = `
	                 200    302    404    502          503          timeout      refused      dns          address      certificate  broken       runs    exited
	finished         live   live   live   unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  live    unreachable
	finished,unknown live   live   live   unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  unreachable  live    unreachable
	finished,old     stale  stale  stale  stale        stale        stale        stale        stale        stale        stale        stale        stale   stale
	finished,newer   stale  stale  stale  stale        stale        stale        stale        stale        stale        stale        stale        stale   stale
	failed           stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	failed,old       stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	cancelled        stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	cancelled,old    stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	phantom          stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	phantom,old      stale  stale  stale  failed       failed       failed       failed       failed       failed       failed       failed       failed  failed
	skipped          still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running
	queued           still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running
	unheard-of       still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running still_running
`

// observations are what a visitor may meet.
var observations = map[string]observation{
	"200": {seen: probe.Result{Status: 200}}, "302": {seen: probe.Result{Status: 302, Redirect: "login.example.com"}}, "404": {seen: probe.Result{Status: 404}},
	"502": {seen: probe.Result{Status: 502}}, "503": {seen: probe.Result{Status: 503}},
	"timeout": {seen: probe.Result{Problem: probe.Timeout, Reason: "why"}}, "refused": {seen: probe.Result{Problem: probe.Refused, Reason: "why"}},
	"dns": {seen: probe.Result{Problem: probe.DNS, Reason: "why"}}, "address": {seen: probe.Result{Problem: probe.RefusedAddress, Reason: "why"}},
	"certificate": {seen: probe.Result{Problem: probe.BadCertificate, Reason: "why"}}, "broken": {seen: probe.Result{Problem: probe.NoAnswer, Reason: "why"}},
	"runs": {appStatus: "running:healthy", unprobed: "why"}, "exited": {appStatus: "exited:unhealthy", unprobed: "why"},
}

// A deploy that Coolify skipped is the one that is on its way.
var statusNames = map[string]coolify.DeploymentStatus{
	"finished": coolify.DeploymentFinished, "failed": coolify.DeploymentFailed, "cancelled": coolify.DeploymentCancelled, "phantom": "",
	"skipped": coolify.DeploymentInProgress, "queued": coolify.DeploymentQueued, "unheard-of": "paused",
}

func TestVerdictMatrix(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(verdicts), "\n")
	met := strings.Fields(lines[0])
	if len(met) != len(observations) {
		t.Fatalf("%d columns for %d observations", len(met), len(observations))
	}
	wanted, old := strings.Repeat("a", 40), strings.Repeat("b", 40)
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		name, commit, _ := strings.Cut(row[0], ",")
		for i, want := range row[1:] {
			x := observations[met[i]]
			x.status, x.commit, x.wanted = statusNames[name], wanted, wanted
			switch commit {
			case "old":
				x.commit = old
			case "newer":
				x.commit, x.overtaken = old, true
			case "unknown":
				x.wanted = ""
			}
			if x.unprobed == "" {
				x.url = "https://web.example.com/"
			}
			j := x.judge()
			if string(j.Verdict) != want || j.HTTPStatus != x.seen.Status || j.URL != x.url {
				t.Errorf("%s, a visitor meets %s: %+v, want %s", row[0], met[i], j, want)
			}
			if j.Reason == "" || strings.ContainsAny(j.Reason, "\n%") {
				t.Errorf("%s, %s: the reason is %q", row[0], met[i], j.Reason)
			}
			if says := "why"; want == "unreachable" && x.seen.Reason != "" && !strings.HasSuffix(j.Reason, says) {
				t.Errorf("%s, %s: the reason %q does not say %q", row[0], met[i], j.Reason, says)
			}
			if x.overtaken && (!strings.HasSuffix(j.Reason, old) || !strings.Contains(x.next(j.Verdict)[0], old)) {
				t.Errorf("%s, %s: %q, next %q; want the newer commit in both", row[0], met[i], j.Reason, x.next(j.Verdict))
			}
			if next := x.next(j.Verdict); (len(next) == 0) != (want == "live") {
				t.Errorf("%s, %s: next is %q", row[0], met[i], next)
			}
		}
	}
}

// TestVerdictWaits: what may mend by itself is looked at again, and nothing else.
func TestVerdictWaits(t *testing.T) {
	mends := map[string]bool{"502": true, "503": true, "timeout": true, "refused": true, "certificate": true, "broken": true, "exited": true}
	for met, x := range observations {
		if x.unprobed == "" {
			x.url = "https://web.example.com/"
		}
		for name, status := range statusNames {
			x.status = status
			if want := name == "finished" && mends[met]; x.mayMend() != want {
				t.Errorf("%s, a visitor meets %s: looks again: %v, want %v", name, met, x.mayMend(), want)
			}
		}
		x.status, x.commit, x.wanted = coolify.DeploymentFinished, "a", "b"
		if x.mayMend() {
			t.Errorf("another commit, a visitor meets %s: looks again, and nothing would change", met)
		}
	}
}

func TestSiteOf(t *testing.T) {
	for fqdn, want := range map[string]string{
		"https://web.example.com": "https://web.example.com/", "http://WEB.example.com:3000/path?q#f,https://other.example.com": "http://web.example.com/",
		" https://a.example.com ,": "https://a.example.com/", "https://u:p@a.example.com": "https://a.example.com/", "http://[::1]:80": "http://[::1]/",
		"": "", ",https://a.example.com": "", "web.example.com": "", "https://": "", "http://[::1": "", "https://a b": "",
	} {
		got := ""
		if u := siteOf(fqdn); u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("siteOf(%q) = %q, want %q", fqdn, got, want)
		}
	}
}

// TestFirstError takes the line that a person would look at.
func TestFirstError(t *testing.T) {
	for want, log := range map[string]string{
		"npm error code 1":              "Starting\nSSH connection failed. Retrying... (Attempt 1/3)\nError: kex_exchange\nwarning: error handler is deprecated\nnpm error code 1\nDeployment failed: x\nError: y",
		"Deployment failed: exit 1":     "Starting\nDeployment failed: exit 1\nDeployment failed: again",
		"Error: the build failed":       "Deployment failed: exit 1\nError: the build failed",
		"/bin/sh: next: not found":      "0 errors found\nno error here\n/bin/sh: next: not found",
		"fatal: Remote branch x is not": "Cloning\nfatal: Remote branch x is not",
		"":                              "all is well\nSSH connection failed. Retrying... error",
	} {
		if got := firstErrorIn(strings.Split(log, "\n")); got != want {
			t.Errorf("the first error of %q is %q, want %q", log, got, want)
		}
	}
	if got := evidence(" " + strings.Repeat("é", 400)).Raw(); len(got) > maxFirstError+3 || !strings.HasSuffix(got, "é...") {
		t.Errorf("a long line is shown as %d bytes ending in %q", len(got), got[len(got)-5:])
	}
}

// TestMissed finds the variables that a log says are missing, and takes no other
// word for one.
func TestMissed(t *testing.T) {
	for log, want := range map[string]string{
		"Error: DATABASE_URL is not set":                                    "DATABASE_URL",
		"KeyError: 'PORT'":                                                  "PORT",
		"panic: missing required environment variable REDIS_URL":            "REDIS_URL",
		"env: SECRET_KEY and API_TOKEN must be set\nAPI_TOKEN is undefined": "SECRET_KEY API_TOKEN",
		"process.env.STRIPE is undefined":                                   "STRIPE",
		"ERROR: PORT is required":                                           "",
		"ERROR: environment variable PORT is required":                      "PORT",
		"Error [ERR_MODULE_NOT_FOUND]: missing module":                      "",
		"connect ECONNREFUSED, no value":                                    "",
		"DATABASE_URL=postgres://localhost":                                 "",
		"lower_case is missing":                                             "",
		"GET /MISSING_PAGE 404":                                             "",
	} {
		var names []string
		for _, m := range missingVariables(strings.Split(log, "\n")) {
			names = append(names, m.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q misses %q, want %q", log, got, want)
		}
	}
}
