package coolifytest

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// updatable are the fields that PATCH of an application takes. Those that
// [Server.updateApplication] does not name are taken and forgotten.
var updatable = strings.Fields(`name description domains build_pack git_branch base_directory publish_directory
	dockerfile_location docker_compose_location git_repository git_commit_sha ports_exposes custom_docker_run_options
	instant_deploy force_domain_override is_static is_spa is_auto_deploy_enabled is_force_https_enabled
	is_preview_deployments_enabled noindex_domains docker_registry_image_name docker_registry_image_tag static_image
	install_command build_command start_command ports_mappings custom_network_aliases health_check_enabled
	health_check_type health_check_command health_check_path health_check_port health_check_host health_check_method
	health_check_return_code health_check_scheme health_check_response_text health_check_interval health_check_timeout
	health_check_retries health_check_start_period limits_memory limits_memory_swap limits_memory_swappiness
	limits_memory_reservation limits_cpus limits_cpuset limits_cpu_shares custom_labels post_deployment_command
	post_deployment_command_container pre_deployment_command pre_deployment_command_container watch_paths
	manual_webhook_secret_github manual_webhook_secret_gitlab manual_webhook_secret_bitbucket manual_webhook_secret_gitea
	dockerfile_target_build docker_compose_custom_start_command docker_compose_custom_build_command docker_compose_domains
	redirect use_build_server use_build_secrets custom_nginx_configuration is_http_basic_auth_enabled
	http_basic_auth_username http_basic_auth_password connect_to_docker_network is_container_label_escape_enabled
	is_preserve_repository_enabled preview_url_template max_restart_count is_git_submodules_enabled is_git_lfs_enabled
	is_git_shallow_clone_enabled disable_build_cache inject_build_args_to_dockerfile include_source_commit_in_build
	is_env_sorting_enabled is_pr_deployments_public_enabled stop_grace_period docker_images_to_keep is_gzip_enabled
	is_stripprefix_enabled is_raw_compose_deployment_enabled is_log_drain_enabled is_gpu_enabled gpu_driver gpu_count
	gpu_device_ids gpu_options is_consistent_container_name_enabled custom_internal_name`)

const columnWidth = 255

// creatable are the fields besides that creating one takes.
var creatable = append(slices.Clone(updatable), strings.Fields(`type project_uuid environment_name environment_uuid server_uuid
	destination_uuid private_key_uuid github_app_uuid autogenerate_domain dockerfile docker_compose_raw tags`)...)

func (s *Server) updateApplication(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	var domains string
	if c.has("domains") && a.host.NoProxy {
		delete(c.input, "domains") // not looked at, nor kept
	}
	if c.has("domains") {
		var refusal answer
		var refused bool
		if domains, refusal, refused = s.checkDomains(c, a); refused {
			return refusal
		}
	}
	bad := c.check(appRules...)
	if bad.extra(c, updatable...); len(bad) > 0 {
		return invalid(bad)
	}
	if a.BuildPack == "dockercompose" && c.has("domains") {
		return composeDomains()
	}
	if utf8.RuneCountInString(c.text("description")) > columnWidth { // validation lets it through, the column does not
		return c.serverError()
	}
	s.applyUpdate(c, a, domains)
	if c.flag("instant_deploy") {
		if _, result := s.queue(a, order{}); result == skipped {
			return message(http.StatusOK, alreadyQueued)
		}
	}
	return reply(http.StatusOK, object{"uuid": a.UUID})
}

func composeDomains() answer {
	return invalid(object{"domains": "The domains field cannot be used for dockercompose applications. " +
		"Use docker_compose_domains instead to set domains for individual services."})
}

// appRules hold for new applications and for changes. Limits may be anything.
var appRules = []rule{
	limited("name", columnWidth, false),
	{field: "description", nullable: true, kind: "string"},
	buildPackRule, branchRule,
	{field: "git_repository", kind: "string"},
	matching("git_commit_sha", math.MaxInt, false, commitPattern),
	matching("ports_exposes", math.MaxInt, false, portsPattern),
	matching("base_directory", columnWidth, true, directoryPattern),
	matching("publish_directory", columnWidth, true, directoryPattern),
	matching("dockerfile_location", columnWidth, true, filePattern),
	matching("docker_compose_location", columnWidth, true, filePattern),
	{field: "limits_memory", kind: "string"},
	{field: "limits_memory_swap", kind: "string"},
	{field: "limits_cpus", kind: "string"},
	boolean("is_static"), boolean("is_spa"), boolean("is_auto_deploy_enabled"), boolean("is_force_https_enabled"),
}

