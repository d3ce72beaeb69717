package giteatest

import (
	"encoding/json"
	"maps"
	"net/http"
	"path"
	"slices"
	"time"
)

// A rule protects the branches that its name fits.
type rule struct {
	name             string
	fields           object
	created, updated time.Time
}

func (p *rule) json() object {
	o := maps.Clone(p.fields)
	o["rule_name"], o["branch_name"] = p.name, p.name
	o["created_at"], o["updated_at"] = stamp(p.created), stamp(p.updated)
	return o
}

func (r *repo) ruleFor(branch string) *rule {
	return find(r.rules, func(p *rule) bool {
		ok, err := path.Match(p.name, branch)
		return p.name == branch || err == nil && ok
	})
}

// mayPush reports whether the rules let somebody, who may write, push to a
// branch.
func (r *repo) mayPush(branch string, by *account) bool {
	p := r.ruleFor(branch)
	switch {
	case p == nil:
		return true
	case p.fields["enable_push"] != true:
		return false
	case p.fields["enable_push_whitelist"] != true:
		return true
	}
	listed, _ := p.fields["push_whitelist_usernames"].([]any)
	return slices.Contains(listed, any(by.Login))
}

// fill takes the fields of the form that a rule has.
func (s *Server) fill(c *call, p *rule) (answer, bool) {
	var form object
	if err := json.Unmarshal(c.body, &form); err != nil {
		return c.unprocessable("[]: " + err.Error()), false
	}
	for _, field := range []string{
		"push_whitelist_usernames", "force_push_allowlist_usernames", "merge_whitelist_usernames",
		"approvals_whitelist_username",
	} {
		listed, _ := form[field].([]any)
		for _, login := range listed {
			if name, ok := login.(string); !ok || s.account(name) == nil {
				return c.unprocessable(s.noUser(name)), false
			}
		}
	}
	for field, v := range form {
		if _, known := p.fields[field]; known {
			p.fields[field] = v
		}
	}
	p.updated = s.cfg.Now()
	return pass()
}

func (s *Server) createRule(c *call) answer {
	form, refusal, ok := decode[struct {
		RuleName   string `json:"rule_name"`
		BranchName string `json:"branch_name"`
	}](c)
	if !ok {
		return refusal
	}
	p := &rule{name: form.RuleName, fields: shape("branch_protection"), created: s.cfg.Now()}
	if !s.since(V126) {
		drop(p.fields, "priority", "enable_force_push", "enable_force_push_allowlist", "force_push_allowlist_usernames",
			"force_push_allowlist_teams", "force_push_allowlist_deploy_keys", "ignore_stale_approvals",
			"block_admin_merge_override")
	}
	if p.name == "" {
		p.name = form.BranchName
	}
	if p.name == "" {
		return c.refuse(http.StatusBadRequest, "both rule_name and branch_name are empty")
	}
	if c.rule(p.name) != nil {
		return c.refuse(http.StatusForbidden, "Branch protection already exist")
	}
	if refusal, ok := s.fill(c, p); !ok {
		return refusal
	}
	if p.fields["enable_push"] != true { // a list counts only where pushing is allowed at all
		p.fields["enable_push_whitelist"] = false
	}
	c.repo.rules = append(c.repo.rules, p)
	if s.since(V126) {
		p.fields["priority"] = len(c.repo.rules)
	}
	return reply(http.StatusCreated, p.json())
}

func (c *call) rule(name string) *rule {
	return find(c.repo.rules, func(p *rule) bool { return p.name == name })
}

func (s *Server) listRules(c *call) answer {
	out := []object{}
	for _, p := range c.repo.rules {
		out = append(out, p.json())
	}
	return reply(http.StatusOK, out) // neither pages nor a count
}

func (s *Server) getRule(c *call) answer {
	p := c.rule(c.path["name"])
	if p == nil {
		return c.notFound()
	}
	return reply(http.StatusOK, p.json())
}

