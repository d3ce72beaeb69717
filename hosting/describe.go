package hosting

import (
	"context"
	"slices"

	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Description tells a principal the basic facts of its workspace.
type Description struct {
	Workspace string         `json:"workspace"` // slug
	Name      untrusted.Text `json:"name,omitzero"`
	Status    string         `json:"status"` // of provisioning: pending, partial, ready or error
	// parts that are not as they should be; the operator sees why
	Missing      []string `json:"missing,omitempty"`
	Git          string   `json:"git,omitempty"` // URL of its organisation on Gitea
	Rights       string   `json:"rights"`        // of the caller: "read,deploy"
	Environments []string `json:"environments"`
	// names that need no proof; NAME stands for the chosen part
	Domains string             `json:"domains,omitempty"`
	Host    HostInfo           `json:"host"`
	Plan    provision.PlanInfo `json:"plan"`
}

// HostInfo says what the workspace's host may run.
type HostInfo struct {
	Trust      string   `json:"trust"`                 // shared, dedicated or trusted
	BuildPacks []string `json:"build_packs,omitempty"` // the only ones allowed; absent = any
	Note       string   `json:"note,omitempty"`
}

// Describe returns the workspace's description.
func Describe(ctx context.Context, s *tenancy.Scope) (Description, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return Description{}, err
	}
	ws := inside(s).Workspace()
	d := Description{
		Workspace: ws.Slug, Name: s.Text(ws.Name), Status: string(ws.Status), Rights: inside(s).Held().String(),
		Environments: []string{}, Host: hostInfo(ws.Placement), Domains: FreeDomains(s),
	}
	for _, e := range tenancy.ParsePartErrors(ws.ProvisionError) {
		d.Missing = append(d.Missing, e.Part)
	}
	if inside(s).GiteaReady() == nil {
		d.Git = inside(s).GiteaURL() + "/" + ws.GiteaOrg
	}
	envs, err := inside(s).RecentEnvironments(ctx)
	if err != nil {
		return Description{}, err
	}
	for _, e := range envs {
		d.Environments = append(d.Environments, s.Text(e.Name).String())
	}
	slices.Sort(d.Environments)
	plan := inside(s).Plan()
	d.Plan = provision.PlanInfo{
		Memory: plan.Memory, CPUs: plan.CPUs, Apps: provision.Share{Most: plan.Apps},
		Databases: provision.Share{Most: plan.Databases},
	}
	if d.Plan.Apps.Used, d.Plan.Databases.Used, err = provision.CountUsed(ctx, db(s), ws.ID); err != nil {
		return Description{}, tenancy.StoreError("count what the workspace has", err)
	}
	return d, nil
}

func hostInfo(p tenancy.Placement) HostInfo {
	if !isShared(p) {
		return HostInfo{Trust: string(p.Trust)}
	}
	return HostInfo{
		Trust: string(tenancy.Shared), BuildPacks: sharedBuildPacks,
		Note: "other workspaces build on the same host, so only these build packs run here",
	}
}
