package verdict

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Diagnosis holds an app's state as seen from Coolify, Gitea and its domain, and the
// likely causes of problems.
type Diagnosis struct {
	App         string         `json:"app"` // uuid
	Name        untrusted.Text `json:"name"`
	Status      untrusted.Text `json:"status"` // state:health, as "running:healthy"
	Causes      []Cause        `json:"causes"` // likeliest first; empty if nothing wrong was found
	FirstError  untrusted.Text `json:"first_error,omitzero"`
	UnsetEnvs   []string       `json:"unset_envs,omitempty"` // variables that a log names and the app does not have
	Site        *SiteInfo      `json:"site,omitempty"`       // nil if it has no domain
	Push        *PushInfo      `json:"push,omitempty"`       // nil if vibn-mcp did not create the app
	Limits      *LimitsInfo    `json:"limits,omitempty"`     // nil if there are none
	Deployments []RecentDeploy `json:"deployments"`          // newest first, three at most
	Note        string         `json:"note,omitempty"`       // what could not be read
	// last lines of the log that was read; for [untrusted.Block]
	Log []string `json:"-"`
}

// A Cause is a possible cause of a problem.
type Cause struct {
	Cause    string         `json:"cause"`
	Evidence untrusted.Text `json:"evidence,omitzero"`
	Next     string         `json:"next"` // the call to make, or who can fix it
}

// SiteInfo is the response of the app's first domain to a visitor.
type SiteInfo struct {
	URL        string         `json:"url"`
	HTTPStatus int            `json:"http_status,omitempty"`
	Problem    probe.Problem  `json:"problem,omitempty"`
	PointsTo   untrusted.Text `json:"points_to,omitzero"`         // host of a redirect
	CertEnds   string         `json:"certificate_ends,omitempty"` // RFC 3339, UTC
	CertIssuer untrusted.Text `json:"certificate_issuer,omitzero"`
}

// PushInfo is the result of the last push to the app's branch.
type PushInfo struct {
	Head       string `json:"head,omitempty"`
	Deployment string `json:"deployment,omitempty"` // uuid; absent = none is queued yet
	Reported   string `json:"reported,omitempty"`   // commit status in Gitea
}

// LimitsInfo holds the resource limits of the app's container.
type LimitsInfo struct {
	Memory string `json:"memory,omitempty"` // for example 512m
	CPUs   string `json:"cpus,omitempty"`
}

// RecentDeploy is a deployment in short.
type RecentDeploy struct {
	UUID      string         `json:"uuid"`
	Status    string         `json:"status"`
	Commit    untrusted.Text `json:"commit,omitzero"`
	CreatedAt string         `json:"created_at,omitempty"`
}

const (
	recentDeploys = 3
	readDeploys   = 10 // deployments that are read; previews among them are left out
	maxCauses     = 6
	maxUnset      = 10
	shownLines    = 8     // of the log, in the answer
	shownBytes    = 1_500 // in all those lines
	readLines     = 200   // of the runtime log
	endsSoon      = 7 * 24 * time.Hour
)

// Diagnose examines the app and changes nothing. It reads the deployments from Coolify.
// Only if something is wrong, it also reads a log: the build log if the last deployment
// failed, else the app's own.
func Diagnose(ctx context.Context, a *hosting.App) (Diagnosis, error) {
	if err := scopeOf(a).Require(tenancy.Read); err != nil {
		return Diagnosis{}, err
	}
	all, _, err := foundOf(a).Deployments(ctx, 0, readDeploys)
	if err != nil {
		return Diagnosis{}, err
	}
	records, err := AppRecords(ctx, inside(scopeOf(a)), a.UUID())
	if err != nil {
		return Diagnosis{}, err
	}
	own := slices.DeleteFunc(all, func(d tenancy.FoundDeployment) bool { return d.PullRequestID != 0 })
	f := findings{
		app: foundOf(a).Application, deployments: own[:min(len(own), recentDeploys)], now: inside(scopeOf(a)).Now(),
	}
	if len(records) == 1 {
		f.push = &records[0]
	}
	visit(ctx, a, &f.site, false)
	if f.site.doubtful() && f.site.down() == "" {
		f.note = "its domain " + f.site.answers()
	}
	if f.newDomain, err = hasNewDomain(ctx, a, f); err != nil {
		return Diagnosis{}, err
	}
	if err := readLog(ctx, a, &f); err != nil {
		return Diagnosis{}, err
	}
	return diagnosis(a, f), scopeOf(a).Prove(ctx)
}

