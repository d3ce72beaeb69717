package tenancy

import (
	"context"
	"fmt"
	"slices"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// Description is what a principal should know of its workspace at the start.
type Description struct {
	Workspace    string         `json:"workspace"` // slug
	Name         untrusted.Text `json:"name,omitzero"`
	Status       string         `json:"status"`            // of provisioning: pending, partial, ready or error
	Missing      []string       `json:"missing,omitempty"` // parts that are not as they should be; the operator sees why
	Git          string         `json:"git,omitempty"`     // where its repositories are
	Rights       string         `json:"rights"`            // of the caller: "read,deploy"
	Environments []string       `json:"environments"`
	Domains      string         `json:"domains,omitempty"` // names that its apps may have without proof, with NAME for what is chosen
	Host         HostInfo       `json:"host"`
	Plan         PlanInfo       `json:"plan"`
}

// PlanInfo says what the workspace may use, and what it uses.
type PlanInfo struct {
	Memory    string `json:"memory"` // of each app and database
	CPUs      string `json:"cpus"`   // likewise
	Apps      Share  `json:"apps"`   // that were created here
	Databases Share  `json:"databases"`
}

// A Share is how much there is of something.
type Share struct {
	Used int `json:"used"`
	Most int `json:"most"`
}

// HostInfo says what the workspace's host may run.
type HostInfo struct {
	Trust      string   `json:"trust"`                 // shared, dedicated or trusted
	BuildPacks []string `json:"build_packs,omitempty"` // the only ones allowed; absent = any
	Note       string   `json:"note,omitempty"`
}

// Describe returns the workspace's description.
func (s *Scope) Describe(ctx context.Context) (Description, error) {
	if err := s.need(Read); err != nil {
		return Description{}, err
	}
	ws := s.grant.workspace
	d := Description{
		Workspace: ws.Slug, Name: s.text(ws.Name), Status: string(ws.Status), Rights: s.grant.held.String(),
		Environments: []string{}, Host: ws.Placement.info(), Domains: s.FreeDomains(),
	}
	for _, e := range ParsePartErrors(ws.ProvisionError) {
		d.Missing = append(d.Missing, e.Part)
	}
	if s.giteaReady() == nil {
		d.Git = s.guard.giteaURL + "/" + ws.GiteaOrg
	}
	envs, err := s.recentEnvironments(ctx)
	if err != nil {
		return Description{}, err
	}
	for _, e := range envs {
		d.Environments = append(d.Environments, s.text(e.Name).String())
	}
	slices.Sort(d.Environments)
	plan := s.plan()
	d.Plan = PlanInfo{Memory: plan.Memory, CPUs: plan.CPUs, Apps: Share{Most: plan.Apps}, Databases: Share{Most: plan.Databases}}
	if d.Plan.Apps.Used, d.Plan.Databases.Used, err = used(ctx, s.guard.store, ws.ID); err != nil {
		return Description{}, StoreError("count what the workspace has", err)
	}
	return d, nil
}

func (p Placement) info() HostInfo {
	if !p.shared() {
		return HostInfo{Trust: string(p.Trust)}
	}
	return HostInfo{
		Trust: string(Shared), BuildPacks: sharedBuildPacks,
		Note: "other workspaces build on the same host, so only these build packs run here",
	}
}

// Activity returns a page of the workspace's audit trail, newest first.
func (s *Scope) Activity(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	if err := s.need(Read); err != nil {
		return nil, err
	}
	entries, err := s.guard.store.Audit(ctx, s.grant.workspace.ID, q)
	if err != nil {
		return nil, StoreError("list the audit trail", err)
	}
	return entries, nil
}

// WorkspaceInfo is a line in the list of a principal's workspaces.
type WorkspaceInfo struct {
	Slug      string         `json:"slug"`
	Name      untrusted.Text `json:"name,omitzero"`
	Status    string         `json:"status"`
	Rights    string         `json:"rights"`
	GitServer string         `json:"git_server,omitempty"` // root of the Gitea that its repositories are on
}

// Info returns the Scope's workspace as a line in a list.
func (s *Scope) Info() WorkspaceInfo {
	ws := s.grant.workspace
	info := WorkspaceInfo{Slug: ws.Slug, Name: s.text(ws.Name), Status: string(ws.Status), Rights: s.grant.rights.String()}
	if s.giteaReady() == nil {
		info.GitServer = s.guard.giteaURL
	}
	return info
}

// Provision wants the workspace's parts looked at, and made or mended where they
// are not as they should be; it returns the state until then. Of a workspace that
// is ready, and of one that is being seen to, nothing more is wanted.
func (s *Scope) Provision(ctx context.Context) (ProvisionStatus, error) {
	if err := s.need(Write); err != nil {
		return "", err
	}
	p, err := s.guard.store.Provision(ctx, s.grant.workspace.ID)
	if err != nil {
		return "", StoreError("read the workspace's parts", err)
	}
	if p.Done < p.Wanted || p.Status == Ready {
		return p.Status, nil
	}
	if err := s.guard.budget.admitRetry(p.ID); err != nil {
		return "", err
	}
	if err := s.guard.store.Want(ctx, p.ID); err != nil {
		return "", StoreError("queue the job", err)
	}
	return p.Status, nil
}

// CheckClaim refuses a slug that is not the Scope's: the slug in a URL is a
// claim, never a look-up that grants. A stranger's slug is the same as none.
func (s *Scope) CheckClaim(slug string) error {
	if slug != s.grant.workspace.Slug || slug == "" {
		return &Error{Code: NotFound, Msg: "no such workspace", Hint: fmt.Sprintf("your key is for %q", s.grant.workspace.Slug)}
	}
	return nil
}
