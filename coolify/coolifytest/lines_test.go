package coolifytest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shownLines are the lines of a log that Coolify does not hide, with what differs from
// one deployment to the next taken out.
func shownLines(logs []LogLine) []string {
	var out []string
	for _, l := range logs {
		first, _, _ := strings.Cut(l.Output, "\n")
		if l.Hidden || strings.HasPrefix(first, "SSH connection failed. Retrying") {
			continue
		}
		for _, cut := range []struct{ what, by string }{
			{`\b[0-9a-f]{40}\b`, "COMMIT"},
			{`\b[a-z0-9]{24}\b`, "UUID"},
			{`Docker \S+ with`, "Docker with"},
			{`server \(\S+\)`, "server (HOST)"},
			{` to \S+\.$`, " to HOST."},
			{`(of|Importing) \S+ `, "$1 REPOSITORY "},
			{`(exit code \d+\)): .*`, "$1"},
			{`localhost:\d+/\S*`, "localhost"},
			{`\(\d+ seconds\)`, "(seconds)"},
			{`\(\S*nginx:alpine\)`, "(nginx:alpine)"},
			{`Attempt .*`, "Attempt"},
			{`Healthcheck logs: .*`, "Healthcheck logs"},
		} {
			first = regexp.MustCompile(cut.what).ReplaceAllString(first, cut.by)
		}
		out = append(out, strings.TrimSpace(first))
	}
	return slices.Compact(out)
}

// TestLogLinesOfCaptures: the simulator prints the lines that a real Coolify printed, in
// their order.
func TestLogLinesOfCaptures(t *testing.T) {
	for name, tc := range map[string]struct {
		as     Failure
		change func(*App)
		skip   []string // lines that depend on what the app is, or came after the capture
	}{
		"dep2-deployment-end":     {"", func(*App) {}, nil},
		"dep1-deployment-end":     {FailHealthNone, func(*App) {}, nil},
		"st-CR-deployment-failed": {FailBuild, func(*App) {}, nil},
		"hc-bad-failed":           {FailHealth, func(a *App) { a.Logs = "hello-from-web\nmore" }, []string{"err-line"}},
		"hc-on-finished":          {"", func(a *App) { a.HealthCheck = true }, []string{"Healthcheck logs"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := shownLines(capturedLines(t, name+"-sensitive.json"))
			s := newSim(t, Config{})
			s.SetApp(s.web.UUID, func(a *App) {
				a.Commit, a.FailNext, a.FailAs = strings.Repeat("ab", 20), tc.as != "", tc.as
				tc.change(a)
			})
			got := shownLines(s.deploy(s.web).Logs)
			for _, line := range want {
				i := slices.Index(got, line)
				switch {
				case i >= 0:
					got = got[i+1:]
				case !slices.Contains(tc.skip, line):
					t.Errorf("no line %q, in its place", line)
				}
			}
		})
	}
}

func capturedLines(t *testing.T, file string) []LogLine {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "captures"), "coolify-live", file))
	var capture struct {
		Answer struct{ Logs string }
	}
	var entries []struct {
		Output string
		Hidden bool
	}
	if err != nil || json.Unmarshal(raw, &capture) != nil || json.Unmarshal([]byte(capture.Answer.Logs), &entries) != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var lines []LogLine
	for _, e := range entries {
		lines = append(lines, LogLine{Output: e.Output, Hidden: e.Hidden})
	}
	return lines
}
