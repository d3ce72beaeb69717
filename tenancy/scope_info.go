package tenancy

import (
	"fmt"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// WorkspaceInfo is a line in the list of a principal's workspaces.
type WorkspaceInfo struct {
	Slug      string         `json:"slug"`
	Name      untrusted.Text `json:"name,omitzero"`
	Status    string         `json:"status"`
	Rights    string         `json:"rights"`
	GitServer string         `json:"git_server,omitempty"` // root of the Gitea that holds its repositories
}

// Info returns the Scope's workspace as a line in a list.
func (s *Scope) Info() WorkspaceInfo {
	ws := s.grant.workspace
	info := WorkspaceInfo{
		Slug: ws.Slug, Name: s.Text(ws.Name), Status: string(ws.Status), Rights: s.grant.rights.String(),
	}
	if (Inside{s}).GiteaReady() == nil {
		info.GitServer = s.guard.giteaURL
	}
	return info
}

// CheckClaim refuses a slug that is not the Scope's. The slug in a URL is a claim and
// grants nothing. Another workspace's slug gives the same error as one that does not
// exist.
func (s *Scope) CheckClaim(slug string) error {
	if slug != s.grant.workspace.Slug || slug == "" {
		return &Error{
			Code: NotFound, Msg: "no such workspace", Hint: fmt.Sprintf("your key is for %q", s.grant.workspace.Slug),
		}
	}
	return nil
}
