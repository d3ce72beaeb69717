package people

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// PartInfo is one part of a workspace as its members see it.
type PartInfo struct {
	Part  string         // as a [tenancy.PartError] names it; empty = no particular part
	Title string         // for people
	State string         // ready, working, wrong or missing
	Name  untrusted.Text // its name upstream; may be empty
	Why   untrusted.Text // what is wrong, in a sentence; empty = nothing
	Fix   untrusted.Text // how the operator fixes it
	Again bool           // vibn-mcp retries without the operator
}

// PartsInfo is the state of a workspace's parts.
type PartsInfo struct {
	Status  tenancy.ProvisionStatus
	Settled bool // no run is requested or under way
	Parts   []PartInfo
}

// PartsOf returns the state of the workspace's parts after the last run.
func PartsOf(ctx context.Context, s *tenancy.Scope) (PartsInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return PartsInfo{}, err
	}
	p, err := db(s).Provision(ctx, inside(s).Workspace().ID)
	if err != nil {
		return PartsInfo{}, tenancy.StoreError("read the workspace's parts", err)
	}
	info := PartsInfo{Status: p.Status, Settled: p.Done >= p.Wanted}
	wrong := map[string]tenancy.PartError{}
	for _, e := range tenancy.ParsePartErrors(p.ProvisionError) {
		wrong[e.Part] = e
	}
	for _, part := range expected(s, p) {
		if e, ok := wrong[part.Part]; ok {
			part = wrongPart(s, part, e)
			delete(wrong, e.Part)
		}
		if !info.Settled && part.State == "missing" {
			part.State = "working"
		}
		info.Parts = append(info.Parts, part)
	}
	for _, e := range wrong {
		info.Parts = append(
			info.Parts, wrongPart(s, PartInfo{Part: e.Part, Title: cmp.Or(onlyWrong[e.Part], "The platform")}, e),
		)
	}
	return info, nil
}

// onlyWrong are the parts that are listed only if something is wrong with them.
var onlyWrong = map[string]string{
	tenancy.PartApps: "Apps", tenancy.PartDatabases: "Databases", tenancy.PartKeys: "Deploy keys",
}

// expected lists the parts that a workspace should have on this platform.
func expected(s *tenancy.Scope, p tenancy.Provision) []PartInfo {
	parts := []PartInfo{
		made(tenancy.PartProject, "Coolify project", tenancy.ProjectName(p.Slug), p.Parts.CoolifyProject != ""),
	}
	if inside(s).Premises().Isolates(p.Placement) {
		parts = append(parts, made(tenancy.PartNetwork, "Docker network", "", p.Destination != ""))
	}
	if !inside(s).HasGitea() {
		return parts
	}
	parts = append(
		parts,
		made(tenancy.PartOrg, "Gitea organisation", p.Org, p.OrgID != 0),
		made(tenancy.PartBot, "Gitea bot", p.Bot, p.BotID != 0),
		made(tenancy.PartToken, "Bot token", "", p.TokenID != 0),
		made(tenancy.PartTeam, "Team of bot and people", provision.WritersTeam.Name, p.TeamID != 0),
		made(tenancy.PartPeople, "People in the team", "", p.TeamID != 0),
		made(tenancy.PartRepositories, "Repositories", "", p.OrgID != 0),
	)
	if inside(s).PublicURL() != nil {
		parts = append(parts, made(tenancy.PartHook, "Webhook", "", p.HookID != 0))
	}
	return parts
}

func made(part, title, name string, there bool) PartInfo {
	info := PartInfo{Part: part, Title: title, Name: untrusted.New(name), State: "missing"}
	if there {
		info.State = "ready"
	}
	return info
}

// wrongPart describes what is wrong with a part. An error about no part of the workspace
// may name other workspaces' things, and an error of the platform names its tokens. For
// these, members see a general text only.
func wrongPart(s *tenancy.Scope, part PartInfo, e tenancy.PartError) PartInfo {
	part.State, part.Again = "wrong", e.Again
	part.Why, part.Fix = s.Text(e.Why), s.Text(e.Fix)
	if part.Part == tenancy.PartHost || part.Part == "" || e.Platform {
		part.Why = untrusted.New("something that all workspaces depend on is not in order")
		part.Fix = untrusted.New("\"vibn-mcp workspace show\" says what")
	}
	return part
}

// TrailEntry is an entry of the audit trail with the name of the principal.
type TrailEntry struct {
	tenancy.AuditEntry
	Who untrusted.Text // name of the key or person; "operator", "platform"
	On  untrusted.Text // name of the key or person that it acted on, or else the target
}

// Trail is [Activity] with names.
func Trail(ctx context.Context, s *tenancy.Scope, q tenancy.AuditQuery) ([]TrailEntry, error) {
	entries, err := Activity(ctx, s, q)
	if err != nil {
		return nil, err
	}
	names, err := names(ctx, s)
	if err != nil {
		return nil, err
	}
	trail := make([]TrailEntry, 0, len(entries))
	for _, e := range entries {
		trail = append(trail, TrailEntry{
			e, s.Text(cmp.Or(names[e.Principal], e.Principal)),
			s.Text(cmp.Or(names["key:"+e.Target], names["member:"+e.Target], e.Target)),
		})
	}
	return trail, nil
}

// An Actor is a principal that the audit trail may name.
type Actor struct {
	Principal string
	Name      untrusted.Text
}

// Actors lists the keys and people of the workspace, by name.
func Actors(ctx context.Context, s *tenancy.Scope) ([]Actor, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	names, err := names(ctx, s)
	if err != nil {
		return nil, err
	}
	actors := make([]Actor, 0, len(names))
	for principal, name := range names {
		actors = append(actors, Actor{principal, s.Text(name)})
	}
	slices.SortFunc(actors, func(a, b Actor) int {
		return cmp.Or(cmp.Compare(a.Name.String(), b.Name.String()), cmp.Compare(a.Principal, b.Principal))
	})
	return actors, nil
}

// names returns the names of the workspace's keys and members, by principal.
func names(ctx context.Context, s *tenancy.Scope) (map[string]string, error) {
	keys, err := db(s).Keys(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the keys", err)
	}
	members, err := db(s).Members(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the members", err)
	}
	names := map[string]string{}
	for _, k := range keys {
		names["key:"+k.ID] = k.Name
	}
	for _, m := range members {
		names["member:"+m.UserID] = cmp.Or(m.DisplayName, m.Email, m.UserID)
	}
	return names, nil
}

// NameOf returns the name of a principal or of a key's creator, as [Actors] lists it.
func NameOf(actors []Actor, who string) string {
	for _, a := range actors {
		if a.Principal == who || strings.TrimPrefix(a.Principal, "member:") == who {
			return a.Name.String()
		}
	}
	return untrusted.Clean(who)
}
