package sidecar

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

type workspacePage struct {
	Parts   people.PartsInfo
	Apps    []appRow
	Missing []string // what did not answer in time, in words
	More    int      // apps whose last deployment was not looked up
	MayEdit bool
}

// An appRow is an app with its last deployment.
type appRow struct {
	hosting.AppInfo
	State  string // good, bad, busy or off: the status in a word
	Last   *tenancy.DeploymentInfo
	LastBy string // state of the deployment
	LastAt *time.Time
	Open   string // address of the app; empty = none that a browser may follow
}

// maxLastLooks limits how many apps' last deployments are read for a page, and
// looksAtOnce how many at a time: each read counts against the budget that the
// workspace's agents share.
const (
	maxLastLooks = 20
	looksAtOnce  = 6
)

func (v *visit) workspace() error {
	v.frame.Tab = "workspace"
	ctx, cancel := v.shortContext()
	defer cancel()
	var p workspacePage
	var err error
	if p.Parts, err = people.PartsOf(ctx, v.scope); err != nil {
		return err
	}
	p.MayEdit = v.scope.Require(tenancy.Write) == nil
	apps, _, err := hosting.Apps(ctx, v.scope, "")
	if err != nil {
		p.Missing = append(p.Missing, missing("the apps", v.scope.Public(err)))
	}
	for _, a := range apps {
		p.Apps = append(p.Apps, appRow{AppInfo: a, State: stateOfApp(a), Open: firstOpenable(a.Domains)})
	}
	p.More = max(0, len(p.Apps)-maxLastLooks)
	if v.lastDeployments(ctx, p.Apps[:min(len(p.Apps), maxLastLooks)]) > 0 {
		p.Missing = append(p.Missing, "Coolify did not report in time how the last deployment of some apps ended.")
	}
	return v.show(http.StatusOK, "workspace.html", "Workspace", p)
}

// missing says what a page could not show, and why.
func missing(what string, e *tenancy.Error) string {
	return sentence("the page could not show " + what + ": " + e.Msg)
}

// lastDeployments fills in the last deployment of each app, and returns how many it could
// not read in time.
func (v *visit) lastDeployments(ctx context.Context, apps []appRow) (missing int) {
	var g errgroup.Group
	g.SetLimit(looksAtOnce)
	var mu sync.Mutex
	for i := range apps {
		g.Go(func() error {
			last, err := v.lastDeployment(ctx, apps[i].UUID)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				missing++
				return nil
			}
			apps[i].setLastDeployment(last)
			return nil
		})
	}
	_ = g.Wait() // the functions count their errors
	return missing
}

// setLastDeployment fills in the last deployment; nil = there was none.
func (a *appRow) setLastDeployment(last *tenancy.DeploymentInfo) {
	if a.Last = last; last != nil {
		a.LastBy, a.LastAt = stateOf(last.Status), momentOf(last.CreatedAt)
	}
}

// momentOf parses a time as the tools write it; nil if it is empty or invalid.
func momentOf(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil
	}
	return &t
}