func (s *Server) applyUpdate(c *call, a *app, domains string) {
	for field, to := range map[string]*string{
		"name": &a.Name, "description": &a.Description, "build_pack": &a.BuildPack, "git_branch": &a.GitBranch,
		"git_repository": &a.GitRepository, "git_commit_sha": &a.GitCommitSHA, "ports_exposes": &a.PortsExposes,
		"dockerfile_location": &a.DockerfileLocation, "docker_compose_location": &a.DockerComposeLocation,
		"custom_docker_run_options": &a.CustomDockerRunOptions, "publish_directory": &a.PublishDirectory,
	} {
		if c.has(field) {
			*to = c.text(field)
		}
	}
	if c.has("base_directory") {
		a.BaseDirectory = "/" + strings.TrimLeft(c.text("base_directory"), "/")
	}
	if c.has("domains") {
		a.FQDN, a.proxyPort = domains, a.PortsExposes // the labels for the proxy are made anew
	}
	if c.has("health_check_enabled") {
		a.HealthCheck = c.flag("health_check_enabled")
	}
	if c.has("health_check_path") {
		a.HealthCheckPath = c.text("health_check_path")
	}
	if c.has("is_auto_deploy_enabled") {
		a.NoAutoDeploy = !c.flag("is_auto_deploy_enabled")
	}
	a.Limits.apply(c)
	a.updated = s.cfg.Now()
}

// checkDomains validates the comma list of URLs and looks for others than a that
// have them. It tells the caller who: every tenant's applications are looked at.
func (s *Server) checkDomains(c *call, a *app) (domains string, refusal answer, refused bool) {
	if _, isText := c.input["domains"].(string); !isText && c.input["domains"] != nil {
		return "", invalid([]string{"The domains field must be a string."}), true
	}
	urls := domainList(c.text("domains"))
	bad := []string{}
	for i, text := range urls {
		u, err := url.Parse(text)
		scheme := ""
		if err == nil {
			scheme = strings.ToLower(u.Scheme)
		}
		if err != nil || u.Host == "" || scheme != "http" && scheme != "https" ||
			strings.ContainsAny(text, "`$;&|<>()\\\r\n ") {
			bad = append(bad, "Invalid URL: "+text)
			continue
		}
		u.Scheme, u.Host = scheme, strings.ToLower(u.Host)
		urls[i] = u.String()
	}
	if len(bad) > 0 {
		return "", invalid(bad), true
	}
	conflicts := s.conflicts(c, a, urls)
	if len(conflicts) > 0 && !c.flag("force_domain_override") {
		return "", reply(http.StatusConflict, object{
			"message":   "Domain conflicts detected. Use force_domain_override=true to proceed.",
			"conflicts": conflicts,
			"warning": "Using the same domain for multiple resources can cause routing conflicts and unpredictable " +
				"behavior.",
		}), true
	}
	return strings.Join(urls, ","), answer{}, false
}

func domainList(text string) []string {
	var out []string
	for u := range strings.SplitSeq(text, ",") {
		if u = strings.TrimSpace(u); u != "" {
			out = append(out, u)
		}
	}
	return out
}

// conflicts compares whole URLs; only a slash at the end does not count.
func (s *Server) conflicts(c *call, a *app, urls []string) []object {
	bare := func(u string) string { return strings.TrimSuffix(u, "/") }
	wanted := map[string]bool{}
	for _, u := range urls {
		wanted[bare(u)] = true
	}
	out := []object{}
	for _, other := range s.apps {
		if other == a || other.env.project.team != c.token.Team {
			continue
		}
		taken := slices.DeleteFunc(domainList(other.FQDN), func(u string) bool { return !wanted[bare(u)] })
		for _, u := range taken {
			out = append(out, object{
				"domain": bare(u), "resource_name": other.Name, "resource_uuid": other.UUID,
				"resource_type": "application",
				"message":       fmt.Sprintf("Domain %s is already in use by application '%s'", bare(u), other.Name),
			})
		}
	}
	return out
}
