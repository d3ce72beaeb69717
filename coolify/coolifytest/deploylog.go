package coolifytest

import (
	"cmp"
	"encoding/base64"
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
	var output string
	var err error
	found, known := false, true
	if d.Rollback {
		found, known = s.findImage(d, at)
	}
	switch {
	case found: // and nothing is built
	case !known:
		output, err = "fatal: remote error: upload-pack: not our ref "+d.Commit, errExit
	case d.Commit == "HEAD":
		output, err = "fatal: Remote branch "+a.GitBranch+" not found in upstream origin", errExit
	case a.FailNext:
		output, err = "npm error code 1", errExit
		a.FailNext = false
	case s.cfg.Builder != nil && !d.RestartOnly:
		output, err = s.cfg.Builder.Run(a.copy(), s.resolvedRows(a, false))
	}
	if err == nil {
		if _, unread := s.containerEnv(a, false); unread != nil {
			err = fmt.Errorf("failed to read /artifacts/%s/.env: %w", d.UUID, unread)
		}
	}
	if fault := s.builderFault(); fault != nil {
		s.Violate(fault.Error())
	}
	s.logBuild(d, at, output, err)
	if err != nil {
		d.end(Failed, at)
		return
	}
	d.end(Finished, at)
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

// logBuild writes the log of a build, with everything in it that must not reach
// a tenant, in the places where Coolify has it.
func (s *Server) logBuild(d *deployment, at time.Time, output string, err error) {
	a := d.app
	rows := s.resolvedRows(a, false)
	inside := func(command string) string { return "docker exec " + d.UUID + " bash -c '" + command + "'" }
	add := func(l LogLine) { l.At = at; l.Output = redactLocked(l.Output, rows); d.add(l) }
	encoded := base64.StdEncoding.EncodeToString([]byte(dotEnv(a.App, rows)))
	dotenv := inside("echo '" + encoded + "' | base64 -d | tee /artifacts/.env > /dev/null")

	add(
		LogLine{
			Output: "Cloning into '/artifacts/" + d.UUID + "'...", Command: inside("git clone " + a.GitRepository),
			Hidden: true,
		},
	)
	add(
		LogLine{
			Output: "SSH connection failed. Retrying... (Attempt 1/3, waiting 2s)\nError: " +
				"kex_exchange_identification",
			NoCommand: true,
		},
	)
	if d.Message != "" {
		add(LogLine{Output: "Commit message: " + d.Message})
	}
	add(LogLine{Output: "tee: warning", Command: dotenv, Type: "stderr"})
	add(LogLine{Output: "Building docker image started."})
	for _, e := range rows {
		if e.Value != "" {
			add(LogLine{Output: "#9 0.31 " + e.Key + "=" + e.Value})
		}
	}
	if output != "" {
		add(LogLine{Output: output, Command: inside("bash /artifacts/build.sh"), Hidden: true})
	}
	if err != nil {
		add(
			LogLine{
				Output: fmt.Sprintf(
					"Deployment failed: Command execution failed (exit code 1): %s\nError: %v", dotenv, err,
				),
				Type: "stderr",
			},
		)
		return
	}
	add(LogLine{Output: "Rolling update completed."})
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
