package coolifytest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// appJSON is an application as the list shows it. Only the secrets depend on the
// token.
func (s *Server) appJSON(a *app, secrets bool) object {
	o := shape("application")
	maps.Copy(o, object{
		"uuid": a.UUID, "name": a.Name, "description": orNull(a.Description), "fqdn": orNull(a.FQDN),
		"environment_id": a.env.id, "build_pack": a.BuildPack, "git_repository": a.GitRepository,
		"git_branch":     a.GitBranch,
		"git_commit_sha": a.GitCommitSHA, "base_directory": a.BaseDirectory,
		"publish_directory":   orNull(a.PublishDirectory),
		"dockerfile_location": orNull(a.DockerfileLocation), "docker_compose_location": a.DockerComposeLocation,
		"ports_exposes": a.PortsExposes, "custom_docker_run_options": orNull(a.CustomDockerRunOptions),
		"config_hash":          fmt.Sprintf("%x", sha256.Sum256([]byte(a.UUID)))[:32],
		"health_check_enabled": a.HealthCheck, "health_check_path": a.HealthCheckPath,
		"last_online_at": plainStamp(a.created), "created_at": stamp(a.created), "updated_at": stamp(a.updated),
		"destination_id": a.dest.id, "destination": a.dest.json(secrets),
	})
	if name, tag, ok := strings.Cut(a.Image, ":"); ok {
		o["docker_registry_image_name"], o["docker_registry_image_tag"] = name, tag
	}
	maps.Copy(o, a.Limits.json())
	maps.Copy(o, a.report(s.cfg.Now(), s.cfg.StatusLag).json())
	if secrets {
		a.addSecrets(o)
	}
	return o
}

// addSecrets adds what a token with read:sensitive sees besides.
func (a *app) addSecrets(o object) {
	o["custom_labels"] = "traefik.enable=true\ncoolify.name=" + a.UUID
	o["private_key_id"] = a.key.id
	for _, key := range []string{"docker_compose", "docker_compose_raw", "dockerfile", "http_basic_auth_password"} {
		o[key] = nil
	}
	for _, forge := range []string{"bitbucket", "gitea", "github", "gitlab"} {
		o["manual_webhook_secret_"+forge] = forge + "-secret-of-" + a.UUID
	}
}

// environmentJSON is the environment with project and team that a nested
// relation carries.
func (s *Server) environmentJSON(e *environment) object {
	team := s.teamJSON(e.project.team)
	team["custom_server_limit"] = nil
	p := e.project.json()
	p["team"] = team
	o := e.json()
	o["project"] = p
	return o
}

func (s *Server) listApplications(c *call) answer {
	tag, apps := c.text("tag"), slices.Clone(s.apps)
	slices.SortStableFunc(apps, func(a, b *app) int { return cmp.Compare(a.Name, b.Name) })
	out := []object{}
	for _, a := range apps {
		if a.env.project.team == c.token.Team && (tag == "" || slices.Contains(a.Tags, tag)) {
			out = append(out, s.appJSON(a, c.sensitive()))
		}
	}
	return reply(http.StatusOK, out)
}

func (s *Server) getApplication(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	o := s.appJSON(a, c.sensitive())
	settings := shape("settings")
	settings["is_auto_deploy_enabled"] = !a.NoAutoDeploy
	o["settings"] = settings
	if s.since(2) {
		o["environment"] = s.environmentJSON(a.env)
	}
	return reply(http.StatusOK, o)
}

// deleteApplication queues the deletion; the application stays until
// [Server.FinishDeletions] or the end of Config.BuildTime.
func (s *Server) deleteApplication(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	if now := s.cfg.Now(); a.deleted == nil {
		a.deleted = &now
	}
	a.cleanup = a.cleanup || c.cleansUp()
	return message(http.StatusOK, "Application deletion request queued.")
}

func (s *Server) start(c *call) answer {
	a := s.teamApp(c, c.param("uuid"))
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	uuid, result := s.queue(a, order{force: c.flag("force"), atOnce: c.flag("instant_deploy")})
	if result == skipped {
		return message(http.StatusOK, alreadyQueued)
	}
	return reply(http.StatusOK, object{"message": "Deployment request queued.", "deployment_uuid": uuid})
}

func (s *Server) restart(c *call) answer {
	a := s.teamApp(c, c.param("uuid"))
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	uuid, result := s.queue(a, order{restartOnly: true})
	if result == skipped {
		return message(http.StatusOK, alreadyQueued)
	}
	return reply(http.StatusOK, object{"message": "Restart request queued.", "deployment_uuid": uuid})
}

func (s *Server) stop(c *call) answer {
	a := s.teamApp(c, c.param("uuid"))
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	now := s.cfg.Now()
	a.before, a.stopping = a.report(now, s.cfg.StatusLag).status, &now
	a.Status, a.Restarts, a.RestartedAt = exited, 0, nil
	if c.cleansUp() {
		s.cleanUp(a.host)
	}
	return message(http.StatusOK, "Application stopping request queued.")
}

const (
	defaultLines = 100
	maxLines     = 10000
)

// applicationLogs is what the container printed, nothing taken out but colours.
func (s *Server) applicationLogs(c *call) answer {
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found.")
	}
	out := message(http.StatusBadRequest, "Application is not running.")
	switch {
	case a.host.Unreachable:
		out = c.serverError()
	case isUp(a.state(s.cfg.Now())):
		out = reply(http.StatusOK, object{"logs": a.tail(c)})
	}
	c.ssh = true
	return out
}

// colours is Coolify's pattern, which leaves most other escape sequences in.
var colours = regexp.MustCompile(`\x1b\[[A-Za-z0-9];?[0-9]*m?`)

func (a *app) tail(c *call) string {
	n, err := strconv.Atoi(c.text("lines"))
	if err != nil || n <= 0 {
		n = defaultLines
	}
	lines := strings.Split(strings.TrimSuffix(a.Logs, "\n"), "\n")
	lines = lines[max(0, len(lines)-min(n, maxLines)):]
	if c.flag("show_timestamps") {
		for i := range lines {
			lines[i] = stamp(a.updated) + " " + lines[i]
		}
	}
	return colours.ReplaceAllString(strings.Join(lines, "\n"), "")
}
