package coolifytest

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) listProjects(c *call) answer {
	out := []object{}
	for _, p := range s.projects {
		if p.team == c.token.Team {
			out = append(out, object{"id": p.id, "uuid": p.uuid, "name": p.name, "description": p.description})
		}
	}
	return reply(http.StatusOK, out)
}

// teamProject is a project as far as the caller's team goes.
func (s *Server) teamProject(c *call, uuid string) (*project, answer) {
	p := find(s.projects, func(p *project) bool { return p.uuid == uuid && p.team == c.token.Team })
	if p == nil {
		return nil, message(http.StatusNotFound, "Project not found.")
	}
	return p, answer{}
}

// askedProject is the project of a request by $request->uuid: the input's, if
// there is one.
func (s *Server) askedProject(c *call) (*project, answer) {
	uuid := c.param("uuid")
	if uuid == "" {
		return nil, message(http.StatusUnprocessableEntity, "UUID is required.")
	}
	return s.teamProject(c, uuid)
}

// json is a project as resources and GET /projects/{uuid} carry it.
func (p *project) json() object {
	return object{
		"id": p.id, "uuid": p.uuid, "name": p.name, "description": p.description, "team_id": p.team,
		"icon_path": nil, "icon_storage_type": nil, "icon_s3_storage_id": nil,
		"created_at": stamp(p.created), "updated_at": stamp(p.updated),
	}
}

func (e *environment) json() object {
	return object{
		"id": e.id, "uuid": e.uuid, "name": e.name, "description": e.description, "project_id": e.project.id,
		"created_at": stamp(e.created), "updated_at": stamp(e.updated),
	}
}

func (s *Server) getProject(c *call) answer {
	p, missing := s.teamProject(c, c.param("uuid"))
	if p == nil {
		return missing
	}
	environments := []object{}
	for _, e := range p.environments {
		environments = append(environments, e.json())
	}
	o := p.json()
	o["environments"] = environments
	return reply(http.StatusOK, o)
}

func (s *Server) createProject(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(nameRule(true), descriptionRule)
	if bad.extra(c, "name", "description"); len(bad) > 0 {
		return invalid(bad)
	}
	p := s.addProject(c.token.Team, c.text("name"), c.text("description"))
	return reply(http.StatusCreated, object{"uuid": p.uuid})
}

func (s *Server) updateProject(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(nameRule(false), descriptionRule)
	if bad.extra(c, "name", "description"); len(bad) > 0 {
		return invalid(bad)
	}
	p, missing := s.teamProject(c, c.path["uuid"])
	if p == nil {
		return missing
	}
	if c.has("name") {
		p.name = c.text("name") // null becomes ""
	}
	if c.has("description") {
		p.description = c.text("description")
	}
	p.updated = s.cfg.Now()
	return reply(http.StatusCreated, object{"uuid": p.uuid, "name": p.name, "description": p.description})
}

func (s *Server) deleteProject(c *call) answer {
	p, missing := s.askedProject(c)
	if p == nil {
		return missing
	}
	if s.holds(func(e *environment) bool { return e.project == p }) {
		return message(http.StatusBadRequest, "Project has resources, so it cannot be deleted.")
	}
	s.projects = slices.DeleteFunc(s.projects, func(other *project) bool { return other == p })
	return message(http.StatusOK, "Project deleted.")
}

func (s *Server) listEnvironments(c *call) answer {
	p, missing := s.askedProject(c)
	if p == nil {
		return missing
	}
	out := []object{}
	for _, e := range p.environments {
		out = append(out, object{"id": e.id, "uuid": e.uuid, "name": e.name})
	}
	return reply(http.StatusOK, out)
}

// environmentName is what Coolify stores for a name.
func environmentName(name string) string {
	return strings.ReplaceAll(Trim(strings.ToLower(name)), "/", "-")
}

func (p *project) named(name string) *environment {
	return find(p.environments, func(e *environment) bool { return e.name == name })
}

// askedEnvironment looks by name first, then by uuid.
func (s *Server) askedEnvironment(c *call) (*environment, answer) {
	p, missing := s.askedProject(c)
	if p == nil {
		return nil, missing
	}
	ref := c.param("environment_name_or_uuid")
	if ref == "" {
		return nil, message(http.StatusUnprocessableEntity, "Environment name or UUID is required.")
	}
	e := p.named(ref)
	if e == nil {
		e = find(p.environments, func(e *environment) bool { return e.uuid == ref })
	}
	if e == nil {
		return nil, message(http.StatusNotFound, "Environment not found.")
	}
	return e, answer{}
}

func (s *Server) createEnvironment(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(nameRule(true))
	if bad.extra(c, "name"); len(bad) > 0 {
		return invalid(bad)
	}
	p, missing := s.teamProject(c, c.path["uuid"])
	if p == nil {
		return missing
	}
	name := c.text("name")
	if p.named(name) != nil {
		return message(http.StatusConflict, "Environment with this name already exists.")
	}
	if p.named(environmentName(name)) != nil { // the check looks at the raw name, the index at the stored one
		return c.serverError()
	}
	return reply(http.StatusCreated, object{"uuid": s.addEnvironment(p, name).uuid})
}

func (s *Server) updateEnvironment(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(nameRule(false), descriptionRule)
	if bad.extra(c, "name", "description"); len(bad) > 0 {
		return invalid(bad)
	}
	e, missing := s.askedEnvironment(c)
	if e == nil {
		return missing
	}
	if name := c.text("name"); c.has("name") && name != e.name {
		if p := e.project; name != "" && p.named(name) != nil {
			return message(http.StatusConflict, "Environment with this name already exists.")
		}
		if other := e.project.named(environmentName(name)); other != nil && other != e {
			return c.serverError()
		}
		e.name = environmentName(name)
	}
	if c.has("description") {
		e.description = c.text("description")
	}
	e.updated = s.cfg.Now()
	return reply(http.StatusOK, object{"uuid": e.uuid, "name": e.name, "description": e.description})
}

func (s *Server) deleteEnvironment(c *call) answer {
	e, missing := s.askedEnvironment(c)
	if e == nil {
		return missing
	}
	if s.holds(func(in *environment) bool { return in == e }) {
		return message(http.StatusBadRequest, "Environment has resources, so it cannot be deleted.")
	}
	p := e.project
	p.environments = slices.DeleteFunc(p.environments, func(other *environment) bool { return other == e })
	return message(http.StatusOK, "Environment deleted.")
}

// getEnvironment is the environment with what is in it. Coolify leaves out the
// keydbs, dragonflies and clickhouses.
func (s *Server) getEnvironment(c *call) answer {
	e, missing := s.askedEnvironment(c)
	if e == nil {
		return missing
	}
	apps := []object{}
	for _, a := range s.apps {
		if a.env == e {
			o := s.appJSON(a, c.sensitive())
			o["id"], o["private_key_id"] = a.id, a.key.id
			apps = append(apps, o)
		}
	}
	o := e.json()
	o["applications"], o["services"] = apps, s.servicesOf(e, c.sensitive())
	for _, kind := range engines {
		o[kind.list] = s.databasesOf(e, kind, c.sensitive())
	}
	return s.checkAfter(reply(http.StatusOK, o))
}
