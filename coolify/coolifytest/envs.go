package coolifytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// An Env is one row of an application's environment variables. There may be
// several with one key.
type Env struct {
	UUID                 string // made when empty
	Key                  string
	Value                string // "" is null
	Preview              bool   // for pull requests
	Literal, Multiline   bool
	ShownOnce            bool
	BuildTime, Runtime   bool
	Comment              string
	CreatedAt, UpdatedAt time.Time
}

type row struct {
	Env
	id int
}

// AddEnv adds a row as it is: not trimmed, no twin, and a second one of the same
// key if there is one already. An unknown application panics.
func (s *Server) AddEnv(appUUID string, e Env) Env {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insertRow(must(s.app(appUUID), "application", appUUID), e).Env
}

// Envs returns an application's rows in the order of their ids.
func (s *Server) Envs(appUUID string) []Env {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Env
	for _, r := range must(s.app(appUUID), "application", appUUID).rows {
		out = append(out, r.Env)
	}
	return out
}

func (s *Server) insertRow(a *app, e Env) *row {
	if e.UUID == "" {
		e.UUID = random(24)
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt, e.UpdatedAt = s.cfg.Now(), s.cfg.Now()
	}
	r := &row{Env: e, id: s.next("variable")}
	a.rows = append(a.rows, r)
	return r
}

// createRow adds a row as Coolify does: one that is not for previews gets a twin
// that is, and the twin is never locked.
func (s *Server) createRow(a *app, e Env) *row {
	created := s.insertRow(a, e)
	if e.Preview || a.row(e.Key, true) != nil {
		return created
	}
	twin := e
	twin.UUID, twin.Preview, twin.ShownOnce = "", true, false
	s.insertRow(a, twin)
	return created
}

func (a *app) row(key string, preview bool) *row {
	return find(a.rows, func(r *row) bool { return r.Key == key && r.Preview == preview })
}

// scope returns the rows that are, or are not, for previews.
func (a *app) scope(preview bool) []*row {
	return slices.DeleteFunc(slices.Clone(a.rows), func(r *row) bool { return r.Preview != preview })
}

// isBuildpackControl reports a variable that speaks to the build pack and is not
// handed to the build.
func isBuildpackControl(key string) bool {
	return strings.HasPrefix(key, "NIXPACKS_") || strings.HasPrefix(key, "RAILPACK_")
}

// rowJSON is a row as lists and PATCH answer it.
func (s *Server) rowJSON(c *call, a *app, r *row) object {
	real := quoted(r.Env, s.resolve(a, r.Value))
	o := object{
		"uuid": r.UUID, "key": r.Key, "comment": orNull(r.Comment), "version": s.cfg.Version, "order": nil,
		"is_preview": r.Preview, "is_literal": r.Literal, "is_multiline": r.Multiline, "is_shown_once": r.ShownOnce,
		"is_buildtime": r.BuildTime, "is_runtime": r.Runtime, "is_shared": isShared(r.Value),
		"is_required": false, "is_really_required": false, "is_buildpack_control": isBuildpackControl(r.Key),
		"is_coolify": strings.HasPrefix(r.Key, "SERVICE_"),
		"created_at": stamp(r.CreatedAt), "updated_at": stamp(r.UpdatedAt),
	}
	if c.sensitive() && !r.ShownOnce {
		o["value"], o["real_value"] = orNull(r.Value), real
	}
	return o
}

func (s *Server) listEnvs(c *call) answer {
	a := s.teamApp(c, c.param("uuid"))
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	out := []object{}
	for _, r := range append(a.scope(false), a.scope(true)...) {
		out = append(out, s.rowJSON(c, a, r))
	}
	return reply(http.StatusOK, out)
}

var envFields = []string{
	"key", "value", "is_preview", "is_literal", "is_multiline", "is_shown_once", "is_runtime", "is_buildtime",
	"comment",
}

// checkEnv validates one row of the input.
func checkEnv(input map[string]any) problems {
	bad := check(input, matching("key", 255, false, keyPattern), rule{field: "value", nullable: true, kind: "string"},
		boolean("is_preview"), boolean("is_literal"), boolean("is_multiline"), boolean("is_shown_once"),
		boolean("is_runtime"), boolean("is_buildtime"), limited("comment", 256, true))
	if input["key"] == nil {
		bad["key"] = []string{"This field is required."}
	}
	return bad
}

