package provision

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A CheckState is the result of a check.
type CheckState string

// The states of a [Check].
const (
	CheckOK   CheckState = "ok"
	CheckWarn CheckState = "warn" // it works, and could be better
	CheckFail CheckState = "fail" // something does not work, or endangers tenants
	CheckSkip CheckState = "skip" // it could not be checked
)

// A Check is one prerequisite and its state. Its texts are for the operator, cleaned.
type Check struct {
	Name   string     `json:"name"`
	State  CheckState `json:"state"`
	Detail string     `json:"detail"`
	Fix    string     `json:"fix,omitempty"`  // what the operator does; empty if ok
	Risk   string     `json:"risk,omitempty"` // the name by which the operator may accept it; see [Risks]
}

// A doctor checks the platform's prerequisites. It changes nothing. A request either
// reads, or tries to change a thing that cannot exist, which shows what a token may do
// (see [coolify.Client.MayWrite], [gitea.Admin.MayWriteAdmin]).
type doctor struct {
	tenancy.Premises

	store     Store // nil = not available
	coolify   *coolify.Client
	sensitive *coolify.Sensitive // nil = none
	gitea     *gitea.Admin       // nil = none
	box       *secret.Box
	shown     *untrusted.Scrubber
	budget    tenancy.Budget
	publicURL *url.URL // of this server; may be nil
	now       func() time.Time
	trial     *forkTrial
}

func newDoctor(cfg tenancy.Config, db Store, shown *untrusted.Scrubber, meter coolify.Meter) *doctor {
	d := &doctor{
		Premises: cfg.Premises, store: db, coolify: cfg.Coolify.Metered(meter), box: cfg.Box, shown: shown,
		budget: cfg.Budget.WithDefaults(), publicURL: cfg.PublicURL, now: cfg.Now, trial: &forkTrial{},
	}
	if d.now == nil {
		d.now = time.Now
	}
	if cfg.Sensitive != nil {
		d.sensitive = cfg.Sensitive.Metered(meter)
	}
	if cfg.Gitea != nil {
		d.gitea = cfg.Gitea.Metered(gitea.Unmetered)
	}
	return d
}

// Examine checks every prerequisite, for a process that does nothing else. It needs no
// database: where db is nil, checks that need it are skipped. The other required fields
// are those of [tenancy.NewGuard].
func Examine(ctx context.Context, cfg tenancy.Config, db Store) []Check {
	admit := func(context.Context, coolify.Operation) (func(), error) { return func() {}, nil }
	return newDoctor(cfg, db, tenancy.NewScrubber(cfg.Known), admit).examine(ctx)
}

// Examine checks every prerequisite with a real call, always in the same order. A failed
// check hides only the checks that depend on it. Examine changes nothing, and sends some
// thirty requests to Coolify on the operator's part of the budget.
func (p *Provisioner) Examine(ctx context.Context) []Check { return p.dangers.examine(ctx) }

// A need is a prerequisite of a check.
type need string

const (
	needDatabase   need = "database"
	needCoolify    need = "coolify"
	needToken      need = "coolify-token" // that may read
	needGitea      need = "gitea"
	needGiteaToken need = "gitea-token" // of a site admin
	needBot        need = "gitea-bots"  // one that is shown its repository
)

// An examination is one round of checks, with what it has learned so far.
type examination struct {
	*doctor
	without    map[need]string // unavailable needs, and why
	workspaces []tenancy.Workspace
	servers    []coolify.Server // on which workspaces may run
}

// A look is one check.
type look struct {
	name  string
	needs []need
	at    func(context.Context) Check
}

// lookTime bounds one check, so that one that hangs does not hold up the others.
const lookTime = 8 * time.Second

func (d *doctor) examine(ctx context.Context) []Check {
	x := &examination{doctor: d, without: map[need]string{}}
	var checks []Check
	for _, l := range slices.Concat(x.ownLooks(), x.coolifyLooks(), x.giteaLooks()) {
		c := x.look(ctx, l)
		c.Name, c.Detail, c.Fix = l.name, x.clean(c.Detail), x.clean(c.Fix)
		checks = append(checks, c)
	}
	return checks
}

