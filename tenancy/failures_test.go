package tenancy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
	"github.com/vibnai/vibn-mcp/verdict"
)

// wantFailure waits for a failed deployment and diagnoses its app: both name the line
// that a person would point at, the wait shows it with the lines before it, and the
// diagnosis names the cause.
func wantFailure(t *testing.T, h *tenancytest.House, deployment, want, cause string) {
	t.Helper()
	w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), deployment, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(want, "\n")
	last := strings.TrimSpace(lines[len(lines)-1])
	if w.FirstError.String() != last {
		t.Errorf("the first error is %q, want %q", w.FirstError, last)
	}
	shown := strings.Join(w.Log, "\n")
	if !strings.HasPrefix(shown, trimmedLines(want)) || len(shown) > 2_000 || strings.Contains(shown, "docker exec") {
		t.Errorf("the wait shows %d bytes\n%s\nwant at most 2000 that begin with\n%s", len(shown), shown, want)
	}
	d := diagnose(t, h, w.App)
	if len(d.Causes) == 0 || !strings.Contains(d.Causes[0].Cause, cause) || d.FirstError.String() != last {
		t.Errorf("the causes are %+v, first error %q; want %q first", d.Causes, d.FirstError, cause)
	}
}

func trimmedLines(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, strings.TrimSpace(line))
	}
	return strings.Join(out, "\n")
}

// failureCauses are the causes of the logs in verdict/testdata/failures.
var failureCauses = map[string]string{
	"base-image": "the image that the Dockerfile begins with does not exist", "build": "a step of its build",
	"disk": "disk is full", "env": "cannot be read from Coolify's .env file", "git": "no such branch",
	"health": "health check fails on the new container", "health-none": "HEALTHCHECK NONE",
	"key": "may not read the repository", "network": "network of the workspace is gone", "registry": "cannot be pulled",
	"silent-build": "a step of its build", "ssh": "cannot connect to the SSH port", "start": "the program that its image starts with",
}

