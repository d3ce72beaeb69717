package coolifytest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states of a deployment; the last three are for good.
const (
	Queued     = "queued"
	InProgress = "in_progress"
	Finished   = "finished"
	Failed     = "failed"
	Cancelled  = "cancelled-by-user"
)

// A Deployment is one row of the deployment queue.
type Deployment struct {
	UUID        string // made when empty
	AppUUID     string // filled in
	Status      string // queued by default
	Commit      string // HEAD by default, until it is resolved
	Message     string // of the commit; "" is null
	PullRequest int
	Force       bool
	RestartOnly bool
	Rollback    bool
	Webhook     bool
	API         bool
	Logs        []LogLine
	RawLogs     string // in the place of Logs, whatever it is: Coolify's column may hold broken JSON
	CreatedAt   time.Time
	UpdatedAt   time.Time
	FinishedAt  *time.Time
}

func (d Deployment) terminal() bool { return d.Status != Queued && d.Status != InProgress }

type deployment struct {
	Deployment
	id    int
	app   *app
	host  *host
	url   string    // as it was when the deployment was queued
	name  string    // likewise
	since time.Time // of the present status, for the clock

	built     bool // its image was built, whatever came of it
	imageGone bool // what it built was removed from the host
}

// AddDeployment adds a deployment as it is. An unknown application panics.
func (s *Server) AddDeployment(appUUID string, d Deployment) Deployment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insertDeployment(must(s.app(appUUID), "application", appUUID), d).copy()
}

func (s *Server) insertDeployment(a *app, d Deployment) *deployment {
	now := s.cfg.Now()
	added := &deployment{Deployment: d, id: s.next("deployment"), app: a, host: a.host, name: a.Name, since: now}
	added.AppUUID = a.UUID
	for field, value := range map[*string]string{
		&added.UUID: random(24), &added.Status: Queued, &added.Commit: a.GitCommitSHA,
	} {
		if *field == "" {
			*field = value
		}
	}
	if d.CreatedAt.IsZero() {
		added.CreatedAt = now
	}
	if d.UpdatedAt.IsZero() {
		added.UpdatedAt = added.CreatedAt
	}
	added.Logs = slices.Clone(d.Logs)
	added.url = fmt.Sprintf(
		"/project/%s/environment/%s/application/%s/deployment/%s", a.env.project.uuid, a.env.uuid, a.UUID, added.UUID,
	)
	s.builds = append(s.builds, added)
	return added
}

func (d *deployment) copy() Deployment {
	out := d.Deployment
	out.Logs = slices.Clone(d.Logs)
	return out
}

// Deployment returns a deployment; false for one that does not exist, which a
// uuid that Coolify answered may well be.
func (s *Server) Deployment(uuid string) (Deployment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	d := s.deployment(uuid)
	if d == nil {
		return Deployment{}, false
	}
	return d.copy(), true
}

// Deployments returns an application's deployments, oldest first.
func (s *Server) Deployments(appUUID string) []Deployment {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out []Deployment
	for _, d := range s.builds {
		if d.AppUUID == appUUID {
			out = append(out, d.copy())
		}
	}
	return out
}

func (s *Server) deployment(uuid string) *deployment {
	return find(s.builds, func(d *deployment) bool { return d.UUID == uuid })
}

// Advance moves a deployment on: queued, in progress, and then finished, or
// failed when the [Builder] or App.FailNext says so. At the end it does nothing.
// An unknown uuid panics.
func (s *Server) Advance(deploymentUUID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance(must(s.deployment(deploymentUUID), "deployment", deploymentUUID), s.cfg.Now())
}

// Finish ends a deployment with a status, and builds nothing. An unknown uuid
// panics.
func (s *Server) Finish(deploymentUUID, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := must(s.deployment(deploymentUUID), "deployment", deploymentUUID)
	if status == Finished && s.heads != nil {
		s.resolveCommit(d)
	}
	d.end(status, s.cfg.Now(), s.cfg.StatusLag)
}

// settle brings everything that moves by the clock to the present.
func (s *Server) settle() {
	if s.cfg.BuildTime <= 0 {
		return
	}
	now := s.cfg.Now()
	for _, d := range s.builds {
		for !d.terminal() && now.Sub(d.since) >= s.cfg.BuildTime {
			s.advance(d, d.since.Add(s.cfg.BuildTime))
		}
	}
	s.removeDeleted(func(asked time.Time) bool { return now.Sub(asked) >= s.cfg.BuildTime })
	s.checkByClock(now)
}

func (s *Server) advance(d *deployment, at time.Time) {
	switch d.Status {
	case Queued:
		d.Status, d.since, d.UpdatedAt = InProgress, at, at
		d.say(at, "Docker 20.10.24 with BuildKit and Buildx detected on deployment server (%s).", d.host.Name)
		d.say(at, "Starting deployment of %s:%s to %s.", d.app.GitRepository, d.app.GitBranch, d.host.Name)
		if d.app.dest.network() == nil {
			s.loseNetwork(d, at)
			return
		}
		if s.heads != nil {
			s.resolveCommit(d)
		}
	case InProgress:
		s.build(d, at)
	}
}

