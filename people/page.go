package people

import (
	"cmp"
	"context"

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
