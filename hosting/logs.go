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
	maxLogBytes   = 24_000 // of lines in one answer; more is left for the next page
	filteredLines = 2_000  // read from Coolify when only some lines are wanted
)

// Logs is a piece of a log: the lines, oldest first, cleaned and scrubbed.
type Logs struct {
	Lines   []string
	Earlier int    // index of the first line; lines before it were left out. 0 = none
	Note    string // what the reader should know of the answer; may be empty
}

var errWithheld = &tenancy.Error{
	Code: tenancy.Unavailable, Msg: "the log is withheld, as it is too large to search for secrets",
	Hint: "ask for fewer lines",
}

// noteNoValues is honest about a log that could only be scrubbed by shape.
const noteNoValues = "this server cannot read the values of the app's variables, so only secrets with a known shape were removed"

// Logs returns the app's last runtime lines, at most n of them; with contains,
// the last of those among the newest 2,000 that contain it. An app that does
// not run has none: [Conflict].
func (a *App) Logs(ctx context.Context, n int, contains string) (Logs, error) {
	if err := a.scope.Require(tenancy.Read); err != nil {
		return Logs{}, err
	}
	read := n
	if contains != "" {
		read = filteredLines
	}
	scrubber, note, err := scrubber(ctx, a.scope, a.app.Values)
	if err != nil {
		return Logs{}, err
	}
	raw, err := a.app.Calls.Logs(ctx, read)
	if errors.Is(err, coolify.ErrNotRunning) {
		return Logs{}, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "the app is not running, so it has no runtime log",
			Hint: "deployments_logs shows why a deployment failed; apps_control with action start runs the app", Err: err,
		}
	}
	if err != nil {
		return Logs{}, tenancy.UpstreamError("read the app's log", err)
	}
	lines, cut, err := scrubbed(scrubber, raw)
	if err != nil {
		return Logs{}, withheldError(err)
	}
	logs := page(lines, len(lines), n, contains)
	logs.Note = strings.TrimSpace(note + cut)
	return logs, nil
}

// Logs returns lines of the deployment's build log: the last n before the line
// with index before (negative = the end), or of those that contain a text.
// Coolify tells them to the sensitive token only; without it they are refused.
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
	lines, note, err := BuildLog(ctx, inside(d.scope), d.deployment)
	if err != nil {
		return Logs{}, err
	}
	if before < 0 || before > len(lines) {
		before = len(lines)
	}
	logs := page(lines, before, n, contains)
	logs.Note = note
	return logs, nil
}

// BuildLog reads the whole log of a deployment, as Coolify shows it, without
// secrets. d.Log must not be nil.
func BuildLog(ctx context.Context, s tenancy.Inside, d tenancy.FoundDeployment) (lines []string, note string, err error) {
	scrubber, note, err := scrubber(ctx, s.Scope, d.App.Values)
	if err != nil {
		return nil, "", err
	}
	entries, err := d.Log.Logs(ctx)
	if err != nil {
		return nil, "", tenancy.UpstreamError("read the deployment's log", err)
	}
	var raw strings.Builder
	for _, e := range entries {
		if !e.Hidden {
			raw.WriteString(e.Output)
			raw.WriteByte('\n')
		}
	}
	text := unreadEnvs.ReplaceAllString(strings.TrimSuffix(raw.String(), "\n"), "${1}...")
	lines, cut, err := scrubbed(scrubber, text)
	if err != nil {
		return nil, "", withheldError(err)
	}
	return lines, strings.TrimSpace(note + cut), nil
}

// unreadEnvs is what docker compose says of the file of an app's variables that it cannot
// read. After that it shows a piece of a value, which the scrubber does not know.
var unreadEnvs = regexp.MustCompile(`(failed to read \S*\.env: (?:line \d+: )?[A-Za-z ]*).*`)

// noteCut says that a log was too long to be searched for secrets as a whole.
const noteCut = " this log is very long; only its end can be read"

// scrubbed cleans a log and removes secrets. Of one that is too long only the end
// is searched, and of that the beginning is left out: a secret that the cut went
// through is not recognised.
func scrubbed(s *untrusted.Scrubber, raw string) (lines []string, note string, err error) {
	if len(raw) <= untrusted.MaxScrubBytes {
		lines, err = s.Lines(raw)
		return lines, "", err
	}
	lines, err = s.Lines(raw[len(raw)-untrusted.MaxScrubBytes:])
	margin := 0
	for len(lines) > 0 && margin < untrusted.MaxValueBytes {
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

// page takes the last n lines before an index that contain a text, as far as
// they fit in an answer. Earlier is where the next page ends.
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

// scrubber knows the values of the app's variables, as far as this server may
// read them, and the platform's own secrets. If they should be readable and are
// not, no log is shown.
func scrubber(ctx context.Context, s *tenancy.Scope, app *coolify.SensitiveApp) (*untrusted.Scrubber, string, error) {
	scrubber := inside(s).Scrubber()
	if app == nil {
		return scrubber, noteNoValues, nil
	}
	values, err := app.EnvValues(ctx)
	if err != nil {
		return nil, "", tenancy.UpstreamError("read what must not be shown", err)
	}
	for _, v := range values {
		scrubber.Add(v.Key, v.Value)
		scrubber.Add(v.Key, v.RealValue)
	}
	return scrubber, "", nil
}
