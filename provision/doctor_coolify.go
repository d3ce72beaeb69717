package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func (e *examination) coolifyLooks() []look {
	reading := []need{needCoolify, needToken}
	return []look{
		{"coolify", nil, e.coolifyAnswers},
		{"coolify-token", []need{needCoolify}, e.coolifyToken},
		{"coolify-version", reading, e.coolifyVersion},
		{"coolify-user", reading, e.coolifyUser},
		{"coolify-budget", reading, e.coolifyBudget},
		{"coolify-sensitive-token", reading, e.sensitiveToken},
		{"placements", reading, e.placements},
		{"docker-networks", reading, e.networks},
		{RiskCoolifyHost, reading, e.hosts},
		{RiskSharedProxy, reading, e.proxies},
		{RiskAppDomain, nil, e.appDomain},
	}
}

func (e *examination) coolifyAnswers(ctx context.Context) Check {
	if _, err := e.coolify.AddressLimit(ctx); err != nil {
		e.without[needCoolify] = "Coolify does not answer"
		return fail(
			"Coolify does not answer: "+err.Error(), "check that COOLIFY_URL is Coolify's root and Coolify is up",
		)
	}
	return ok("answers")
}

// coolifyToken finds out the token's abilities by trying them.
func (e *examination) coolifyToken(ctx context.Context) Check {
	var lacks []string
	for _, a := range []struct {
		ability string
		try     func(context.Context) error
	}{
		{"read", func(ctx context.Context) error { _, err := e.coolify.Version(ctx); return err }},
		{"write", e.coolify.MayWrite},
		{"deploy", e.coolify.MayDeploy},
	} {
		err := a.try(ctx)
		if err != nil && a.ability == "read" {
			e.without[needToken] = "COOLIFY_API_TOKEN cannot be used for these checks"
		}
		if errors.Is(err, coolify.ErrAbility) {
			lacks = append(lacks, a.ability)
		} else if err != nil {
			return tokenFailure("COOLIFY_API_TOKEN", upstreamServers["Coolify"].renew, err)
		}
	}
	if len(lacks) > 0 {
		return fail("COOLIFY_API_TOKEN may not "+strings.Join(lacks, " nor "),
			"make a token with read, write and deploy in Coolify under Keys & Tokens (tick deploy first) and give it "+
				"as COOLIFY_API_TOKEN")
	}
	// only admins may have a token that writes
	return ok("may read, write and deploy; its user is an admin of the team")
}

// tokenFailure is the check of a token that cannot be used at all; renew says how to make
// another.
func tokenFailure(variable, renew string, err error) Check {
	server := upstreamServers["Coolify"]
	server.renew = renew
	why, fix := server.tokenFault(variable, err)
	if detail, ok := errors.AsType[*coolify.Error](err); ok && why == "" {
		why, fix = server.outage(detail)
		why += ", so what " + variable + " may is not known (" + err.Error() + ")"
	}
	if why == "" {
		return failed("tell what "+variable+" may", err)
	}
	return fail(why, fix)
}

func (e *examination) coolifyVersion(ctx context.Context) Check {
	v, err := e.coolify.Version(ctx)
	if err != nil {
		return failed("tell its version", err)
	}
	version, known := versionOf(v)
	if !known || slices.Compare(version, []int{4, 2}) < 0 {
		return fail(
			"Coolify is "+v+", older than 4.2",
			"update Coolify: before 4.2 it does not tell which project an app belongs to",
		)
	}
	for _, c := range coolifyChanges {
		if slices.Compare(version, c.since) < 0 {
			v += "; " + c.says
		}
	}
	return ok("%s", v)
}

// coolifyChanges are what newer versions change for workspaces, oldest first.
var coolifyChanges = []struct {
	since []int
	says  string
}{
	{[]int{4, 3}, "4.3 lets apps be rolled back"},
	{[]int{4, 3, 8}, "from 4.3.8 on Coolify makes no Docker network for a destination; those of workspaces stay, as services " +
		"hold them"},
}

// coolifyUser checks whether the token's user is root: Coolify counts root's requests by
// the address that they come from.
func (e *examination) coolifyUser(ctx context.Context) Check {
	team, err := e.coolify.Team(ctx)
	if err != nil {
		return failed("name the team of the token", err)
	}
	root, err := e.isRoot(ctx)
	if err != nil {
		return failed("tell how many requests are left", err)
	}
	const fix = "set COOLIFY_API_TOKEN to a token of a separate user, who is admin of a team that has the " +
		"tenants' servers and nothing else"
	switch {
	case root:
		return warn(
			"the token's user is root, so all requests from this address share its limit", fix,
		)
	case team.ID == 0:
		return warn(
			"the token belongs to the root team: it reaches everything of that team, and can switch Coolify's "+
				"API off", fix,
		)
	}
	return ok("an admin of the team %s", team.Name)
}

