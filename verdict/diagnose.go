package verdict

import (
	"context"
	"fmt"
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
	push        *tenancy.AppRecord // nil = vibn-mcp did not create the app
	log         []string           // scrubbed; the build log if the build failed
	mentions    []mention          // variables that the log reports missing and the app does not have
	note        string
	now         time.Time
}

// A mention is the name of a variable in a line of a log.
type mention struct{ name, line string }

// failed reports whether the app's last deployment failed.
func (f findings) failed() bool {
	return len(f.deployments) > 0 && f.deployments[0].Status == coolify.DeploymentFailed
}

// containerFaulty reports whether the container has a problem that the app's own log may
// explain. The log of an exited container cannot be read.
func (f findings) containerFaulty() bool {
	return (!strings.HasSuffix(f.app.Status, ":healthy") || f.site.url != "" && !f.site.answered()) &&
		!strings.HasPrefix(f.app.Status, "exited")
}

// readLog reads the log that best explains a problem, if there is one. If the log cannot
// be read, it notes that and returns nil, because the other findings are still useful.
func readLog(ctx context.Context, a *hosting.App, f *findings) error {
	var err error
	switch {
	case f.failed() && f.deployments[0].Log == nil:
		f.note = "this server may not read build logs, so why the build failed was not looked at"
		return nil
	case f.failed():
		f.log, _, err = hosting.BuildLog(ctx, inside(scopeOf(a)), f.deployments[0])
	case f.containerFaulty():
		var logs hosting.Logs
		logs, err = a.Logs(ctx, readLines, "")
		f.log = logs.Lines
	}
	if err == nil {
		f.mentions, err = withoutSet(ctx, a, missingVariables(f.log))
	}
	switch code := tenancy.Public(err).Code; {
	case err == nil:
		return nil
	case ctx.Err() != nil, code == tenancy.Unauthorized, code == tenancy.Forbidden:
		return err
	}
	f.note = "some checks could not be done: " + tenancy.Public(err).Msg
	return nil
}