// end ends a deployment. lag is Config.StatusLag.
func (d *deployment) end(status string, at time.Time, lag time.Duration) {
	d.Status, d.UpdatedAt, d.FinishedAt = status, at, &at
	if status == Finished {
		d.app.deployed(d, at, lag)
	}
}

// An order is what somebody asks the queue for.
type order struct {
	force, restartOnly bool
	atOnce             bool   // instant_deploy: past the check for a twin
	rollback           string // the commit to go back to
}

// What became of an order.
const (
	accepted = iota
	skipped  // the same commit is on its way
	full     // the queue of the server is full
)

const (
	alreadyQueued = "Deployment already queued for this commit."
	queueFull     = "Deployment queue is full. Please wait for existing deployments to complete."
)

// queue orders a deployment. The uuid that it returns stands for a deployment
// only when the order was accepted; Coolify has made it up before it knows.
func (s *Server) queue(a *app, o order) (uuid string, result int) {
	uuid = random(24)
	waiting := 0
	for _, d := range s.builds {
		if d.host == a.host && d.Status == Queued {
			waiting++
		}
	}
	if waiting >= a.host.QueueLimit {
		return uuid, full
	}
	commit := cmp.Or(o.rollback, a.GitCommitSHA)
	twin := find(s.builds, func(d *deployment) bool {
		return d.app == a && d.Commit == commit && d.PullRequest == 0 && !d.terminal()
	})
	if twin != nil && !o.force && !o.atOnce {
		return uuid, skipped
	}
	d := Deployment{
		UUID: uuid, Commit: commit, Force: o.force, RestartOnly: o.restartOnly, Rollback: o.rollback != "", API: true,
	}
	added := s.insertDeployment(a, d)
	if o.atOnce {
		s.advance(added, s.cfg.Now())
	}
	return uuid, accepted
}

// deployMany is /deploy: one or many applications of the whole team, by uuid or
// tag.
func (s *Server) deployMany(c *call) answer {
	uuids, tags := c.input["uuid"], c.input["tag"]
	pr := c.input["pull_request_id"]
	if pr == nil {
		pr = c.input["pr"]
	}
	switch {
	case uuids != nil && tags != nil:
		return message(http.StatusBadRequest, "You can only use uuid or tag, not both.")
	case tags != nil && pr != nil:
		return message(http.StatusBadRequest, "You can only use tag or pr, not both.")
	case uuids == nil && tags == nil:
		return message(http.StatusBadRequest, "You must provide uuid or tag.")
	}
	list, isText := uuids.(string)
	if uuids == nil {
		list, isText = tags.(string)
	}
	if !isText {
		return c.serverError()
	}
	if tags != nil {
		return s.deployTags(c, list)
	}
	return s.deployUUIDs(c, list, pr)
}

func (s *Server) deployUUIDs(c *call, list string, pr any) answer {
	out := []object{}
	for uuid := range strings.SplitSeq(list, ",") {
		a := s.teamApp(c, uuid)
		if a == nil {
			continue // dropped without a word
		}
		if pr != nil {
			out = append(
				out,
				object{
					"message": fmt.Sprintf("Pull request %v not found for this resource.", pr), "resource_uuid": uuid,
				},
			)
			continue
		}
		deployment, result := s.queue(a, order{force: c.flag("force")})
		text := "Application " + a.Name + " deployment queued."
		switch result {
		case full:
			return fullQueue()
		case skipped:
			text = alreadyQueued // and yet a uuid
		}
		out = append(out, object{"message": text, "resource_uuid": uuid, "deployment_uuid": deployment})
	}
	if len(out) == 0 {
		return message(http.StatusNotFound, "No resources found.")
	}
	return reply(http.StatusOK, object{"deployments": out})
}

func (s *Server) deployTags(c *call, list string) answer {
	tags := strings.Split(list, ",")
	messages, details := []string{}, []object{}
	for _, a := range s.apps {
		tagged := slices.ContainsFunc(a.Tags, func(tag string) bool { return slices.Contains(tags, tag) })
		if !tagged || a.env.project.team != c.token.Team {
			continue
		}
		deployment, result := s.queue(a, order{force: c.flag("force")})
		text := "Application " + a.Name + " deployment queued."
		switch result {
		case full:
			return fullQueue()
		case skipped:
			text = alreadyQueued
		}
		messages = append(messages, text)
		details = append(details, object{"resource_uuid": a.UUID, "deployment_uuid": deployment})
	}
	if len(messages) == 0 {
		return message(http.StatusNotFound, "No resources found with this tag.")
	}
	return reply(http.StatusOK, object{"message": messages, "details": details})
}

func fullQueue() answer {
	a := message(http.StatusTooManyRequests, queueFull)
	a.Header.Set("Retry-After", strconv.Itoa(60))
	return a
}
