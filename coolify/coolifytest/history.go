package coolifytest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// deploymentJSON is a deployment as lists carry it. There is no uuid of the application
// in it but in the URL.
func (s *Server) deploymentJSON(d *deployment, c *call) object {
	o := object{
		"id": d.id, "deployment_uuid": d.UUID, "deployment_url": d.url, "status": d.Status,
		"application_id": strconv.Itoa(d.app.id), "application_name": d.name,
		"server_id": d.host.id, "server_name": d.host.Name, "destination_id": strconv.Itoa(d.app.dest.id),
		"commit": d.Commit, "commit_message": orNull(d.Message), "pull_request_id": d.PullRequest,
		"force_rebuild": d.Force, "restart_only": d.RestartOnly, "rollback": d.Rollback, "only_this_server": false,
		"is_api": d.API, "is_webhook": d.Webhook, "git_type": nil, "build_server_id": nil, "configuration_hash": nil,
		"current_process_id": nil, "docker_registry_image_tag": nil, "horizon_job_id": nil, "horizon_job_worker": nil,
		"finished_at": stampOrNull(s.finishedAt(d)),
		"created_at":  stamp(d.CreatedAt), "updated_at": stamp(d.UpdatedAt),
	}
	if c.sensitive() {
		o["logs"] = d.logs()
	}
	return o
}

// finishedAt is null for some seconds after a failure.
func (s *Server) finishedAt(d *deployment) *time.Time {
	if d.Status == Failed && s.cfg.Now().Sub(d.UpdatedAt) < s.cfg.StatusLag {
		return nil
	}
	return d.FinishedAt
}

// listRunning is GET /deployments: every tenant's. With two or more it is the
// object that PHP makes of a list whose rows came in another order than the one
// it was sorted into.
func (s *Server) listRunning(c *call) answer {
	var running []object
	for _, d := range s.builds {
		if !d.terminal() && d.host.Team == c.token.Team {
			running = append(running, s.deploymentJSON(d, c))
		}
	}
	if len(running) < 2 {
		return reply(http.StatusOK, append([]object{}, running...))
	}
	out := keyed{}
	for i, o := range running {
		out = append(out, struct {
			key   int
			value any
		}{len(running) - 1 - i, o})
	}
	return reply(http.StatusOK, out)
}

// getDeployment nests the application, with its environment and project in every
// version.
func (s *Server) getDeployment(c *call) answer {
	d := s.deployment(c.path["uuid"])
	if d == nil || s.teamApp(c, d.AppUUID) == nil {
		return message(http.StatusNotFound, "Deployment not found.")
	}
	nested := s.appJSON(d.app, false)
	nested["id"], nested["private_key_id"] = d.app.id, d.app.key.id
	nested["environment"] = s.environmentJSON(d.app.env)
	o := s.deploymentJSON(d, c)
	o["application"] = nested
	return reply(http.StatusOK, o)
}

// listDeployments is one application's, newest first.
func (s *Server) listDeployments(c *call) answer {
	skip, take, refusal := c.page()
	if refusal != nil {
		return *refusal
	}
	a := s.teamApp(c, c.path["uuid"])
	if a == nil {
		return message(http.StatusNotFound, "Application not found")
	}
	out := []object{}
	for _, d := range slices.Backward(s.builds) {
		if d.app == a {
			out = append(out, s.deploymentJSON(d, c))
		}
	}
	count := len(out)
	out = out[min(skip, count):]
	return reply(http.StatusOK, object{"count": count, "deployments": out[:min(take, len(out))]})
}

// page reads skip and take. Laravel's own validation refuses them: with JSON, or
// with a redirect for who did not ask for JSON.
func (c *call) page() (skip, take int, refusal *answer) {
	bad := problems{}
	number := func(field string, missing, least int) int {
		if c.input[field] == nil {
			return missing
		}
		n, err := strconv.Atoi(c.text(field))
		switch {
		case err != nil:
			bad[field] = []string{"The " + field + " field must be an integer."}
		case n < least:
			bad[field] = []string{"The " + field + " field must be at least " + strconv.Itoa(least) + "."}
		}
		return n
	}
	skip, take = number("skip", 0, 0), number("take", 10, 1)
	if len(bad) == 0 {
		return skip, take, nil
	}
	a := typed(
		http.StatusFound, typeHTML,
		[]byte("<!DOCTYPE html>\n<html><body>Redirecting to <a href=\"/\">/</a>.</body></html>\n"),
	)
	a.Header.Set("Location", "/")
	if c.wantsJSON() {
		first := append(bad["skip"], bad["take"]...)[0]
		a = reply(http.StatusUnprocessableEntity, object{"message": first, "errors": bad})
	}
	return 0, 0, &a
}

// cancelDeployment asks only whose the server is, not whose the application is.
// The status changes before the host is spoken to.
func (s *Server) cancelDeployment(c *call) answer {
	d := s.deployment(c.path["uuid"])
	switch {
	case d == nil:
		return message(http.StatusNotFound, "Deployment not found.")
	case d.host.Team != c.token.Team:
		return message(http.StatusForbidden, "You do not have permission to cancel this deployment.")
	case d.terminal():
		return message(http.StatusBadRequest, "Deployment cannot be cancelled. Current status: "+d.Status)
	}
	now := s.cfg.Now()
	if d.Status == InProgress {
		d.FinishedAt = &now
	}
	d.Status, d.UpdatedAt = Cancelled, now
	d.add(LogLine{Output: "Deployment cancelled by user via API.", Type: "stderr", At: now})
	a := reply(http.StatusOK, object{
		"message": "Deployment cancelled successfully.", "deployment_uuid": d.UUID, "status": d.Status,
	})
	c.ssh = true
	return a
}