// findings holds everything from which causes are inferred.
type findings struct {
	app         coolify.Application
	deployments []tenancy.FoundDeployment // newest first
	site        observation
	newDomain   bool               // set since the last deployment, which the proxy so does not know
	push        *tenancy.AppRecord // nil = vibn-mcp did not create the app
	log         []string           // scrubbed; the build log if the build failed
	mentions    []mention          // variables that the log reports missing and the app does not have
	exposed     []string           // ports that its Dockerfile exposes, where that was looked at
	note        string
	now         time.Time
}

// hasNewDomain reports whether the proxy answers itself because the app's domain was set
// after its last good deployment. Only our own audit trail tells when.
func hasNewDomain(ctx context.Context, a *hosting.App, f findings) (bool, error) {
	if f.site.url == "" || f.site.seen.Status != http.StatusServiceUnavailable && !f.site.doubtful() {
		return false, nil
	}
	entries, err := db(scopeOf(a)).Audit(
		ctx, inside(scopeOf(a)).Workspace().ID, tenancy.AuditQuery{Tool: "domains.set", Target: a.UUID(), Limit: 1},
	)
	if err != nil {
		return false, tenancy.StoreError("read the audit trail", err)
	}
	if len(entries) == 0 || entries[0].Outcome != "ok" {
		return false, nil
	}
	deployed := slices.ContainsFunc(f.deployments, func(d tenancy.FoundDeployment) bool {
		return d.Status == coolify.DeploymentFinished && d.CreatedAt.After(entries[0].At)
	})
	return !deployed, nil
}

// A mention is the name of a variable in a line of a log.
type mention struct{ name, line string }

// addNote adds to what the reader should know.
func (f *findings) addNote(note string) {
	if f.note != "" {
		f.note += "; "
	}
	f.note += note
}

// failed reports whether the app's last deployment failed.
func (f findings) failed() bool {
	return len(f.deployments) > 0 && f.deployments[0].Status == coolify.DeploymentFailed
}

// containerFaulty reports whether the container has a problem that the app's own log may
// explain. The log of an exited container cannot be read, unless it was kept.
func (f findings) containerFaulty() bool {
	exited := strings.HasPrefix(f.app.Status, "exited")
	return (f.site.down() != "" || f.site.url != "" && !f.site.serves()) && (!exited || f.site.crashes())
}

// portFaulty reports whether nobody listens on the app's port.
func (f findings) portFaulty() bool { return f.site.seen.Status == 502 || f.site.seen.Status == 504 }

// readLog reads the log that best explains a problem, if there is one. If the log cannot
// be read, it notes that and returns nil, because the other findings are still useful.
func readLog(ctx context.Context, a *hosting.App, f *findings) error {
	var logs hosting.Logs
	var err error
	switch {
	case f.failed() && f.deployments[0].Log == nil:
		f.addNote("this server may not read build logs, so why the build failed was not looked at")
		return nil
	case f.failed():
		logs, err = hosting.BuildLog(ctx, inside(scopeOf(a)), f.deployments[0])
	case f.containerFaulty():
		logs, err = a.Logs(ctx, readLines, "")
		if err == nil && f.portFaulty() && len(f.deployments) > 0 && f.deployments[0].Log != nil {
			f.exposed, err = hosting.ExposedPorts(ctx, f.deployments[0])
		}
	}
	f.log = logs.Lines
	if err == nil {
		f.mentions, err = withoutSet(ctx, a, logs.Set, missingVariables(f.log))
	}
	switch code := tenancy.Public(err).Code; {
	case err == nil:
		return nil
	case ctx.Err() != nil, code == tenancy.Unauthorized, code == tenancy.Forbidden:
		return err
	}
	f.addNote("some checks could not be done: " + tenancy.Public(err).Msg)
	return nil
}

