package hosting

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Limits of one answer with logs.
const (
	MaxLogLines   = 500
	maxLogBytes   = 24_000 // of lines in one answer; the rest is left for the next page
	filteredLines = 2_000  // read from Coolify when the caller filters lines
)

// Logs is a page of a log: the lines, oldest first, cleaned and with secrets removed.
type Logs struct {
	Lines   []string
	Earlier int    // index of the first line if earlier ones were left out; 0 = none were
	Note    string // what the reader should know about the answer; may be empty

	Set []coolify.Env // the app's variables, as far as they were read for the answer; nil = they were not
}

var errWithheld = &tenancy.Error{
	Code: tenancy.Unavailable, Msg: "the log is withheld, as it is too large to search for secrets",
	Hint: "ask for fewer lines",
}

// noteNoValues tells the reader which secrets were not removed.
const noteNoValues = "this server cannot read the values of the app's variables: only those that were set here, " +
	"the addresses of databases and secrets with a known shape were removed"

// Logs returns the app's last runtime lines, at most n of them. With contains it returns
// the last of those that contain it, among the newest 2,000. An app that is not running
// has no log: [Conflict], unless it crashed and the end of its log was kept. Then the note
// says so.
func (a *App) Logs(ctx context.Context, n int, contains string) (Logs, error) {
	if err := a.scope.Require(tenancy.Read); err != nil {
		return Logs{}, err
	}
	read := n
	if contains != "" {
		read = filteredLines
	}
	scrubber, set, note, err := scrubberFor(ctx, inside(a.scope), a.app)
	if err != nil {
		return Logs{}, err
	}
	raw, kept, err := a.rawLog(ctx, read)
	if err != nil {
		return Logs{}, err
	}
	lines, cut, err := scrubbed(scrubber, raw)
	if err != nil {
		return Logs{}, withheldError(err)
	}
	if kept == "" && a.app.Restarts > 0 && read >= keptLines {
		a.keepLog(ctx, lines)
	}
	logs := page(lines, len(lines), n, contains)
	logs.Set, logs.Note = set, strings.TrimSpace(kept+note+cut)
	return logs, nil
}

// rawLog reads the app's log from Coolify or, if the app does not run, the log that was
// kept, with a note that says so.
func (a *App) rawLog(ctx context.Context, lines int) (text, note string, err error) {
	text, err = a.app.Calls.Logs(ctx, lines)
	if err == nil {
		return text, "", nil
	}
	if !errors.Is(err, coolify.ErrNotRunning) {
		return "", "", tenancy.UpstreamError("read the app's log", err)
	}
	text, note, ok, failed := a.keptLog(ctx)
	if ok || failed != nil {
		return text, note, failed
	}
	return "", "", &tenancy.Error{
		Code: tenancy.Conflict, Msg: "the app is not running, so it has no runtime log",
		Hint: "deployments_logs shows why a deployment failed; apps_control with action start runs the app",
		Err:  err,
	}
}

// Logs returns lines of the deployment's build log: the last n before the line with index
// before (negative = the end), or the last n of those that contain a text. Coolify shows
// build logs only to the sensitive token; without it Logs returns [Unavailable].
func (d *Deployment) Logs(ctx context.Context, n, before int, contains string) (Logs, error) {
	if err := d.scope.Require(tenancy.Read); err != nil {
		return Logs{}, err
	}
	if d.deployment.Log == nil {
		return Logs{}, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "deployment logs are not available on this server",
			Hint: "the operator can allow them by setting COOLIFY_SENSITIVE_TOKEN",
		}
	}
	whole, err := BuildLog(ctx, inside(d.scope), d.deployment)
	if err != nil {
		return Logs{}, err
	}
	lines := whole.Lines
	if before < 0 || before > len(lines) {
		before = len(lines)
	}
	logs := page(lines, before, n, contains)
	logs.Note = whole.Note
	return logs, nil
}