// withoutSet removes the variables that the app has from all.
func withoutSet(ctx context.Context, a *hosting.App, all []mention) ([]mention, error) {
	if len(all) == 0 {
		return nil, nil
	}
	envs, err := foundOf(a).Calls.Envs(ctx)
	if err != nil {
		return nil, tenancy.UpstreamError("read the app's variables", err)
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

// A knownCause is a frequent problem and the log line that reveals it.
type knownCause struct {
	says        *regexp.Regexp
	cause, next string
}

var knownCauses = []knownCause{
	{
		regexp.MustCompile(`failed to read \S*\.env: `),
		"the value of a variable that was not set here cannot be read from Coolify's .env file, so no deployment " +
			"starts",
		"set it again with envs_upsert, which writes it so that it can be read; Coolify does not say which one it is",
	},
	{
		regexp.MustCompile(`(?i)remote branch .* not found|couldn't find remote ref`),
		"the repository has no such branch", "push the branch, or set an existing one with apps_update",
	},
	{
		regexp.MustCompile(
			`(?i)permission denied \(publickey|could not read from remote repository|host key verification failed`,
		),
		"Coolify may not read the repository",
		"only the platform's operator can fix this: its deploy key is missing or no longer accepted",
	},
	{
		regexp.MustCompile(
			`(?i)failed to read dockerfile|cannot (find|locate).*dockerfile|dockerfile.*(no such file|not found)`,
		),
		"there is no Dockerfile where the app looks for one", "push a Dockerfile, or apps_update with base_directory",
	},
	{
		regexp.MustCompile(`(?i)no space left on device`), "the host's disk is full",
		"only the platform's operator can fix this",
	},
	{
		regexp.MustCompile(`(?i)out of memory|oomkilled|heap limit|exit code:? 137\b`), "it ran out of memory",
		"let it use less, or ask the platform's operator for a larger plan",
	},
	{
		regexp.MustCompile(
			`(?i)could not resolve dependenc|no matching (version|distribution)|cannot find (module|package)|modulenotfounderror|no module named|npm (err!|error)`,
		),
		"a dependency is missing, or could not be installed", "fix it in the repository and push",
	},
	{
		regexp.MustCompile(`(?i)econnrefused|connection refused|enotfound|getaddrinfo|could not connect to`),
		"it cannot reach something that it connects to, such as a database",
		"check its address: databases_list shows the databases, envs_list the app's variables",
	},
}

// causes returns the likely causes, likeliest first: causes that a log states come before
// inferred ones.
func (f findings) causes() []Cause {
	causes := []Cause{}
	add := func(cause, evident, next string) { causes = append(causes, Cause{cause, evidence(evident), next}) }
	if len(f.mentions) > 0 {
		var names []string
		for _, m := range f.mentions {
			names = append(names, m.name)
		}
		add(
			"variables that it needs are not set: "+strings.Join(names, ", "), f.mentions[0].line,
			"envs_upsert sets them; apps_deploy afterwards",
		)
	}
	for _, t := range knownCauses {
		if i := slices.IndexFunc(f.log, t.says.MatchString); i >= 0 {
			add(t.cause, f.log[i], t.next)
		}
	}
	f.deployTrouble(add)
	f.containerTrouble(add)
	f.siteTrouble(add)
	f.pushTrouble(add)
	return causes[:min(len(causes), maxCauses)]
}

func (f findings) deployTrouble(add func(cause, evident, next string)) {
	switch {
	case len(f.deployments) == 0:
		add("it was never deployed", "", "push to its branch, or apps_deploy")
	case f.failed():
		add(
			"the last deployment failed", firstErrorIn(f.log),
			"deployments_logs with deployment "+f.deployments[0].UUID.String(),
		)
	case !f.deployments[0].Status.Terminal():
		add("a deployment is in progress", "", "deployments_wait with deployment "+f.deployments[0].UUID.String())
	}
}

func (f findings) containerTrouble(add func(cause, evident, next string)) {
	state, _, _ := strings.Cut(f.app.Status, ":")
	switch {
	case state == "running" && strings.HasSuffix(f.app.Status, ":unhealthy"):
		add("its health check fails", "status "+f.app.Status, "apps_logs shows what it prints")
	case state == "running", len(f.deployments) == 0:
	case state == "exited" && !f.failed():
		add(
			"it was stopped, or ends by itself", "status "+f.app.Status,
			"apps_control with action start; deployments_logs if it was never up",
		)
	case state != "exited":
		add("its container does not stay up", firstErrorIn(f.log), "apps_logs shows what it prints")
	}
}

func (f findings) siteTrouble(add func(cause, evident, next string)) {
	seen, site := f.site.seen, f.site.url
	switch {
	case site == "" && strings.HasPrefix(f.app.Status, "running"):
		add("no visitor can reach it: "+f.site.unprobed, "", "domains_set gives it a domain")
	case site == "", f.site.answered():
	case seen.Problem == probe.DNS:
		add(
			"its domain has no DNS record", site+": "+seen.Reason,
			"domains_list says which DNS record to set; DNS changes can take a while",
		)
	case seen.Problem == probe.RefusedAddress:
		add(
			"its domain points to an address that is not public", site,
			"set the DNS record to the host's public address; the platform's operator can allow others",
		)
	case seen.Problem == probe.BadCertificate:
		add(
			"its certificate is not valid", site+": "+seen.Reason,
			"point the domain to the host; the new certificate takes a minute, then call apps_diagnose again",
		)
	case seen.Problem != "":
		add(
			"nothing answers at its domain", site+": "+seen.Reason,
			"domains_list says where the domain must point; if it does, ask the platform's operator to check the host",
		)
	case seen.Status == 503:
		add(
			"the proxy has no running container for its domain", site+" answers 503",
			"apps_deploy: a new domain takes effect with a deployment",
		)
	case seen.Status == 502 || seen.Status == 504:
		add(
			"it does not listen on its port, or only on localhost",
			fmt.Sprintf("%s answers %d; the port is %s", site, seen.Status, f.app.PortsExposes),
			"listen on 0.0.0.0 and that port, or apps_update with port",
		)
	default:
		add(
			"the app itself answers with an error", fmt.Sprintf("%s answers %d", site, seen.Status),
			"apps_logs shows what it prints",
		)
	}
	if c := seen.Certificate; c != nil && seen.Problem == "" && c.Ends.Sub(f.now) < endsSoon {
		add(
			"its certificate ends soon and was not renewed", "it ends "+c.Ends.Format(tenancy.TimeFormat),
			"only the platform's operator can check the proxy",
		)
	}
}

// pushTrouble adds a cause if a pushed commit is not deployed.
func (f findings) pushTrouble(add func(cause, evident, next string)) {
	if f.push == nil || f.push.Head == "" || f.push.Deployment != "" {
		return
	}
	deployed := slices.ContainsFunc(
		f.deployments, func(d tenancy.FoundDeployment) bool { return d.Commit == f.push.Head },
	)
	if !deployed {
		add("the branch's newest commit is not deployed", "commit "+short(f.push.Head), "apps_deploy")
	}
}
