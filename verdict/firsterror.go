package verdict

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

const (
	// maxFirstError limits a line of a log in an answer, in bytes.
	maxFirstError = 300
	// maxExcerpt limits the lines of a failed deployment's log in an answer, in bytes.
	maxExcerpt   = 2_000
	linesBefore  = 2  // before the first error, in an excerpt
	excerptLines = 20 // most lines of an excerpt
)

// failureLog adds to an answer the line of a failed deployment's log that says what went
// wrong, and an excerpt of the log, or that the log is broken.
func failureLog(ctx context.Context, s *tenancy.Scope, d tenancy.FoundDeployment, w *Waited) {
	if d.Log == nil {
		return
	}
	log, err := hosting.BuildLog(ctx, inside(s), d)
	if errors.Is(err, coolify.ErrBrokenLog) {
		w.Reason += "; " + tenancy.Public(err).Msg
	}
	if err != nil {
		inside(s).Log().WarnContext(
			ctx, "log of a failed deployment not read", "workspace", inside(s).Workspace().Slug, "err", s.ForLog(err),
		)
		return
	}
	w.FirstError, w.Log = evidence(firstErrorIn(log.Lines)), excerpt(log.Lines)
}

// evidence returns a line of a scrubbed log, shortened for an answer.
func evidence(line string) untrusted.Text {
	line = strings.TrimSpace(line)
	if len(line) > maxFirstError {
		line = strings.ToValidUTF8(line[:maxFirstError], "") + "..."
	}
	return untrusted.New(line)
}

// excerpt returns the first error of a log with the two lines before it, and the log's
// last lines as far as they fit.
func excerpt(lines []string) []string {
	at := firstErrorAt(lines)
	from := max(at-linesBefore, 0)
	head := shortened(lines[from : at+1])
	room := maxExcerpt - sizeOf(head)
	last := len(lines)
	var tail []string
	for last > at+1 && len(head)+len(tail) < excerptLines {
		line := evidence(lines[last-1]).Raw()
		if room -= len(line) + 1; room < 0 {
			break
		}
		tail = append(tail, line)
		last--
	}
	if last > at+1 && at >= 0 {
		tail = append(tail, "...")
	}
	slices.Reverse(tail)
	return append(head, tail...)
}

func shortened(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, evidence(line).Raw())
	}
	return out
}

func sizeOf(lines []string) int {
	size := len("...\n")
	for _, line := range lines {
		size += len(line) + 1
	}
	return size
}

// firstErrorIn returns the line of a log that says what went wrong; "" if no line does.
func firstErrorIn(lines []string) string {
	if at := firstErrorAt(lines); at >= 0 {
		return lines[at]
	}
	return ""
}

// firstErrorAt returns the index of the line that a person would point at; -1 if there is
// none. In a build that is the first error of the step that failed. Coolify's own line
// "Deployment failed:" counts only if no other does, because it says only which of
// Coolify's commands failed.
func firstErrorAt(lines []string) int {
	if at := buildErrorAt(lines); at >= 0 {
		return at
	}
	if at := slices.Index(lines, unhealthy); at >= 0 {
		return at
	}
	own, retry := -1, false // own is -1 until Coolify says that a command failed
	for i, line := range lines {
		afterOwn := i > 0 && strings.HasPrefix(lines[i-1], deploymentFailed)
		retry = strings.HasPrefix(line, retried) || retry && strings.HasPrefix(line, coolifyError)
		if afterOwn {
			line = strings.TrimPrefix(line, coolifyError)
		}
		switch {
		case retry || !saysError.MatchString(line) || saysNoError.MatchString(line):
		case !strings.HasPrefix(line, deploymentFailed):
			return i
		case own < 0:
			own = i
		}
	}
	if own >= 0 && own+1 < len(lines) && strings.HasPrefix(lines[own+1], coolifyError) {
		return own + 1 // what it printed says more than that it failed, in whatever words
	}
	return own
}

// buildErrorAt returns the index of the first error of the BuildKit step that failed; -1
// if none did. Other steps may print lines that only look like errors.
func buildErrorAt(lines []string) int {
	for failed, line := range lines {
		m := stepFailed.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		step := m[1]
		for i, printed := range lines[:failed] {
			text, ok := strings.CutPrefix(printed, step)
			if ok && saysError.MatchString(text) && !saysNoError.MatchString(text) && !strings.HasPrefix(text, "[") {
				return i
			}
		}
		return failed
	}
	return -1
}

const (
	// retried begins the log entry of a command that Coolify retries.
	retried = "SSH connection failed. Retrying"
	// deploymentFailed begins the entry that says which command failed; the command's
	// output follows in lines of its own, the first after coolifyError.
	deploymentFailed = "Deployment failed: "
	coolifyError     = "Error: "
	// unhealthy is how Coolify says that the health check of a new container failed. What
	// the check printed comes before it, and need not be an error: the first of two
	// programs that Coolify tries may be absent.
	unhealthy = "New container is unhealthy."
)

var (
	// stepFailed matches the line with which BuildKit ends a step that failed.
	stepFailed = regexp.MustCompile(`^(?:Error: )?(#\d+ )ERROR: `)

	saysError = regexp.MustCompile(
		`(?i)\b(error|err!|fatal|failed|failure|panic|exception|traceback|denied|not found|no such|cannot|could not|killed|refused|timed out|unreachable|no space left)\b`,
	)
	saysNoError = regexp.MustCompile(
		`(?i)\b(0 errors?|no errors?|0 failed|error(s)?[-_. ]?(handler|page|log)|warn(ing)?)\b` +
			`|^Image not found \(.*\)\. Building new image\.|^Deployment failed\. Removing the new version`,
	)
)
