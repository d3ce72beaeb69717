package verdict

import (
	"strconv"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/probe"
)

// The matrices: what the verdict is for what answers at the domain (404p and 200p: as the
// proxy itself does), by the state of the container, with its restarts after crashes. L is
// live, U unreachable, ? still_running, F failed, S stale.
const (
	matrixFinished = `
		                   200 302 404 404p 200p 502 503 timeout refused dns address certificate broken none
		running:unknown    L   L   L   L    L    U   U   U       U       U   U       U           U      L
		running:healthy    L   L   L   L    L    U   U   U       U       U   U       U           U      L
		running:starting   L   L   L   L    L    U   U   U       U       U   U       U           U      L
		starting:unknown   L   L   L   L    L    U   U   U       U       U   U       U           U      L
		degraded:unhealthy L   L   L   L    L    U   U   U       U       U   U       U           U      L
		running:unhealthy  L   L   L   U    U    U   U   U       U       U   U       U           U      U
		restarting:unknown L   L   L   U    U    U   U   U       U       U   U       U           U      U
		exited:unhealthy   L   L   L   U    U    U   U   U       U       U   U       U           U      U
		running:unknown+1  L   L   L   U    U    U   U   U       U       U   U       U           U      U
		restarting:unknown+5 L L   L   U    U    U   U   U       U       U   U       U           U      U
		exited:unhealthy+10 L  L   L   U    U    U   U   U       U       U   U       U           U      U
		paused:unheard-of  L   L   L   U    U    U   U   U       U       U   U       U           U      U
	`
	// Of a deployment that ended less than a minute ago.
	matrixSettling = `
		                   200 302 404 404p 200p 502 503 timeout refused dns address certificate broken none
		running:unknown    L   L   L   ?    ?    U   U   U       U       U   U       U           U      L
		running:healthy    L   L   L   ?    ?    U   U   U       U       U   U       U           U      L
		degraded:unhealthy L   L   L   ?    ?    U   U   U       U       U   U       U           U      L
		running:unhealthy  L   L   L   ?    ?    U   U   U       U       U   U       U           U      U
		restarting:unknown L   L   L   ?    ?    U   U   U       U       U   U       U           U      ?
		exited:unhealthy   L   L   L   ?    ?    U   U   U       U       U   U       U           U      ?
		running:unknown+1  L   L   L   U    U    U   U   U       U       U   U       U           U      U
		exited:unhealthy+10 L  L   L   U    U    U   U   U       U       U   U       U           U      U
	`
	// Of a deployment that failed, was cancelled or never existed, where a version was live
	// before it.
	matrixUndone = `
		                   200 302 404 404p 200p 502 503 timeout refused dns address certificate broken none
		running:unknown    S   S   S   S    S    F   F   F       F       F   F       F           F      F
		running:healthy    S   S   S   S    S    F   F   F       F       F   F       F           F      F
		degraded:unhealthy S   S   S   S    S    F   F   F       F       F   F       F           F      F
		restarting:unknown S   S   S   F    F    F   F   F       F       F   F       F           F      F
		exited:unhealthy   S   S   S   F    F    F   F   F       F       F   F       F           F      F
		running:unknown+1  S   S   S   F    F    F   F   F       F       F   F       F           F      F
		exited:unhealthy+10 S  S   S   F    F    F   F   F       F       F   F       F           F      F
	`
)

// observations are what a visitor may meet.
var observations = map[string]observation{
	"200": {seen: probe.Result{Status: 200}}, "302": {seen: probe.Result{Status: 302, Redirect: "login.example.com"}}, "404": {seen: probe.Result{Status: 404}},
	"404p": {seen: probe.Result{Status: 404, AsProxy: true}}, "200p": {seen: probe.Result{Status: 200, AsProxy: true}},
	"502": {seen: probe.Result{Status: 502}}, "503": {seen: probe.Result{Status: 503}},
	"timeout": {seen: probe.Result{Problem: probe.Timeout, Reason: "why"}}, "refused": {seen: probe.Result{Problem: probe.Refused, Reason: "why"}},
	"dns": {seen: probe.Result{Problem: probe.DNS, Reason: "why"}}, "address": {seen: probe.Result{Problem: probe.RefusedAddress, Reason: "why"}},
	"certificate": {seen: probe.Result{Problem: probe.BadCertificate, Reason: "why"}}, "broken": {seen: probe.Result{Problem: probe.NoAnswer, Reason: "why"}},
	"none": {unprobed: "why"},
}

// A deploy that Coolify skipped is the one that is in progress.
var statusNames = map[string]coolify.DeploymentStatus{
	"finished": coolify.DeploymentFinished, "failed": coolify.DeploymentFailed, "cancelled": coolify.DeploymentCancelled, "phantom": "",
	"skipped": coolify.DeploymentInProgress, "queued": coolify.DeploymentQueued, "unheard-of": "paused",
}

var wantedCommit, oldCommit = strings.Repeat("a", 40), strings.Repeat("b", 40)