// isRoot sends requests with the token between two without it, and compares the counts to
// see whether Coolify counted them together. Other processes may send from this address
// at the same time, so it takes two such rounds to be sure.
func (e *examination) isRoot(ctx context.Context) (bool, error) {
	const between = 2
	for range 2 {
		before, err := e.coolify.AddressLimit(ctx)
		if err != nil {
			return false, err
		}
		for range between {
			if _, err := e.coolify.Limit(ctx); err != nil {
				return false, err
			}
		}
		after, err := e.coolify.AddressLimit(ctx)
		if err != nil {
			return false, err
		}
		if before.Left-after.Left <= between {
			return false, nil
		}
	}
	return true, nil
}

func (e *examination) coolifyBudget(ctx context.Context) Check {
	limit, err := e.coolify.Limit(ctx)
	if err != nil {
		return failed("tell how many requests it takes", err)
	}
	b := e.budget
	if limit.PerMinute == 0 {
		return ok("Coolify does not say how many requests it accepts in a minute")
	}
	if uses := b.TenantsPerMinute + b.TenantsBurst + b.ReservePerMinute + b.ReserveBurst; limit.PerMinute < uses {
		return warn(fmt.Sprintf(
			"Coolify accepts %d requests in a minute, and vibn-mcp may send %d", limit.PerMinute, uses,
		),
			fmt.Sprintf(
				"set API_RATE_LIMIT=%d in the environment of Coolify, more if several processes of vibn-mcp share the "+
					"token's user",
				uses,
			))
	}
	return ok("%d requests in a minute, %d of them left", limit.PerMinute, limit.Left)
}

// sensitiveToken checks that the token that reads secrets can change nothing.
func (e *examination) sensitiveToken(ctx context.Context) Check {
	const name = "COOLIFY_SENSITIVE_TOKEN"
	if e.sensitive == nil {
		return warn("not set: deployment logs are refused, and runtime logs are scrubbed by shape only",
			"make a token with read and read:sensitive in Coolify under Keys & Tokens and give it as "+name)
	}
	const fix = "make a token with read and read:sensitive, and nothing else, of an admin of the team, and give it as " + name
	for _, a := range []struct {
		ability string
		try     func(context.Context) error
	}{{"write", e.sensitive.MayWrite}, {"deploy", e.sensitive.MayDeploy}} {
		err := a.try(ctx)
		if err == nil {
			return fail(name+" may "+a.ability+" too", fix)
		}
		if !errors.Is(err, coolify.ErrAbility) {
			return tokenFailure(name, fix, err)
		}
	}
	sees, err := e.seesValues(ctx)
	switch {
	case errors.Is(err, coolify.ErrForbidden):
		return fail(name+" may not read, or not what is sensitive", fix)
	case err != nil:
		return tokenFailure(name, fix, err)
	case !sees:
		return ok("may read and cannot change anything; no app has a variable yet that would show whether it has " +
			"read:sensitive")
	}
	return ok("may read what is sensitive, and cannot change anything")
}

// fewWorkspaces is in how many workspaces, at most, a check looks for something that
// shows what a token may do.
const fewWorkspaces = 3

// seesValues looks for a variable whose value the token can read. It does not keep the
// value.
func (e *examination) seesValues(ctx context.Context) (bool, error) {
	for _, w := range e.workspaces[:min(len(e.workspaces), fewWorkspaces)] {
		for app := range e.someApps(ctx, w) {
			values, err := e.sensitive.App(app).EnvValues(ctx)
			if errors.Is(err, coolify.ErrNotFound) {
				continue
			}
			if err != nil || slices.ContainsFunc(values, func(v coolify.EnvValue) bool { return !v.ShownOnce }) {
				return err == nil, err
			}
		}
	}
	nothing, err := coolify.ParseUUID("vibn-mcp-asks-what-it-may")
	if err != nil {
		return false, err
	}
	if _, err := e.sensitive.App(nothing).EnvValues(ctx); !errors.Is(err, coolify.ErrNotFound) {
		return false, err
	}
	return false, nil
}

// someApps yields the first apps of a workspace. It yields none after an error.
func (e *examination) someApps(ctx context.Context, w tenancy.Workspace) func(func(coolify.UUID) bool) {
	return func(yield func(coolify.UUID) bool) {
		project, err := coolify.ParseUUID(w.CoolifyProject)
		if err != nil {
			return
		}
		envs, err := e.coolify.Project(project).Environments(ctx)
		if err != nil || len(envs) == 0 {
			return
		}
		apps, err := e.coolify.Project(project).Applications(ctx, envs[0].UUID)
		if err != nil {
			return
		}
		for _, a := range apps[:min(len(apps), fewWorkspaces)] {
			if !yield(a.UUID) {
				return
			}
		}
	}
}

// newWorkspaces names the workspaces that do not exist yet.
const newWorkspaces = "new workspaces"

// A placed is a placement with the workspaces that have it.
type placed struct {
	tenancy.Placement
	who []string
}

