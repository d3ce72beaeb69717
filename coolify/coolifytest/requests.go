package coolifytest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// A Request is one that reached the simulator, answered or not.
type Request struct {
	upstreamtest.Request
	TokenID   int      // 0 = no or unknown token
	Abilities []string // of that token
}

// A Fault is what goes wrong with an operation.
type Fault = upstreamtest.Fault

func (s *Server) record(c *call) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := &Request{Request: upstreamtest.NewRequest(c.operation(), c.r, c.body, s.cfg.Now())}
	bearer, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	t := s.tokens[bearer]
	if t != nil {
		rec.TokenID, rec.Abilities = t.id, slices.Clone(t.Abilities)
	}
	s.Record(rec, s.judge(c, t))
	return rec
}

// overriding are the input keys that can win over the path.
var overriding = []string{
	"uuid", "environment_name_or_uuid", "env_uuid", "deployment_uuid", "server_uuid", "project_uuid",
	"task_uuid", "scheduled_backup_uuid", "execution_uuid",
}

// notForTenants are the fields that reach past an application's container or
// take another tenant's domain.
var notForTenants = []string{
	"force_domain_override", "custom_docker_run_options", "custom_labels", "custom_network_aliases",
	"custom_internal_name", "ports_mappings", "connect_to_docker_network", "host_path", "is_host_file",
	"pre_deployment_command", "pre_deployment_command_container",
	"post_deployment_command", "post_deployment_command_container",
	"is_gpu_enabled", "gpu_driver", "gpu_count", "gpu_device_ids", "gpu_options",
	"install_command", "build_command", "start_command", "health_check_command",
	"docker_compose_custom_start_command", "docker_compose_custom_build_command", "docker_compose_raw",
	"docker_compose_domains",
	"dockerfile", "custom_nginx_configuration", "is_raw_compose_deployment_enabled",
	"is_container_label_escape_enabled",
	"docker_registry_image_name", "docker_registry_image_tag", "tags",
	"public_port", "postgres_initdb_args", "postgres_host_auth_method", "postgres_conf", "mysql_conf", "mariadb_conf",
	"mongo_conf", "redis_conf",
}

// teamWide are the operations that answer or act for the whole team.
var teamWide = []string{"GET /applications", "GET /databases", "POST /deploy", "GET /deploy"}

// mixedUp are the operations that answer about another's things as well: backups
// are looked up by the number of a database, and each kind counts from 1.
var mixedUp = []string{"GET /databases/{uuid}/backups"}

// cleaning are the operations that clean their whole server up unless they are told
// not to.
var cleaning = []string{
	"POST /applications/{uuid}/stop", "GET /applications/{uuid}/stop", "DELETE /applications/{uuid}",
	"POST /databases/{uuid}/stop", "DELETE /databases/{uuid}", "POST /services/{uuid}/stop", "DELETE /services/{uuid}",
}

// sensitiveOperations are all that a token which sees secrets is for.
var sensitiveOperations = []string{
	"GET /applications/{uuid}/envs", "GET /deployments/{uuid}", "GET /deployments/applications/{uuid}",
	"GET /databases/{uuid}",
}

// oneDomain is what a tenant can be given: a host name, nothing that Coolify or
// the proxy reads more into.
var oneDomain = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+$`)

// asking are the operations whose refusal tells what a token may. Anybody may ask
// with the id of nothing.
var asking = []string{"PATCH /projects/{uuid}", "POST /applications/{uuid}/start"}

// asks reports whether a request cannot but be refused. A caller holds s.mu.
func (s *Server) asks(c *call) bool {
	uuid := c.path["uuid"]
	return slices.Contains(asking, c.operation()) && s.app(uuid) == nil &&
		find(s.projects, func(p *project) bool { return p.uuid == uuid }) == nil
}

func (s *Server) judge(c *call, t *token) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !strings.Contains(c.r.Header.Get("Accept"), typeJSON) {
		add("no Accept: %s", typeJSON)
	}
	if rest, ok := strings.CutPrefix(c.r.URL.Path, prefix+"/"); ok && slices.Contains(strings.Split(rest, "/"), "") {
		add("an empty path segment")
	}
	if slices.Contains(teamWide, c.operation()) {
		add("it is for the whole team")
	}
	if slices.Contains(mixedUp, c.operation()) {
		add("its answer may be about another's database")
	}
	if slices.Contains(cleaning, c.operation()) && c.cleansUp() {
		add("it removes other tenants' images")
	}
	if domains := c.text("domains"); domains != "" && !oneDomain.MatchString(domains) {
		add("domains that are not one URL of a host name")
	}
	if c.flag("is_public") {
		add("a database that is reached from outside")
	}
	if t != nil && t.can(sensitive) && !slices.Contains(sensitiveOperations, c.operation()) && !s.asks(c) {
		add("with a token that sees secrets")
	}
	if len(c.path) > 0 {
		c.eachSent(overriding, func(key, where string) { add("%s in the %s beside the one in the path", key, where) })
	}
	c.eachSent(notForTenants, func(key, where string) {
		if key != "docker_compose_raw" || !slices.Contains(composing, c.operation()) {
			add("%s in the %s", key, where)
		}
	})
	if compose, _, _ := c.compose(); reachesOut.MatchString(compose) {
		add("a service that reaches out of its container: %q", reachesOut.FindString(compose))
	}
	return out
}

// composing are the operations by which the platform runs a compose file of its own.
var composing = []string{"POST /services", "PATCH /services/{uuid}"}

// reachesOut finds in a compose file what the platform's services do without.
var reachesOut = regexp.MustCompile(
	`(?m)^\s*(ports|expose|volumes|environment|env_file|labels|build|privileged|network_mode|pid|ipc|cap_add|devices)\s*:`,
)

// eachSent calls f for each of the keys that the query or the body has.
func (c *call) eachSent(keys []string, f func(key, where string)) {
	for _, key := range keys {
		if _, ok := c.query[key]; ok {
			f(key, "query")
		}
		if _, ok := c.json[key]; ok {
			f(key, "body")
		}
	}
}
