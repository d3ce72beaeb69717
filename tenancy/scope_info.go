package tenancy

import (
	"context"
	"fmt"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// Activity returns a page of the workspace's audit trail, newest first.
func (s *Scope) Activity(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	if err := s.Require(Read); err != nil {
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
	info := WorkspaceInfo{Slug: ws.Slug, Name: s.Text(ws.Name), Status: string(ws.Status), Rights: s.grant.rights.String()}
	if (Inside{s}).GiteaReady() == nil {
		info.GitServer = s.guard.giteaURL
	}
	return info
}

// Provision wants the workspace's parts looked at, and made or mended where they
// are not as they should be; it returns the state until then. Of a workspace that
// is ready, and of one that is being seen to, nothing more is wanted.
func (s *Scope) Provision(ctx context.Context) (ProvisionStatus, error) {
	if err := s.Require(Write); err != nil {
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
