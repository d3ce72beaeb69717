package coolifytest

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A LogLine is one entry of a deployment's log.
type LogLine struct {
	Output    string
	Command   string // "" is null
	Type      string // stdout by default
	Hidden    bool
	NoCommand bool // the key command is missing, as in Coolify's entries about SSH
	Batch     int  // 1 by default
	At        time.Time
}

func (d *deployment) add(l LogLine) { d.Logs = append(d.Logs, l) }

func (d *deployment) say(at time.Time, format string, args ...any) {
	d.add(LogLine{Output: fmt.Sprintf(format, args...), At: at})
}

// logs is the column: null, or JSON in a string.
func (d *deployment) logs() any {
	if d.RawLogs != "" {
		return d.RawLogs
	}
	if len(d.Logs) == 0 {
		return nil
	}
	out := []object{}
	for i, l := range d.Logs {
		o := object{
			"command": orNull(l.Command), "output": l.Output, "type": l.Type, "hidden": l.Hidden,
			"batch":     max(l.Batch, 1),
			"timestamp": stamp(d.CreatedAt),
		}
		if l.Type == "" {
			o["type"] = "stdout"
		}
		if !l.At.IsZero() {
			o["timestamp"] = stamp(l.At)
		}
		if l.NoCommand {
			delete(o, "command")
		}
		if i > 0 { // the first entry of a log has none
			o["order"] = i + 1
		}
		out = append(out, o)
	}
	return string(phpJSON(out))
}

// build runs a deployment to its end.
func (s *Server) build(d *deployment, at time.Time) {
	a := d.app
	s.resolveCommit(d)
	known, image := s.logImport(d, at)
	why, output := s.failure(d, known, image)
	if why == "" && s.cfg.Builder != nil && !d.RestartOnly && !image {
		built, err := s.cfg.Builder.Run(BuildOf(a.copy(), s.resolvedRows(a, false)))
		if output = built; err != nil {
			why, output = FailBuild, cmp.Or(built, err.Error())
		}
	}
	if why == "" {
		if _, unread := s.containerEnv(a, false); unread != nil {
			why, output = failEnv, unread.Error()
			if _, byEngine := errors.AsType[daemonError](unread); !byEngine {
				output = "failed to read /artifacts/" + d.UUID + "/.env: " + output
			}
		}
	}
	if fault := s.builderFault(); fault != nil {
		s.Violate(fault.Error())
	}
	s.logBuild(d, at, why, output, image)
	if why != "" {
		d.end(Failed, at, s.cfg.StatusLag)
		return
	}
	d.end(Finished, at, s.cfg.StatusLag)
}

func (s *Server) builderFault() error {
	if s.cfg.Builder == nil {
		return nil
	}
	return s.cfg.Builder.Err()
}

// resolveCommit is what cloning finds out. A commit that is pinned is not looked
// for.
func (s *Server) resolveCommit(d *deployment) {
	if d.Commit != "HEAD" {
		return
	}
	if s.heads != nil {
		d.Commit = cmp.Or(s.heads(d.app.GitRepository, d.app.GitBranch), "HEAD")
		return
	}
	if d.Commit = d.app.Commit; d.Commit == "" {
		d.Commit = fmt.Sprintf("%040x", d.id)
	}
	if d.Message == "" {
		d.Message = d.app.CommitMessage
	}
}

// resolvedRows are an application's rows, or those for previews, with the shared
// variables put in.
func (s *Server) resolvedRows(a *app, preview bool) []Env {
	var out []Env
	for _, r := range a.scope(preview) {
		e := r.Env
		e.Value = s.resolve(a, e.Value)
		out = append(out, e)
	}
	return out
}

// redactLocked takes out locked values as Coolify does: it looks for the quoted
// form, so a literal one stays.
func redactLocked(text string, rows []Env) string {
	for _, e := range rows {
		if form := quoted(e, e.Value); e.ShownOnce && form != "" {
			text = strings.ReplaceAll(text, form, "<REDACTED>")
		}
	}
	return text
}