func (v *visit) lastDeployment(ctx context.Context, app string) (*tenancy.DeploymentInfo, error) {
	a, err := hosting.FindApp(ctx, v.scope, app)
	if err != nil {
		return nil, err
	}
	list, _, err := a.Deployments(ctx, 0, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// stateOfApp returns the state of an app's container in a word for people, as a verdict
// sees it: good, bad, busy or off.
func stateOfApp(a hosting.AppInfo) string {
	status := a.Status.String()
	switch down := verdict.Down(a); {
	case down == "" && (hasWord(status, "starting") || hasWord(status, "degraded")):
		return "busy"
	case down == "":
		return "good"
	case a.Restarts > 0, hasWord(status, "running"), hasWord(status, "restarting"):
		return "bad"
	}
	return "off"
}

// stateOf returns the status of a deployment in a word for people.
func stateOf(status string) string {
	switch status {
	case "finished":
		return "good"
	case "queued", "in_progress":
		return "busy"
	case "failed":
		return "bad"
	}
	return "off"
}

func (v *visit) provision() error {
	if _, err := wantParts(v.r.Context(), v.scope, v.r.UserAgent()); err != nil {
		return err
	}
	return v.redirectWithNotice(
		v.r.Context(), v.workspacePath("workspace"),
		"Every part is being checked again. Reload the page in a moment.",
	)
}

type appPage struct {
	App      appRow
	Previews bool
	Envs     []envRow
	Missing  []string
	MaySee   bool      // may see the value of a variable
	Shown    *shownEnv // the revealed variable
	Failed   string    // why a variable was not revealed
}

type envRow struct {
	hosting.EnvInfo
	At *time.Time // when it was changed
}

type shownEnv struct {
	Key   string
	Value string
	Hide  int // seconds until it is hidden
}

// hideAfter is how many seconds a secret stays on the screen.
const hideAfter = 30

func (v *visit) app() error {
	return v.showApp(http.StatusOK, v.r.URL.Query().Get("scope") == "preview", nil, "")
}

func (v *visit) showApp(status int, previews bool, shown *shownEnv, failed string) error {
	v.frame.Tab = "workspace"
	ctx, cancel := v.shortContext()
	defer cancel()
	a, err := hosting.FindApp(ctx, v.scope, v.r.PathValue("app"))
	if err != nil {
		return err
	}
	info := a.Info()
	p := appPage{
		App:      appRow{AppInfo: info, State: stateOfApp(info), Open: firstOpenable(info.Domains)},
		Previews: previews,
		MaySee:   v.scope.Require(tenancy.Write) == nil, Shown: shown, Failed: failed,
	}
	list, err := a.Envs(ctx, previews)
	if err != nil {
		p.Missing = append(p.Missing, missing("the variables", v.scope.Public(err)))
	}
	for _, e := range list.Envs {
		p.Envs = append(p.Envs, envRow{e, momentOf(e.UpdatedAt)})
	}
	if list, _, err := a.Deployments(ctx, 0, 1); err != nil {
		p.Missing = append(p.Missing, missing("the last deployment", v.scope.Public(err)))
	} else if len(list) > 0 {
		p.App.setLastDeployment(&list[0])
	}
	return v.show(status, "app.html", info.Name.String(), p)
}

// revealEnv shows the value of one variable. If the page around it fails, it shows no
// value.
func (v *visit) revealEnv() error {
	key, previews := v.form.Get("key"), v.form.Get("scope") == "preview"
	if len(key) > 255 {
		return &tenancy.Error{Code: tenancy.NotFound, Msg: "the app has no such variable"}
	}
	ctx := v.r.Context()
	var shown *shownEnv
	err := act(ctx, v.scope, tenancy.Call{
		Tool: "envs.reveal", Needs: tenancy.Write, Client: v.r.UserAgent(), Target: v.r.PathValue("app"),
		Args: jsonOf(map[string]any{"key": key, "preview": previews}),
	}, func(s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, v.r.PathValue("app"))
		if err != nil {
			return err
		}
		value, err := a.RevealEnv(ctx, key, previews)
		shown = &shownEnv{key, value.Reveal(), hideAfter}
		return err
	})
	if tenancy.IsNotFound(err) {
		return err
	}
	if err != nil {
		p := v.scope.Public(err)
		return v.showApp(p.Code.HTTPStatus(), previews, nil, sentence(p.Msg)+" "+sentence(p.Hint))
	}
	v.hideLater()
	return v.showApp(http.StatusOK, previews, shown, "")
}

// hideLater makes a browser without scripts leave the page that shows a secret.
func (v *visit) hideLater() {
	v.w.Header().Set("Refresh", strconv.Itoa(hideAfter)+"; url="+v.formPath())
}

// firstOpenable returns the first address to which a browser may be sent; "" if none.
func firstOpenable(domains []string) string {
	for _, d := range domains {
		u, err := url.Parse(d)
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil {
			return u.String()
		}
	}
	return ""
}

// hasWord reports whether a status like running:healthy contains a word.
func hasWord(status, word string) bool {
	return slices.Contains(
		strings.FieldsFunc(status, func(r rune) bool { return r == ':' || r == ' ' || r == '(' || r == ')' }), word,
	)
}
