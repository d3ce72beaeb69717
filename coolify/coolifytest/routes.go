package coolifytest

import (
	"net/http"
	"strings"
)

// The abilities of a token that routes ask for.
const (
	read      = "read"
	write     = "write"
	deploy    = "deploy"
	sensitive = "read:sensitive"
	root      = "root"
)

// A route is one row of Coolify's routing table.
type route struct {
	method  string
	pattern string // as in the published document
	ability string // "" = open to everybody
	do      func(*Server, *call) answer
	from    int // minor version that brought it
	until   int // minor version that took it away; 0 = none
}

// The order is Coolify's: the first row that fits is taken.
var routes = []route{
	{"GET", "/health", "", (*Server).health, 0, 0},
	{"GET", "/version", read, (*Server).version, 0, 0},
	{"GET", "/teams", read, (*Server).listTeams, 0, 0},
	{"GET", "/team", read, (*Server).currentTeam, 3, 0},
	{"GET", "/teams/current", read, (*Server).currentTeam, 0, 0},
	{"GET", "/teams/{id}", read, (*Server).getTeam, 0, 0},

	{"GET", "/projects", read, (*Server).listProjects, 0, 0},
	{"GET", "/projects/{uuid}", read, (*Server).getProject, 0, 0},
	{"GET", "/projects/{uuid}/environments", read, (*Server).listEnvironments, 0, 0},
	{"GET", "/projects/{uuid}/envs", read, (*Server).listProjectVariables, 3, 0},
	{"GET", "/projects/{uuid}/{environment_name_or_uuid}", read, (*Server).getEnvironment, 0, 0},
	{"POST", "/projects/{uuid}/environments", write, (*Server).createEnvironment, 0, 0},
	{"PATCH", "/projects/{uuid}/environments/{environment_name_or_uuid}", write, (*Server).updateEnvironment, 3, 0},
	{"DELETE", "/projects/{uuid}/environments/{environment_name_or_uuid}", write, (*Server).deleteEnvironment, 0, 0},
	{"POST", "/projects", write, (*Server).createProject, 0, 0},
	{"PATCH", "/projects/{uuid}", write, (*Server).updateProject, 0, 0},
	{"DELETE", "/projects/{uuid}", write, (*Server).deleteProject, 0, 0},

	{"GET", "/deploy", deploy, (*Server).legacyGet, 2, 0},
	{"GET", "/deploy", deploy, (*Server).deployMany, 0, 2},
	{"POST", "/deploy", deploy, (*Server).deployMany, 0, 0},
	{"GET", "/deployments", read, (*Server).listRunning, 0, 0},
	{"GET", "/deployments/{uuid}", read, (*Server).getDeployment, 0, 0},
	{"POST", "/deployments/{uuid}/cancel", deploy, (*Server).cancelDeployment, 0, 0},
	{"GET", "/deployments/applications/{uuid}", read, (*Server).listDeployments, 0, 0},

	{"GET", "/servers", read, (*Server).listServers, 0, 0},
	{"GET", "/servers/{uuid}", read, (*Server).getServer, 0, 0},
	{"GET", "/servers/{uuid}/domains", read, (*Server).listDomains, 0, 0},
	{"GET", "/destinations", read, (*Server).listDestinations, 2, 0},
	{"GET", "/servers/{server_uuid}/destinations", read, (*Server).listServerDestinations, 2, 0},
	{"POST", "/servers/{server_uuid}/destinations", write, (*Server).createDestination, 2, 0},
	{"DELETE", "/destinations/{uuid}", write, (*Server).deleteDestination, 2, 0},

	{"GET", "/security/keys", read, (*Server).listKeys, 0, 0},
	{"POST", "/security/keys", write, (*Server).createKey, 0, 0},
	{"GET", "/security/keys/{uuid}", read, (*Server).getKey, 0, 0},
	{"DELETE", "/security/keys/{uuid}", write, (*Server).deleteKey, 0, 0},

	{"GET", "/databases", read, (*Server).listDatabases, 0, 0},
	{"POST", "/databases/postgresql", write, (*Server).createDatabase, 0, 0},
	{"POST", "/databases/mysql", write, (*Server).createDatabase, 0, 0},
	{"POST", "/databases/mariadb", write, (*Server).createDatabase, 0, 0},
	{"POST", "/databases/mongodb", write, (*Server).createDatabase, 0, 0},
	{"POST", "/databases/redis", write, (*Server).createDatabase, 0, 0},
	{"GET", "/databases/{uuid}", read, (*Server).getDatabase, 0, 0},
	{"DELETE", "/databases/{uuid}", write, (*Server).deleteDatabase, 0, 0},
	{"GET", "/databases/{uuid}/backups", read, (*Server).listBackups, 0, 0},
	{"POST", "/databases/{uuid}/start", deploy, (*Server).startDatabase, 0, 0},
	{"POST", "/databases/{uuid}/stop", deploy, (*Server).stopDatabase, 0, 0},

	{"GET", "/services", read, (*Server).listServices, 0, 0},
	{"POST", "/services", write, (*Server).createService, 0, 0},
	{"GET", "/services/{uuid}", read, (*Server).getService, 0, 0},
	{"PATCH", "/services/{uuid}", write, (*Server).updateService, 0, 0},
	{"DELETE", "/services/{uuid}", write, (*Server).deleteService, 0, 0},
	{"POST", "/services/{uuid}/start", deploy, (*Server).startService, 0, 0},
	{"POST", "/services/{uuid}/stop", deploy, (*Server).stopService, 0, 0},

	{"GET", "/applications", read, (*Server).listApplications, 0, 0},
	{"POST", "/applications/private-deploy-key", write, (*Server).createDeployKeyApplication, 0, 0},
	{"GET", "/applications/{uuid}/rollback-images", read, (*Server).rollbackImages, 3, 0},
	{"POST", "/applications/{uuid}/rollback", deploy, (*Server).rollback, 3, 0},
	{"GET", "/applications/{uuid}", read, (*Server).getApplication, 0, 0},
	{"PATCH", "/applications/{uuid}", write, (*Server).updateApplication, 0, 0},
	{"DELETE", "/applications/{uuid}", write, (*Server).deleteApplication, 0, 0},
	{"GET", "/applications/{uuid}/envs", read, (*Server).listEnvs, 0, 0},
	{"POST", "/applications/{uuid}/envs", write, (*Server).createEnv, 0, 0},
	{"PATCH", "/applications/{uuid}/envs/bulk", write, (*Server).bulkEnvs, 0, 0},
	{"PATCH", "/applications/{uuid}/envs", write, (*Server).updateEnv, 0, 0},
	{"DELETE", "/applications/{uuid}/envs/{env_uuid}", write, (*Server).deleteEnv, 0, 0},
	{"GET", "/applications/{uuid}/logs", read, (*Server).applicationLogs, 0, 0},
	{"POST", "/applications/{uuid}/start", deploy, (*Server).start, 0, 0},
	{"POST", "/applications/{uuid}/restart", deploy, (*Server).restart, 0, 0},
	{"POST", "/applications/{uuid}/stop", deploy, (*Server).stop, 0, 0},
	{"GET", "/applications/{uuid}/start", deploy, (*Server).legacyGet, 2, 0},
	{"GET", "/applications/{uuid}/restart", deploy, (*Server).legacyGet, 2, 0},
	{"GET", "/applications/{uuid}/stop", deploy, (*Server).legacyGet, 2, 0},
	{"GET", "/applications/{uuid}/start", deploy, (*Server).start, 0, 2},
	{"GET", "/applications/{uuid}/restart", deploy, (*Server).restart, 0, 2},
	{"GET", "/applications/{uuid}/stop", deploy, (*Server).stop, 0, 2},
}