func (s *Server) updateRule(c *call) answer {
	p := c.rule(c.path["name"])
	if p == nil {
		return c.notFound()
	}
	if refusal, ok := s.fill(c, p); !ok {
		return refusal
	}
	if p.fields["enable_push"] != true {
		p.fields["enable_push_whitelist"] = false
	}
	return reply(http.StatusOK, p.json())
}

func (s *Server) deleteRule(c *call) answer {
	p := c.rule(c.path["name"])
	if p == nil {
		return c.notFound()
	}
	c.repo.rules = without(c.repo.rules, p)
	return noContent()
}

// A Status is what somebody said about a commit.
type Status struct {
	ID          int
	SHA         string
	State       string
	Context     string
	Description string
	TargetURL   string
	Creator     string
}

type status struct {
	Status
	by      *account
	created time.Time
}

func (s *Server) statusJSON(r *repo, st *status) object {
	return object{
		"id": st.ID, "status": st.State, "target_url": st.TargetURL, "description": st.Description,
		"context": st.Context,
		"url":     s.root() + prefix + "/repos/" + r.fullName() + "/statuses/" + st.SHA,
		"creator": s.userJSON(st.by, nil), "created_at": stamp(st.created), "updated_at": stamp(st.created),
	}
}

func (s *Server) createStatus(c *call) answer {
	form, refusal, ok := decode[struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}](c)
	if !ok {
		return refusal
	}
	sha := c.repo.at(c.path["sha"])
	if sha == "" {
		return c.broken("GetCommit[" + c.path["sha"] + "]: object does not exist [id: " + c.path["sha"] +
			", rel_path: ]")
	}
	if form.Context == "" {
		form.Context = "default"
	}
	st := &status{by: c.doer, created: s.cfg.Now(), Status: Status{
		ID: len(c.repo.statuses) + 1, SHA: sha, State: form.State, Context: form.Context, Description: form.Description,
		TargetURL: form.TargetURL, Creator: c.doer.Login,
	}}
	c.repo.statuses = append(c.repo.statuses, st)
	return reply(http.StatusCreated, s.statusJSON(c.repo, st))
}

// statusesOf is newest first.
func (r *repo) statusesOf(sha string) []*status {
	out := slices.DeleteFunc(slices.Clone(r.statuses), func(st *status) bool { return st.SHA != sha })
	slices.Reverse(out)
	return out
}

func (s *Server) listStatuses(c *call) answer { return s.statusesAt(c, c.path["sha"]) }

func (s *Server) listStatusesByRef(c *call) answer {
	sha := c.repo.at(c.path["ref"])
	if sha == "" {
		return c.notFound()
	}
	return s.statusesAt(c, sha)
}

func (s *Server) statusesAt(c *call, sha string) answer {
	return list(c, c.repo.statusesOf(sha), paging{links: true}, func(st *status) any {
		return s.statusJSON(c.repo,
			st)
	})
}

// worst orders states; the one that comes first is the combined one.
var worst = []string{"error", "failure", "warning", "pending", "success", "skipped"}

// combinedStatus takes the newest status of each context.
func (s *Server) combinedStatus(c *call) answer {
	sha := c.repo.at(c.path["ref"])
	if sha == "" {
		return c.notFound()
	}
	newest, state, shown := map[string]bool{}, len(worst), []object{}
	for _, st := range c.repo.statusesOf(sha) {
		if newest[st.Context] {
			continue
		}
		newest[st.Context] = true
		shown = append(shown, s.statusJSON(c.repo, st))
		if i := slices.Index(worst, st.State); i >= 0 {
			state = min(state, i)
		}
	}
	api := s.root() + prefix + "/repos/" + c.repo.fullName() + "/commits/" + sha
	o := object{
		"state": "", "sha": sha, "total_count": len(shown), "statuses": nil, "repository": s.repoJSON(c.repo, c.may),
		"commit_url": api, "url": api + "/status",
	}
	if len(shown) > 0 {
		o["statuses"] = shown
	}
	if state < len(worst) {
		o["state"] = worst[state]
	}
	return reply(http.StatusOK, o)
}
