package gitea

import (
	"context"
	"slices"
)

// A BranchProtection is a rule for the branches whose names it matches.
type BranchProtection struct {
	Rule              string   // name of a branch, or a glob
	EnablePush        bool     // pushes are allowed
	EnablePushList    bool     // only the users, teams and deploy keys named below may push
	PushUsers         []string // Gitea does not report users who have access only through a team
	PushTeams         []string
	PushDeployKeys    bool
	EnableForcePush   bool
	RequiredApprovals int64
}

type wireBranchProtection struct {
	Rule              text   `json:"rule_name"`
	EnablePush        flag   `json:"enable_push"`
	EnablePushList    flag   `json:"enable_push_whitelist"`
	PushUsers         []text `json:"push_whitelist_usernames"`
	PushTeams         []text `json:"push_whitelist_teams"`
	PushDeployKeys    flag   `json:"push_whitelist_deploy_keys"`
	EnableForcePush   flag   `json:"enable_force_push"`
	RequiredApprovals number `json:"required_approvals"`
}

func (w wireBranchProtection) whole() bool { return w.Rule != "" }

func (w wireBranchProtection) plain() BranchProtection {
	return BranchProtection{
		Rule: string(w.Rule), EnablePush: bool(w.EnablePush), EnablePushList: bool(w.EnablePushList),
		PushUsers: plainTexts(w.PushUsers), PushTeams: plainTexts(w.PushTeams), PushDeployKeys: bool(w.PushDeployKeys),
		EnableForcePush: bool(w.EnableForcePush), RequiredApprovals: int64(w.RequiredApprovals),
	}
}

func ruleNamed(rule string) func(wireBranchProtection) bool {
	return func(w wireBranchProtection) bool { return string(w.Rule) == rule }
}

// A BranchProtectionSpec describes the settings of a rule.
type BranchProtectionSpec struct {
	EnablePush        bool
	EnablePushList    bool
	PushUsers         []string
	PushTeams         []string
	PushDeployKeys    bool
	EnableForcePush   bool
	RequiredApprovals int64
}

type wireBranchProtectionSpec struct {
	Rule              string   `json:"rule_name,omitempty"` // only when creating
	EnablePush        bool     `json:"enable_push"`
	EnablePushList    bool     `json:"enable_push_whitelist"`
	PushUsers         []string `json:"push_whitelist_usernames"`
	PushTeams         []string `json:"push_whitelist_teams"`
	PushDeployKeys    bool     `json:"push_whitelist_deploy_keys"`
	EnableForcePush   bool     `json:"enable_force_push"`
	RequiredApprovals int64    `json:"required_approvals"`
}

func (s BranchProtectionSpec) wire(rule string) wireBranchProtectionSpec {
	return wireBranchProtectionSpec{
		rule, s.EnablePush, s.EnablePushList, append([]string{}, s.PushUsers...), append([]string{}, s.PushTeams...),
		s.PushDeployKeys, s.EnableForcePush, s.RequiredApprovals,
	}
}

// BranchProtections lists the rules of a repository.
//
//api:op GET /repos/{owner}/{repo}/branch_protections
func (c RepoClient) BranchProtections(ctx context.Context) ([]BranchProtection, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/branch_protections", login(c.owner), repository(c.name))
	return one[wireBranchProtections](ctx, c.admin.client, r, nil)
}

// wireBranchProtections is a list without pages.
type wireBranchProtections []wireBranchProtection

func (w wireBranchProtections) whole() bool {
	return w != nil && !slices.ContainsFunc(w, func(p wireBranchProtection) bool { return !p.whole() })
}

func (w wireBranchProtections) plain() []BranchProtection {
	rules := make([]BranchProtection, 0, len(w))
	for _, p := range w {
		rules = append(rules, p.plain())
	}
	return rules
}

// BranchProtection returns the rule with that name.
//
//api:op GET /repos/{owner}/{repo}/branch_protections/{name}
func (c RepoClient) BranchProtection(ctx context.Context, rule string) (BranchProtection, error) {
	return one(ctx, c.admin.client, protection("GET", c.owner, c.name, rule), ruleNamed(rule))
}

// CreateBranchProtection creates a rule. [ErrForbidden] also if a rule of that name
// exists; [ErrInvalid] if a user does not exist.
//
//api:op POST /repos/{owner}/{repo}/branch_protections
func (c RepoClient) CreateBranchProtection(
	ctx context.Context, rule string, s BranchProtectionSpec,
) (BranchProtection, error) {
	r := newRequest(
		"POST", "/repos/{owner}/{repo}/branch_protections", login(c.owner), repository(c.name),
	).with(s.wire(rule))
	return one(ctx, c.admin.client, r, ruleNamed(rule))
}

// UpdateBranchProtection changes a rule to the settings in s.
//
//api:op PATCH /repos/{owner}/{repo}/branch_protections/{name}
func (c RepoClient) UpdateBranchProtection(
	ctx context.Context, rule string, s BranchProtectionSpec,
) (BranchProtection, error) {
	return one(ctx, c.admin.client, protection("PATCH", c.owner, c.name, rule).with(s.wire("")), ruleNamed(rule))
}

// DeleteBranchProtection deletes a rule.
//
//api:op DELETE /repos/{owner}/{repo}/branch_protections/{name}
func (c RepoClient) DeleteBranchProtection(ctx context.Context, rule string) error {
	return c.admin.do(ctx, protection("DELETE", c.owner, c.name, rule))
}

func protection(method, owner, repo, rule string) request {
	return newRequest(
		method, "/repos/{owner}/{repo}/branch_protections/{name}", login(owner), repository(repo), anyName(rule),
	)
}