const prefix = "/api/v1"

// routeOf returns the route of a request and its parameters; a nil route leads to
// the catch-all. As in Laravel, a slash at the end does not count.
func (s *Server) routeOf(method, path string) (*route, map[string]string) {
	rest, ok := strings.CutPrefix(path, prefix)
	if path == "/api/health" {
		rest, ok = "/health", true
	}
	if !ok || !strings.HasPrefix(rest, "/") {
		return nil, nil
	}
	segments := strings.Split(strings.TrimRight(rest[1:], "/"), "/")
	for i := range routes {
		rt := &routes[i]
		if rt.method != method || !s.since(rt.from) || rt.until > 0 && s.since(rt.until) {
			continue
		}
		if params, ok := rt.match(segments); ok {
			return rt, params
		}
	}
	return nil, nil
}

func (rt *route) match(segments []string) (map[string]string, bool) {
	want := strings.Split(rt.pattern[1:], "/")
	if len(want) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		name, isParam := strings.CutPrefix(w, "{")
		switch {
		case isParam && segments[i] != "":
			params[strings.TrimSuffix(name, "}")] = segments[i]
		case w != segments[i]:
			return nil, false
		}
	}
	return params, true
}

func (s *Server) health(*call) answer { return typed(http.StatusOK, typeHTML, []byte("OK")) }

func (s *Server) version(*call) answer { return typed(http.StatusOK, typeHTML, []byte(s.cfg.Version)) }

func (s *Server) legacyGet(*call) answer { return postRequired() }
