package tenancy

import "context"

// What tests need of the unexported: the judgement of a name, and what a new app
// gets.

// JudgeHostname judges a host name that the workspace of a slug asks for.
func JudgeHostname(apps AppDomain, platform []string, slug, asked string) (host, url string, own bool, err error) {
	name, err := names{apps, platformHosts(nil, platform)}.judge(asked, slug)
	return name.host, name.url, name.own, err
}

// DomainFor is Scope.domainFor.
func DomainFor(ctx context.Context, s *Scope, app, asked string) (string, error) {
	return s.domainFor(ctx, app, asked)
}