// BuildLog reads the whole log of a deployment, as Coolify shows it, and removes secrets.
// d.Log must not be nil. A log that Coolify stored broken is [Unavailable].
func BuildLog(ctx context.Context, s tenancy.Inside, d tenancy.FoundDeployment) (Logs, error) {
	scrubber, set, note, err := scrubberFor(ctx, s, d.App)
	if err != nil {
		return Logs{}, err
	}
	entries := d.Read
	if entries == nil {
		entries, err = d.Log.Logs(ctx)
	}
	if errors.Is(err, coolify.ErrBrokenLog) {
		return Logs{}, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "Coolify's log of this deployment is broken, so nobody can read it", Err: err,
			Hint: "deployments_get shows how it ended; apps_deploy deploys again, with a new log",
		}
	}
	if err != nil {
		return Logs{}, tenancy.UpstreamError("read the deployment's log", err)
	}
	var raw strings.Builder
	for _, e := range entries {
		if !e.Hidden {
			raw.WriteString(withoutCommand(e.Output))
			raw.WriteByte('\n')
		}
	}
	text := unreadEnvs.ReplaceAllString(strings.TrimSuffix(raw.String(), "\n"), "${1}...")
	lines, cut, err := scrubbed(scrubber, text)
	if err != nil {
		return Logs{}, withheldError(err)
	}
	return Logs{Lines: lines, Note: strings.TrimSpace(note + cut), Set: set}, nil
}

// ExposedPorts returns the ports that the Dockerfile of a deployment exposes, as Coolify
// logged it; none if it logged no Dockerfile. d.Log must not be nil.
func ExposedPorts(ctx context.Context, d tenancy.FoundDeployment) ([]string, error) {
	entries, err := d.Log.Logs(ctx)
	if err != nil {
		return nil, tenancy.UpstreamError("read the deployment's log", err)
	}
	var ports []string
	for _, e := range entries {
		if !dockerfile.MatchString(e.Output) {
			continue
		}
		for _, m := range exposes.FindAllStringSubmatch(e.Output, -1) {
			port, _, _ := strings.Cut(m[1], "/")
			if !slices.Contains(ports, port) && len(ports) < maxPorts {
				ports = append(ports, port)
			}
		}
	}
	return ports, nil
}

const maxPorts = 5

var (
	dockerfile = regexp.MustCompile(`(?im)\A\s*(#.*\s+|ARG .*\s+)*FROM \S+`)
	exposes    = regexp.MustCompile(`(?im)^\s*EXPOSE\s+(\d{1,5}(?:/tcp)?)\s*$`)
)

// commandFailed is how Coolify begins to say that one of its commands failed.
var commandFailed = regexp.MustCompile(`Command execution failed \(exit code -?\d+\)`)

// withoutCommand takes the command out of an entry that says that it failed, and leaves
// its output. The command is the platform's own, often long, and may hold a whole file.
func withoutCommand(output string) string {
	at := commandFailed.FindStringIndex(output)
	if at == nil {
		return output
	}
	_, why, found := strings.Cut(output[at[1]:], "\nError: ")
	if !found {
		return output[:at[1]]
	}
	return output[:at[1]] + "\nError: " + why
}

// unreadEnvs matches docker compose's error for a file of variables that it cannot parse.
// The error ends with a piece of a value, which the scrubber does not know.
var unreadEnvs = regexp.MustCompile(`(failed to read \S*\.env: (?:line \d+: )?[A-Za-z ]*).*`)

// noteCut tells the reader that only the log's end was searched for secrets and returned.
const noteCut = " this log is very long; only its end can be read"

// scrubbed cleans a log and removes secrets. Of a log that is too long, it searches only
// the end. It drops the beginning of that part, because a secret that the cut split would
// not be recognised.
func scrubbed(s *untrusted.Scrubber, raw string) (lines []string, note string, err error) {
	if len(raw) <= untrusted.MaxScrubBytes {
		lines, err = s.Lines(raw)
		return lines, "", err
	}
	lines, err = s.Lines(raw[len(raw)-untrusted.MaxScrubBytes:])
	margin := 0
	for len(lines) > 0 && margin < untrusted.MaxValueLen {
		margin += len(lines[0]) + 1
		lines = lines[1:]
	}
	return lines, noteCut, err
}

func withheldError(err error) error {
	e := *errWithheld
	e.Err = err
	return &e
}

// page returns the last n lines before an index that contain a text, as far as they fit
// in an answer. Earlier is where the next page ends.
func page(lines []string, before, n int, contains string) Logs {
	out := Logs{Lines: []string{}}
	size := 0
	for i := before - 1; i >= 0; i-- {
		if !strings.Contains(lines[i], contains) {
			continue
		}
		size += len(lines[i]) + 8 // quotes, comma and escapes of JSON
		if len(out.Lines) == n || size > maxLogBytes {
			out.Earlier = i + 1
			break
		}
		out.Lines = append(out.Lines, lines[i])
	}
	slices.Reverse(out.Lines)
	return out
}
