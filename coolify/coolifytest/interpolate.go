package coolifytest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// A sharedVariable is one that {{kind.key}} in a value stands for.
type sharedVariable struct {
	kind       string // team, server, project or environment
	owner      string // uuid of the project or environment; "" for the other kinds
	key, value string
}

// SetTeamVariable plants a secret that every application of team 0 can reach as
// {{team.name}}.
func (s *Server) SetTeamVariable(name, value string) { s.share("team", "", name, value) }

// SetServerVariable plants a secret that every application can reach as
// {{server.name}}.
func (s *Server) SetServerVariable(name, value string) { s.share("server", "", name, value) }

// SetProjectVariable sets what {{project.name}} stands for in a project.
func (s *Server) SetProjectVariable(projectUUID, name, value string) {
	s.share("project", projectUUID, name, value)
}

// SetEnvironmentVariable sets what {{environment.name}} stands for in an
// environment.
func (s *Server) SetEnvironmentVariable(environmentUUID, name, value string) {
	s.share("environment", environmentUUID, name, value)
}

func (s *Server) share(kind, owner, name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = slices.DeleteFunc(s.shared, func(v sharedVariable) bool {
		return v.kind == kind && v.owner == owner && v.key == name
	})
	s.shared = append(s.shared, sharedVariable{kind, owner, name, value})
}

// braces is Coolify's pattern: as little as possible, no line feed.
var braces = regexp.MustCompile(`\{\{(.*?)\}\}`)

// resolve replaces the shared variables in a value, wherever they stand in it.
// What stands between the braces is trimmed as Laravel trims, so characters
// that nobody sees do not keep it from being found.
func (s *Server) resolve(a *app, value string) string {
	out := value
	for _, found := range braces.FindAllStringSubmatch(value, -1) {
		kind, key, ok := strings.Cut(Trim(found[1]), ".")
		if !ok {
			continue
		}
		if v, ok := s.sharedValue(a, kind, key); ok {
			out = strings.ReplaceAll(out, found[0], v)
		}
	}
	return out
}

func (s *Server) sharedValue(a *app, kind, key string) (string, bool) {
	owner := ""
	switch kind {
	case "project":
		owner = a.env.project.uuid
	case "environment":
		owner = a.env.uuid
	case "team", "server":
		if a.env.project.team != 0 {
			return "", false
		}
	}
	i := slices.IndexFunc(s.shared, func(v sharedVariable) bool {
		return v.kind == kind && v.owner == owner && v.key == key
	})
	if i < 0 {
		return "", false
	}
	return s.shared[i].value, true
}

// isShared is Coolify's own, rough, test for a value that is one shared
// variable and nothing else.
func isShared(value string) bool {
	_, kind, ok := strings.Cut(value, "{{")
	if !ok {
		return false
	}
	kind, _, _ = strings.Cut(kind, ".")
	return strings.HasPrefix(value, "{{"+kind) && strings.HasSuffix(value, "}}")
}

var envEscapes = strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\t", `\t`, "\x00", `\0`, `"`, `\"`, `'`, `\'`)

// quoted is how Coolify writes a resolved value down: JSON as it is, literal and
// multiline values in quotes that are not escaped inside, others escaped.
func quoted(e Env, resolved string) string {
	switch {
	case strings.HasPrefix(resolved, "{") && json.Valid([]byte(resolved)),
		strings.HasPrefix(resolved, "[") && json.Valid([]byte(resolved)):
		return resolved
	case e.Literal || e.Multiline:
		return "'" + resolved + "'"
	}
	return envEscapes.Replace(resolved)
}

// listProjectVariables is GET /projects/{uuid}/envs, which is why nobody can ask
// for an environment by the name envs.
func (s *Server) listProjectVariables(c *call) answer {
	p, missing := s.teamProject(c, c.path["uuid"])
	if p == nil {
		return missing
	}
	out := []object{}
	for i, v := range s.shared {
		if v.kind != "project" || v.owner != p.uuid {
			continue
		}
		o := object{
			"id": i + 1, "key": v.key, "comment": nil, "is_literal": false, "is_multiline": false,
			"is_shown_once": false,
			"type":          v.kind, "created_at": stamp(p.created), "updated_at": stamp(p.updated),
		}
		if c.sensitive() {
			o["value"] = v.value
		}
		out = append(out, o)
	}
	return reply(http.StatusOK, out)
}