// each calls f for each cell of a matrix.
func each(t *testing.T, matrix string, f func(name, want string, x observation)) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(matrix), "\n")
	met := strings.Fields(lines[0])
	if len(met) != len(observations) {
		t.Fatalf("%d columns for %d observations", len(met), len(observations))
	}
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		if len(row) != len(met)+1 {
			t.Fatalf("%q has %d cells", line, len(row))
		}
		state, restarts, _ := strings.Cut(row[0], "+")
		for i, want := range row[1:] {
			x := observations[met[i]]
			x.appStatus, x.commit, x.wanted = state, wantedCommit, wantedCommit
			x.restarts, _ = strconv.Atoi(restarts)
			if x.unprobed == "" {
				x.url = "https://web.example.com/"
			}
			f(row[0]+", a visitor meets "+met[i], map[string]string{
				"L": "live", "U": "unreachable", "?": "still_running", "F": "failed", "S": "stale",
			}[want], x)
		}
	}
}

// wantVerdict judges an observation.
func wantVerdict(t *testing.T, name, want string, x observation) {
	t.Helper()
	j := x.judge()
	if string(j.Verdict) != want || j.HTTPStatus != x.seen.Status || j.URL != x.url {
		t.Errorf("%s: %+v, want %s", name, j, want)
	}
	if j.Reason == "" || strings.ContainsAny(j.Reason, "\n%") {
		t.Errorf("%s: the reason is %q", name, j.Reason)
	}
	if next := x.next(j.Verdict); (len(next) == 0) != (want == "live") {
		t.Errorf("%s: next is %q", name, next)
	}
	if want == "unreachable" && x.seen.Reason != "" && !strings.HasSuffix(j.Reason, "why") {
		t.Errorf("%s: the reason %q does not say why", name, j.Reason)
	}
	if lives := want == "live" || want == "stale" && x.had; x.seen.AsProxy && strings.Contains(j.Reason, "as the proxy itself does") != lives {
		t.Errorf("%s: %q", name, j.Reason)
	}
	if want == "unreachable" && x.restarts > 0 && !strings.Contains(j.Reason, "crash") {
		t.Errorf("%s: the reason %q does not say that it crashes", name, j.Reason)
	}
}

func TestVerdictMatrix(t *testing.T) {
	each(t, matrixFinished, func(name, want string, x observation) {
		x.status = coolify.DeploymentFinished
		wantVerdict(t, name, want, x)
		x.wanted = ""
		wantVerdict(t, name+", unknown what was wanted", want, x)
		x.wanted, x.commit = wantedCommit, oldCommit
		wantVerdict(t, name+", another commit", "stale", x)
		x.overtaken = true
		wantVerdict(t, name+", overtaken", "stale", x)
		if j := x.judge(); !strings.HasSuffix(j.Reason, oldCommit) || !strings.Contains(x.next(j.Verdict)[0], oldCommit) {
			t.Errorf("%s: %q, next %q; want the newer commit in both", name, j.Reason, x.next(j.Verdict))
		}
		for _, running := range []string{"skipped", "queued", "unheard-of"} {
			x := x
			x.status, x.overtaken = statusNames[running], false
			wantVerdict(t, name+", "+running, "still_running", x)
		}
	})
	each(t, matrixSettling, func(name, want string, x observation) {
		x.status, x.settling = coolify.DeploymentFinished, true
		wantVerdict(t, name+", a moment ago", want, x)
	})
	each(t, matrixUndone, func(name, want string, x observation) {
		for _, status := range []string{"failed", "cancelled", "phantom"} {
			for _, commit := range []string{wantedCommit, oldCommit} {
				x.status, x.commit, x.had = statusNames[status], commit, true
				wantVerdict(t, name+", "+status, want, x)
				x.had = false
				wantVerdict(t, name+", "+status+", the first", "failed", x)
				if strings.Contains(x.judge().Reason, "the version before it") {
					t.Errorf("%s, %s: %q names a version that never was", name, status, x.judge().Reason)
				}
			}
		}
	})
}

// TestVerdictWaits: what may mend by itself is looked at again, and nothing else.
func TestVerdictWaits(t *testing.T) {
	mends := map[string]bool{
		"502": true, "503": true, "timeout": true, "refused": true, "certificate": true, "broken": true, "404p": true, "200p": true,
	}
	each(t, matrixFinished, func(name, _ string, x observation) {
		_, met, _ := strings.Cut(name, "meets ")
		for status, of := range statusNames {
			x.status = of
			want := of == coolify.DeploymentFinished && (mends[met] || met == "none" && x.down() != "")
			if x.mayMend() != want {
				t.Errorf("%s, %s: looks again: %v, want %v", status, name, x.mayMend(), want)
			}
		}
		x.status, x.commit = coolify.DeploymentFinished, oldCommit
		if x.mayMend() {
			t.Errorf("another commit, %s: looks again, and nothing would change", name)
		}
	})
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