// groupPlacements groups the placements in use: that of new workspaces, then those of existing
// ones.
func (e *examination) groupPlacements() []placed {
	all := []placed{{e.Placement, []string{newWorkspaces}}}
	for _, w := range e.workspaces {
		i := slices.IndexFunc(all, func(p placed) bool { return p.Placement == w.Placement })
		if i < 0 {
			all, i = append(all, placed{Placement: w.Placement}), len(all)
		}
		all[i].who = append(all[i].who, w.Slug)
	}
	return all
}

// How the operator fixes placements. None of the fixes joins the networks of workspaces:
// a named destination is one network for all workspaces placed on it.
const (
	serverFix = "set COOLIFY_SERVER_UUID for new workspaces, and " +
		"\"vibn-mcp workspace place SLUG --coolify-server-uuid UUID\" for those that are there"
	destinationFix = "unset COOLIFY_DESTINATION_UUID for new workspaces, and " +
		"\"vibn-mcp workspace place SLUG --coolify-destination-uuid ''\" for those that are there: " +
		"then each gets a network of its own"
	networksFix = "leave VIBN_ISOLATE_NETWORKS at its default, so that each workspace gets a network of its own"
)

// placementFaults collects what is wrong with the placements in use.
type placementFaults struct {
	broken, open []string // open: it works, but does not separate workspaces
	fixes        []string // of both, in the order found
}

func (f *placementFaults) add(to *[]string, what, fix string) {
	*to = append(*to, what)
	if !slices.Contains(f.fixes, fix) {
		f.fixes = append(f.fixes, fix)
	}
}

func (f *placementFaults) check() Check {
	fix := strings.Join(f.fixes, "; ")
	switch {
	case len(f.broken) > 0:
		return fail(strings.Join(append(f.broken, f.open...), "; "), fix)
	case len(f.open) > 0:
		return warn(strings.Join(f.open, "; "), fix)
	}
	return ok("every placement names a server that can be used, and workspaces have networks of their own")
}

// placements checks that each placement names an existing server and destination, and
// that workspaces share no network.
func (e *examination) placements(ctx context.Context) Check {
	servers, err := e.coolify.Servers(ctx)
	if err != nil {
		e.without[needToken] = "Coolify does not list its servers"
		return failed("list its servers", err)
	}
	destinations, err := e.coolify.Destinations(ctx)
	if err != nil && !errors.Is(err, coolify.ErrRouteMissing) {
		return failed("list its destinations", err)
	}
	untold := errors.Is(err, coolify.ErrRouteMissing)
	var faults placementFaults
	for _, p := range e.groupPlacements() {
		i := slices.IndexFunc(
			servers, func(s coolify.Server) bool { return p.Server != "" && s.UUID.String() == p.Server },
		)
		if i >= 0 && p.Trust != tenancy.Trusted && !slices.ContainsFunc(
			e.servers, func(s coolify.Server) bool { return s.UUID == servers[i].UUID },
		) {
			e.servers = append(e.servers, servers[i])
		}
		who := firstNames(p.who) + ": "
		switch {
		case p.Server == "":
			faults.add(&faults.open, who+"no server", serverFix)
		case i < 0:
			faults.add(&faults.broken, who+"the team has no server "+p.Server, serverFix)
		case serverFault(servers[i]) != "":
			faults.add(&faults.broken, who+"server "+servers[i].Name+" "+serverFault(servers[i]), serverFix)
		case !untold && destinationFault(p.Placement, destinations) != "":
			faults.add(&faults.broken, who+destinationFault(p.Placement, destinations), destinationFix)
		case p.Destination != "" && p.several():
			faults.add(
				&faults.open, who+"they share the network "+p.Destination+", on which their apps reach each other",
				destinationFix,
			)
		case p.Destination == "" && e.SharedNetworks && p.several():
			faults.add(
				&faults.open, who+"they share the network of their server, on which their apps reach each other",
				networksFix,
			)
		}
	}
	return faults.check()
}

// several reports whether more than one untrusted workspace has the placement, or will
// have it.
func (p placed) several() bool {
	return p.Trust != tenancy.Trusted && (len(p.who) > 1 || p.who[0] == newWorkspaces)
}

// serverFault says why a server cannot run apps; "" if it can.
func serverFault(s coolify.Server) string {
	switch {
	case !s.Reachable:
		return "is not reachable for Coolify"
	case !s.Usable:
		return "is not usable for Coolify"
	case s.BuildServer:
		return "is a build server, which runs nothing"
	}
	return ""
}

// destinationFault says why apps cannot run in a placement's destination; "" if it names none,
// or a usable one.
func destinationFault(p tenancy.Placement, all []coolify.Destination) string {
	if p.Destination == "" {
		return ""
	}
	i := slices.IndexFunc(all, func(d coolify.Destination) bool { return d.UUID.String() == p.Destination })
	if i < 0 {
		return "the team has no destination " + p.Destination
	}
	if all[i].Server.String() != p.Server {
		return "destination " + all[i].Name + " is on another server"
	}
	return ""
}