// TestFailureLogs: beside each log stands the line to point at, with two lines before it.
func TestFailureLogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../verdict/testdata/failures/*.log")
	if err != nil || len(files) != len(failureCauses) {
		t.Fatalf("%d logs, %v; want %d", len(files), err, len(failureCauses))
	}
	h := tenancytest.New(t, tenancytest.Config{})
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		t.Run(name, func(t *testing.T) {
			log, want := read(t, file), strings.TrimSuffix(read(t, strings.TrimSuffix(file, ".log")+".want"), "\n")
			failed := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{
				Status: coolifytest.Failed, Logs: []coolifytest.LogLine{{Output: log}}, CreatedAt: time.Now().Add(time.Minute),
			})
			wantFailure(t, h, failed.UUID, want, failureCauses[name])
		})
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestFailures: the same of deployments that fail in the simulator, each in its way.
func TestFailures(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	for _, tc := range []struct {
		as          coolifytest.Failure
		line, cause string
	}{
		{coolifytest.FailBuild, "#6 1.204 npm error code 1", "dependency is missing"},
		{coolifytest.FailStart, "failed to create task for container", "the program that its image starts with"},
		{coolifytest.FailHealth, "New container is unhealthy.", "health check fails on the new container"},
		{coolifytest.FailHealthNone, "map has no entry", "HEALTHCHECK NONE"},
		{coolifytest.FailNetwork, "declared as external, but could not be found", "network of the workspace is gone"},
		{coolifytest.FailRegistry, "no such host", "cannot be pulled"},
		{coolifytest.FailKey, "Permission denied (publickey)", "may not read the repository"},
		{coolifytest.FailSSH, "ssh: connect to host git.example.com port 22", "cannot connect to the SSH port"},
		{coolifytest.FailDisk, "No space left on device", "disk is full"},
	} {
		t.Run(string(tc.as), func(t *testing.T) {
			h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.FailNext, a.FailAs = true, tc.as })
			id := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{}).UUID
			h.Sim.Advance(id)
			h.Sim.Advance(id)
			w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), id, "", time.Second)
			if err != nil || !strings.Contains(w.FirstError.String(), tc.line) || len(w.Log) < 3 {
				t.Errorf("the first error is %q, %v, in %q; want %q", w.FirstError, err, w.Log, tc.line)
			}
			d := diagnose(t, h, h.A.Web.UUID)
			if len(d.Causes) == 0 || !strings.Contains(d.Causes[0].Cause, tc.cause) {
				t.Errorf("the causes are %+v, want %q first", d.Causes, tc.cause)
			}
			if text := strings.Join(w.Log, "\n"); strings.Contains(text, "value-"+h.A.Canary) {
				t.Errorf("a secret is in %q", text)
			}
		})
	}
}

// TestCapturedFailures: the same of what a real Coolify logged.
func TestCapturedFailures(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	for name, tc := range map[string]struct{ want, cause string }{
		"dep1-deployment-end":     {`template parsing error: template: :1:13: executing "" at <.State.Health.Status>`, "HEALTHCHECK NONE"},
		"hc-bad-failed":           {"New container is unhealthy.", "health check fails on the new container"},
		"st-CR-deployment-failed": {"#3 ERROR: failed to do request: Head", "cannot be pulled"},
		"st-HE-deployment-failed": {"#3 ERROR: failed to do request: Head", "cannot be pulled"},
		"st-CO-deployment-failed": {"failed to solve: rpc error", "cannot be pulled"},
		"st-ST-deployment-failed": {"Error response from daemon: Get", "cannot be pulled"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := capturedLog(t, name+"-sensitive.json")
			failed := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{
				Status: coolifytest.Failed, Logs: logs, CreatedAt: time.Now().Add(time.Minute),
			})
			w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), failed.UUID, "", time.Second)
			if err != nil || !strings.Contains(w.FirstError.String(), tc.want) {
				t.Errorf("the first error is %q, %v; want %q", w.FirstError, err, tc.want)
			}
			d := diagnose(t, h, h.A.Web.UUID)
			if len(d.Causes) == 0 || !strings.Contains(d.Causes[0].Cause, tc.cause) {
				t.Errorf("the causes are %+v, want %q first", d.Causes, tc.cause)
			}
		})
	}
}

// capturedLog is the log of a captured deployment. The captures cut each entry, so the
// output of the command that failed is put together again from what it printed.
func capturedLog(t *testing.T, file string) []coolifytest.LogLine {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "captures", "coolify-live", file)
	raw, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no captures: %v", err)
	}
	var capture struct {
		Answer struct{ Logs string }
	}
	var entries []struct {
		Output, Type string
		Hidden       bool
	}
	if err != nil || json.Unmarshal(raw, &capture) != nil || json.Unmarshal([]byte(capture.Answer.Logs), &entries) != nil {
		t.Fatalf("%s: %v", path, err)
	}
	var lines []coolifytest.LogLine
	var printed []string
	for _, e := range entries {
		if strings.HasPrefix(e.Output, "#0 ") {
			printed = nil // here the build begins
		}
		if e.Hidden && e.Type == "stderr" && !strings.HasPrefix(e.Output, "Error type") {
			printed = append(printed, e.Output)
		}
		const cut = 400
		if strings.HasPrefix(e.Output, "Deployment failed: ") && len(e.Output) == cut {
			e.Output = strings.SplitN(e.Output, "\n", 2)[0] + "\nError: " + strings.Join(printed, "\n")
		}
		lines = append(lines, coolifytest.LogLine{Output: e.Output, Type: e.Type, Hidden: e.Hidden})
	}
	return lines
}

// TestStuck: a deployment that has been in progress for over an hour is named as stuck.
func TestStuck(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	for age, want := range map[time.Duration]bool{59 * time.Minute: false, 61 * time.Minute: true} {
		id := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{
			Status: coolifytest.InProgress, CreatedAt: time.Now().Add(-age),
		}).UUID
		w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), id, "", time.Millisecond)
		cancels := strings.HasPrefix(w.Next[0], "deployments_cancel")
		if err != nil || w.Verdict != verdict.VerdictStillRunning || strings.Contains(w.Reason, "stuck") != want || cancels != want {
			t.Errorf("after %v: %+v, %v; want stuck: %v", age, w, err, want)
		}
	}
}

// TestBrokenLog: a log that Coolify holds as broken JSON is said to be broken.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	id := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{
		Status: coolifytest.Failed, RawLogs: `[{"output":`, CreatedAt: time.Now().Add(time.Minute),
	}).UUID
	w, err := verdict.Await(t.Context(), h.Open(t, h.A.Key, tenancy.Read), id, "", time.Second)
	if err != nil || !strings.Contains(w.Reason, "log of this deployment is broken") {
		t.Errorf("the wait says %q, %v", w.Reason, err)
	}
	if d := diagnose(t, h, h.A.Web.UUID); !strings.Contains(d.Note, "is broken") {
		t.Errorf("the diagnosis notes %q", d.Note)
	}
	deployment, err := hosting.FindDeployment(t.Context(), h.Open(t, h.A.Key, tenancy.Read), id)
	if err != nil {
		t.Fatal(err)
	}
	_, err = deployment.Logs(t.Context(), 10, -1, "")
	if e := tenancy.Public(err); e.Retryable || !strings.Contains(e.Msg, "is broken") {
		t.Errorf("the log: %+v, want that it is broken", e)
	}
}
