package hosting

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// What tests need of the unexported: the judgement of a name, and what a new app
// gets.

// JudgeHostname judges a host name that the workspace of a slug asks for.
func JudgeHostname(apps tenancy.AppDomain, platform []string, slug, asked string) (host, url string, own bool, err error) {
	name, err := names{apps, platformHosts(nil, platform)}.judge(asked, slug)
	return name.host, name.url, name.own, err
}

// DomainFor is Scope.domainFor.
func DomainFor(ctx context.Context, s *tenancy.Scope, app, asked string) (string, error) {
	return domainFor(ctx, s, app, asked)
}