func (e *examination) look(ctx context.Context, l look) Check {
	for _, n := range l.needs {
		if why, lost := e.without[n]; lost {
			return skip(why)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return l.at(ctx)
}

func (d *doctor) clean(s string) string {
	t, err := d.shown.Text(s)
	if err != nil {
		return "[withheld]"
	}
	return t.String()
}

func ok(format string, args ...any) Check {
	return Check{State: CheckOK, Detail: fmt.Sprintf(format, args...)}
}

func skip(why string) Check { return Check{State: CheckSkip, Detail: why} }

func warn(detail, fix string) Check { return Check{State: CheckWarn, Detail: detail, Fix: fix} }

func fail(detail, fix string) Check { return Check{State: CheckFail, Detail: detail, Fix: fix} }

// failed is fail for an error of Coolify or Gitea, in the same words as provisioning
// uses.
func failed(doing string, err error) Check {
	if e, ok := errors.AsType[*tenancy.PartError](err); ok {
		return fail(e.Why, e.Fix)
	}
	e := explain(doing, err)
	return fail(e.Why+" ("+err.Error()+")", e.Fix)
}

func (e *examination) ownLooks() []look {
	return []look{
		{"workspaces", nil, e.listWorkspaces},
		{"secrets-key", []need{needDatabase}, e.secretsKey},
	}
}

const noDatabase = "the database is unavailable"

func (e *examination) listWorkspaces(ctx context.Context) Check {
	if e.store == nil {
		e.without[needDatabase] = noDatabase
		return skip(noDatabase + ": the checks below cannot see any workspace")
	}
	list, err := e.store.Workspaces(ctx)
	if err != nil {
		e.without[needDatabase] = noDatabase
		return fail(
			"the workspaces cannot be read: "+err.Error(),
			"check that DATABASE_URL is right and the database is up; \"vibn-mcp migrate\" brings it up to date",
		)
	}
	e.workspaces = list
	var wrong []string
	for _, w := range list {
		if w.Status == tenancy.Partial || w.Status == tenancy.Failed {
			wrong = append(wrong, w.Slug)
		}
	}
	if len(wrong) > 0 {
		return warn(
			fmt.Sprintf("%d of %d are not in order: %s", len(wrong), len(list), firstNames(wrong)),
			"\"vibn-mcp workspace show SLUG\" says what to do",
		)
	}
	return ok("%d", len(list))
}

// firstNames joins the first few names and counts the rest.
func firstNames(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// mostOpened bounds how many sealed values are opened. Further ones are sealed with the
// same keys.
const mostOpened = 10_000

func (e *examination) secretsKey(ctx context.Context) Check {
	values, err := e.store.SealedValues(ctx)
	if err != nil {
		return fail(
			"the sealed values cannot be read: "+err.Error(),
			"check that DATABASE_URL is right and the database is up",
		)
	}
	var shut, old int
	values = values[:min(len(values), mostOpened)]
	for _, v := range values {
		if _, err := e.box.Open(v.Value, v.Place); err != nil {
			shut++
		} else if e.box.NeedsReseal(v.Value) {
			old++
		}
	}
	switch {
	case shut > 0:
		return fail(fmt.Sprintf("%d of %d sealed values do not open", shut, len(values)),
			"give the key that sealed them as VIBN_SECRETS_KEY or in VIBN_SECRETS_KEY_OLD; if it is lost, \"vibn-mcp "+
				"workspace rotate SLUG\" makes new tokens")
	case old > 0:
		return warn(fmt.Sprintf(
			"%d of %d sealed values are sealed with a key of VIBN_SECRETS_KEY_OLD", old, len(values),
		),
			"\"vibn-mcp secrets rotate\" seals them with VIBN_SECRETS_KEY")
	case len(values) == 0:
		return ok("nothing is sealed yet")
	}
	return ok("%d of %d sealed values open", len(values), len(values))
}
