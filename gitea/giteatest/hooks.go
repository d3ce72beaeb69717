package giteatest

import (
	"net/http"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

// A Hook is a webhook of a repository or an organisation.
type Hook struct {
	ID            int
	URL           string
	ContentType   string // json by default, or form
	Secret        string
	Authorization string   // header that deliveries carry
	BranchFilter  string   // glob; "" = all
	Events        []string // push by default
	Inactive      bool
}

type hook struct {
	Hook
	kind             string
	created, updated time.Time
}

// AddHook adds a webhook to a repository. An unknown "owner/name" panics.
func (s *Server) AddHook(repo string, h Hook) Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := must(s.repoNamed(repo), "repository", repo)
	added := s.newHook(h)
	r.hooks = append(r.hooks, added)
	return added.public()
}

// AddOrgHook adds a webhook to an organisation. An unknown name panics.
func (s *Server) AddOrgHook(org string, h Hook) Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := must(s.orgNamed(org), "organisation", org)
	added := s.newHook(h)
	o.hooks = append(o.hooks, added)
	return added.public()
}

func (s *Server) newHook(h Hook) *hook {
	now := s.cfg.Now()
	h.ID = s.next("hook")
	if h.ContentType == "" {
		h.ContentType = "json"
	}
	if h.Events == nil {
		h.Events = []string{"push"}
	}
	return &hook{Hook: h, kind: "gitea", created: now, updated: now}
}

func (h *hook) public() Hook {
	out := h.Hook
	out.Events = slices.Clone(h.Events)
	return out
}

func (s *Server) hookJSON(h *hook) object {
	o := object{
		"id": h.ID, "type": h.kind, "branch_filter": h.BranchFilter, "config": object{
			"content_type": h.ContentType,
			"url":          h.URL,
		},
		"events": h.Events, "authorization_header": h.Authorization, "active": !h.Inactive,
		"updated_at": stamp(h.updated), "created_at": stamp(h.created),
	}
	if s.since(V127) {
		o["name"] = ""
	}
	return o
}

type hookForm struct {
	Type                string            `json:"type"`
	Config              map[string]string `json:"config"`
	Events              []string          `json:"events"`
	BranchFilter        string            `json:"branch_filter"`
	Active              *bool             `json:"active"`
	AuthorizationHeader string            `json:"authorization_header"`
}

func (s *Server) checkHook(form hookForm) check {
	if why := forms.Required("Type", form.Type); why != "" {
		return why
	}
	if !slices.Contains(forms.HookTypes, form.Type) {
		return "Invalid hook type: " + form.Type
	}
	for _, name := range []string{"url", "content_type"} {
		if _, ok := form.Config[name]; !ok {
			return "Missing config option: " + name
		}
	}
	return s.checkHookConfig(form.Config)
}

func (s *Server) checkHookConfig(config map[string]string) check {
	if kind, ok := config["content_type"]; ok && kind != "json" && kind != "form" {
		return "Invalid content type"
	}
	if url, ok := config["url"]; ok && !forms.IsURL(url) && s.since(V126) {
		return "Invalid url"
	}
	return ""
}

// createHook makes hooks that are not active, unless it is told to.
func (s *Server) createHook(c *call, hooks *[]*hook) answer {
	form, refusal, ok := decode[hookForm](c)
	if !ok {
		return refusal
	}
	if why := s.checkHook(form); why != "" {
		return c.unprocessable(why)
	}
	h := s.newHook(Hook{
		URL: form.Config["url"], ContentType: form.Config["content_type"], Secret: form.Config["secret"],
		Authorization: form.AuthorizationHeader, BranchFilter: form.BranchFilter,
		Events: forms.ExpandEvents(form.Events), Inactive: !is(form.Active),
	})
	h.kind = form.Type
	*hooks = append(*hooks, h)
	return reply(http.StatusCreated, s.hookJSON(h))
}

// updateHook merges the config, and forgets a branch filter, events and a header
// that it is not told again. It ignores a secret: deliveries are signed with the
// one that the hook was created with.
func (s *Server) updateHook(c *call, hooks []*hook) answer {
	h := findHook(c, hooks)
	if h == nil {
		return c.notFound()
	}
	form, refusal, ok := decode[hookForm](c)
	if !ok {
		return refusal
	}
	if why := s.checkHookConfig(form.Config); why != "" {
		return c.unprocessable(why)
	}
	for field, to := range map[string]*string{"url": &h.URL, "content_type": &h.ContentType} {
		if v, ok := form.Config[field]; ok {
			*to = v
		}
	}
	h.BranchFilter, h.Authorization, h.Events = form.BranchFilter, form.AuthorizationHeader,
		forms.ExpandEvents(form.Events)
	unset(&h.Inactive, form.Active)
	h.updated = s.cfg.Now()
	return reply(http.StatusOK, s.hookJSON(h))
}

func findHook(c *call, hooks []*hook) *hook {
	return find(hooks, func(h *hook) bool { return h.ID == number(c.path["id"]) })
}

func (s *Server) listHooks(c *call, hooks []*hook) answer {
	return list(c, hooks, paging{}, func(h *hook) any { return s.hookJSON(h) })
}

func (s *Server) getHook(c *call, hooks []*hook) answer {
	h := findHook(c, hooks)
	if h == nil {
		return c.notFound()
	}
	return reply(http.StatusOK, s.hookJSON(h))
}

func (s *Server) deleteHook(c *call, hooks *[]*hook) answer {
	h := findHook(c, *hooks)
	if h == nil {
		return c.notFound()
	}
	*hooks = without(*hooks, h)
	return noContent()
}

func (s *Server) listRepoHooks(c *call) answer  { return s.listHooks(c, c.repo.hooks) }
func (s *Server) createRepoHook(c *call) answer { return s.createHook(c, &c.repo.hooks) }
func (s *Server) getRepoHook(c *call) answer    { return s.getHook(c, c.repo.hooks) }
func (s *Server) updateRepoHook(c *call) answer { return s.updateHook(c, c.repo.hooks) }
func (s *Server) deleteRepoHook(c *call) answer { return s.deleteHook(c, &c.repo.hooks) }
func (s *Server) listOrgHooks(c *call) answer   { return s.listHooks(c, c.org.hooks) }
func (s *Server) createOrgHook(c *call) answer  { return s.createHook(c, &c.org.hooks) }
func (s *Server) getOrgHook(c *call) answer     { return s.getHook(c, c.org.hooks) }
func (s *Server) updateOrgHook(c *call) answer  { return s.updateHook(c, c.org.hooks) }
func (s *Server) deleteOrgHook(c *call) answer  { return s.deleteHook(c, &c.org.hooks) }

// testHook delivers the head of the default branch.
func (s *Server) testHook(c *call) answer {
	h := findHook(c, c.repo.hooks)
	if h == nil {
		return c.notFound()
	}
	head := c.repo.heads[c.repo.DefaultBranch]
	if head == "" && !s.since(V127) {
		return c.missing("repository is empty", nil)
	}
	s.send(c.repo, h, "repository", s.pushJSON(push{c.repo, c.repo.DefaultBranch, head, head, c.doer}))
	return noContent()
}