// withoutSet removes the variables that the app has from all. It asks for them unless they
// were read with the log.
func withoutSet(ctx context.Context, a *hosting.App, envs []coolify.Env, all []mention) ([]mention, error) {
	if len(all) == 0 {
		return nil, nil
	}
	if envs == nil {
		var err error
		if envs, err = foundOf(a).Calls.Envs(ctx); err != nil {
			return nil, tenancy.UpstreamError("read the app's variables", err)
		}
	}
	all = slices.DeleteFunc(all, func(m mention) bool {
		return slices.ContainsFunc(envs, func(e coolify.Env) bool { return e.Key == m.name && !e.Preview })
	})
	return all[:min(len(all), maxUnset)], nil
}

var (
	saysMissing = regexp.MustCompile(
		`(?i)\b(missing|undefined|unset|not set|isn't set|not defined|not provided|not found in env|required|must be set|must be provided|KeyError|is empty|no value)\b`,
	)
	aboutEnvs = regexp.MustCompile(`(?i)\b(env|environ|environment|variable|KeyError)\b|process\.env`)
	upperCase = regexp.MustCompile(`\b[A-Z][A-Z0-9_]{2,63}\b`)
	notAName  = regexp.MustCompile(
		`^(ERR|ERR_.*|ERROR|E[A-Z]{5,}|FATAL|PANIC|WARN|WARNING|INFO|DEBUG|TRACE|HTTP|HTTPS|GET|PUT|POST|JSON|YAML|ENV|SSL|TLS|SQL|.*_NOT_FOUND)$`,
	)
)

// missingVariables finds the names of variables that a log reports missing. A name without an
// underscore counts only if the line is about variables.
func missingVariables(log []string) []mention {
	var all []mention
	for _, line := range log {
		if !saysMissing.MatchString(line) {
			continue
		}
		for _, name := range upperCase.FindAllString(line, -1) {
			known := slices.ContainsFunc(all, func(m mention) bool { return m.name == name })
			if known || notAName.MatchString(name) || !strings.Contains(name, "_") && !aboutEnvs.MatchString(line) {
				continue
			}
			all = append(all, mention{name, line})
		}
	}
	return all
}

// diagnosis returns what the tenant may see of the findings.
func diagnosis(a *hosting.App, f findings) Diagnosis {
	d := Diagnosis{
		App: a.UUID(), Name: scopeOf(a).Text(f.app.Name), Status: scopeOf(a).Text(f.app.Status), Causes: f.causes(),
		Site: siteInfo(scopeOf(a), f.site), Deployments: []RecentDeploy{}, Note: f.note, Log: lastLines(f.log),
	}
	if f.failed() {
		d.FirstError = evidence(firstErrorIn(f.log))
	}
	for _, m := range f.mentions {
		d.UnsetEnvs = append(d.UnsetEnvs, m.name)
	}
	if f.push != nil {
		d.Push = &PushInfo{whole(f.push.Head), f.push.Deployment, f.push.Reported}
	}
	if l := (LimitsInfo{
		limit(scopeOf(a), f.app.Limits.Memory), limit(scopeOf(a), f.app.Limits.CPUs),
	}); l != (LimitsInfo{}) {
		d.Limits = &l
	}
	for _, x := range f.deployments {
		i := inside(scopeOf(a)).DeploymentInfo(x.Deployment, "", "")
		d.Deployments = append(d.Deployments, RecentDeploy{i.UUID, i.Status, i.Commit, i.CreatedAt})
	}
	return d
}

// limit returns a limit as the answer shows it. Coolify reports no limit as 0.
func limit(s *tenancy.Scope, l string) string {
	if l == "0" {
		return ""
	}
	return s.Text(l).String()
}

func siteInfo(s *tenancy.Scope, o observation) *SiteInfo {
	if o.url == "" {
		return nil
	}
	site := &SiteInfo{URL: o.url, HTTPStatus: o.seen.Status, Problem: o.seen.Problem, PointsTo: s.Text(o.seen.Redirect)}
	if c := o.seen.Certificate; c != nil {
		site.CertEnds, site.CertIssuer = c.Ends.Format(tenancy.TimeFormat), s.Text(c.Issuer)
	}
	return site
}

// lastLines returns the last lines of a log, each shortened.
func lastLines(log []string) []string {
	var out []string
	size := 0
	for _, line := range slices.Backward(log) {
		line = evidence(line).Raw()
		if size += len(line); len(out) == shownLines || size > shownBytes {
			break
		}
		out = append(out, line)
	}
	slices.Reverse(out)
	return out
}