// withKey returns the input with its key as Coolify casts it: to a string.
func withKey(input map[string]any) map[string]any {
	if v, there := input["key"]; there && v != nil {
		input["key"] = fmt.Sprint(v)
	}
	return input
}

// envOf is the row that an input describes, where what is missing has the value
// of a new row.
func envOf(input map[string]any) Env {
	is := func(field string, missing bool) bool {
		if v := input[field]; v != nil {
			return truthy(v)
		}
		return missing
	}
	text := func(field string) string { v, _ := input[field].(string); return v }
	return Env{
		Key: text("key"), Value: text("value"), Comment: text("comment"),
		Preview: is("is_preview", false), Literal: is("is_literal", false), Multiline: is("is_multiline", false),
		ShownOnce: is("is_shown_once", false), BuildTime: is("is_buildtime", true), Runtime: is("is_runtime", true),
	}
}

func (s *Server) createEnv(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	bad := checkEnv(withKey(c.input))
	if bad.extra(c, envFields...); len(bad) > 0 {
		return invalid(bad)
	}
	e := envOf(c.input)
	if a.row(e.Key, e.Preview) != nil {
		return message(http.StatusConflict, "Environment variable already exists. Use PATCH request to update it.")
	}
	return reply(http.StatusCreated, object{"uuid": s.createRow(a, e).UUID})
}

func (s *Server) updateEnv(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	bad := checkEnv(withKey(c.input))
	if bad.extra(c, envFields...); len(bad) > 0 {
		return invalid(bad)
	}
	e := envOf(c.input)
	r := a.row(e.Key, e.Preview)
	if r == nil {
		return message(http.StatusNotFound, "Environment variable not found.")
	}
	if !s.replace(r, c.input) {
		return c.serverError()
	}
	return reply(http.StatusCreated, s.rowJSON(c, a, r))
}

// replace puts the input in the row's place. A value or is_literal that is
// missing is cleared; is_multiline and is_shown_once that are missing become
// null, which the database refuses where they were true: false, and nothing is
// changed.
func (s *Server) replace(r *row, input map[string]any) bool {
	if r.Multiline && input["is_multiline"] == nil || r.ShownOnce && input["is_shown_once"] == nil {
		return false
	}
	e := envOf(input)
	r.Value, r.Literal, r.Multiline, r.ShownOnce = e.Value, e.Literal, e.Multiline, e.ShownOnce
	if _, there := input["is_runtime"]; there {
		r.Runtime = e.Runtime
	}
	if _, there := input["is_buildtime"]; there {
		r.BuildTime = e.BuildTime
	}
	if _, there := input["comment"]; there {
		r.Comment = e.Comment
	}
	r.UpdatedAt = s.cfg.Now()
	return true
}

// bulkEnvs upserts row after row. What came before a bad row stays. The rows
// that one request makes are not seen by the rows after them, so a key that
// comes twice is made twice.
func (s *Server) bulkEnvs(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	items, ok := c.input["data"].([]any)
	if !ok || len(items) == 0 {
		return message(http.StatusBadRequest, "Bulk data is required.")
	}
	out := []object{}
	loaded := map[bool][]*row{} // Eloquent loads a relation once
	for _, item := range items {
		input := onlyEnvFields(item)
		if bad := checkEnv(input); len(bad) > 0 {
			return invalid(bad)
		}
		e := envOf(input)
		if loaded[e.Preview] == nil {
			loaded[e.Preview] = append([]*row{}, a.scope(e.Preview)...)
		}
		r := find(loaded[e.Preview], func(r *row) bool { return r.Key == e.Key })
		if r == nil {
			created := s.rowJSON(c, a, s.createRow(a, e))
			delete(created, "is_required")
			delete(created, "order")
			out = append(out, created)
			continue
		}
		if !s.replace(r, input) {
			return c.serverError()
		}
		out = append(out, s.rowJSON(c, a, r))
	}
	return reply(http.StatusCreated, out)
}

func onlyEnvFields(item any) map[string]any {
	sent, _ := item.(map[string]any)
	out := map[string]any{}
	for _, field := range envFields {
		if v, there := sent[field]; there {
			out[field] = v
		}
	}
	return withKey(out)
}

func (s *Server) deleteEnv(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	before := len(a.rows)
	a.rows = slices.DeleteFunc(a.rows, func(r *row) bool { return r.UUID == c.path["env_uuid"] })
	if len(a.rows) == before {
		return message(http.StatusNotFound, "Environment variable not found.")
	}
	return message(http.StatusOK, "Environment variable deleted.")
}
