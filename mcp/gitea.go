package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addGitea(r *Registry) {
	Add(r, Tool{
		Name: "gitea.credentials", Route: "GET /gitea-credentials", Needs: tenancy.Git, Title: "Get git credentials",
		Idempotent: true,
		Description: "Set up git for the workspace's repositories. Run the helper line once, then clone and push as " +
			"usual: git asks vibn-mcp for the token. Where no helper can be used, reveal returns the token.",
		Keep: []string{"reveal"},
	}, gitCredentials)
}

type gitCredentialsIn struct {
	Reveal bool `json:"reveal,omitempty" jsonschema:"also return the token; it is written to the audit trail" default:"false"`
}

type gitCredentialsOut struct {
	Server   string `json:"server"`
	Username string `json:"username"`
	CloneURL string `json:"clone_url"` // template: {repository} stands for the name
	Helper   string `json:"helper"`    // a shell line; it needs vibn-mcp, and its key in the environment
	Token    string `json:"token,omitempty"`
}

func gitCredentials(ctx context.Context, s *tenancy.Scope, in gitCredentialsIn) (gitCredentialsOut, error) {
	c, err := repository.Credentials(ctx, s, in.Reveal)
	if err != nil {
		return gitCredentialsOut{}, err
	}
	return gitCredentialsOut{
		Server: c.Server, Username: c.Username, CloneURL: repository.CloneURL(s, "{repository}"), Helper: c.Helper(),
		Token: c.Token.Reveal(),
	}, nil
}
