package coolify

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Application holds the fields of an application that vibn-mcp reads. Text is as
// Coolify stores it; null becomes "".
type Application struct {
	UUID        UUID
	Name        string
	Description string
	FQDN        string // comma-separated URLs
	Status      string // state:health, for example "running:healthy"

	// EnvironmentID is the application's environment; 0 if Coolify did not report it. An
	// operator can move an application, so the value may change.
	EnvironmentID   int
	EnvironmentName string // "" if Coolify did not report it
	ProjectUUID     string // "" if Coolify did not report it, as in lists

	BuildPack     string // static, dockerfile, nixpacks …
	GitRepository string // may be a URL that contains a credential
	GitBranch     string
	GitCommitSHA  string // HEAD = the branch's newest

	HealthCheckPath        string // page that Coolify asks for before it stops the old container; "" = no health check
	Image                  string // name:tag of the build pack dockerimage; "" for others
	PortsExposes           string // comma-separated
	BaseDirectory          string
	PublishDirectory       string
	DockerfileLocation     string
	DockerComposeLocation  string
	CustomDockerRunOptions string
	PreDeploymentCommand   string
	PostDeploymentCommand  string

	DestinationUUID UUID // network that it is deployed to; zero if Coolify did not report it
	ServerUUID      UUID // server of that network
	AutoDeploy      *bool
	Limits          Limits

	// Restarts is how often Docker restarted a container that ended by itself since the
	// last deployment that finished, and RestartedAt is when Coolify noticed the last time.
	Restarts    int
	RestartedAt time.Time

	CreatedAt    time.Time // times are UTC, zero if Coolify did not report them
	UpdatedAt    time.Time
	LastOnlineAt time.Time
}

type wireApplication struct {
	UUID                   uid    `json:"uuid"`
	Name                   text   `json:"name"`
	Description            text   `json:"description"`
	FQDN                   text   `json:"fqdn"`
	Status                 text   `json:"status"`
	EnvironmentID          number `json:"environment_id"`
	BuildPack              text   `json:"build_pack"`
	GitRepository          text   `json:"git_repository"`
	GitBranch              text   `json:"git_branch"`
	GitCommitSHA           text   `json:"git_commit_sha"`
	HealthCheck            flag   `json:"health_check_enabled"`
	HealthCheckPath        text   `json:"health_check_path"`
	ImageName              text   `json:"docker_registry_image_name"`
	ImageTag               text   `json:"docker_registry_image_tag"`
	PortsExposes           text   `json:"ports_exposes"`
	BaseDirectory          text   `json:"base_directory"`
	PublishDirectory       text   `json:"publish_directory"`
	DockerfileLocation     text   `json:"dockerfile_location"`
	DockerComposeLocation  text   `json:"docker_compose_location"`
	CustomDockerRunOptions text   `json:"custom_docker_run_options"`
	PreDeploymentCommand   text   `json:"pre_deployment_command"`
	PostDeploymentCommand  text   `json:"post_deployment_command"`
	CreatedAt              moment `json:"created_at"`
	UpdatedAt              moment `json:"updated_at"`
	LastOnlineAt           moment `json:"last_online_at"`
	RestartCount           number `json:"restart_count"`
	LastRestartType        text   `json:"last_restart_type"`
	LastRestartAt          moment `json:"last_restart_at"`
	wireLimits

	Destination part[wireDestinationOf] `json:"destination"`
	// Coolify sends Environment since 4.2, undocumented.
	Environment part[wireEnvironmentOf] `json:"environment"`
	Settings    part[struct {
		AutoDeploy *flag `json:"is_auto_deploy_enabled"`
	}] `json:"settings"`
}

// wireDestinationOf is the network of an application or database.
type wireDestinationOf struct {
	UUID   uid `json:"uuid"`
	Server part[struct {
		UUID uid `json:"uuid"`
	}] `json:"server"`
}

// wireEnvironmentOf is the environment of an application or database.
type wireEnvironmentOf struct {
	Name    text `json:"name"`
	Project part[struct {
		UUID text `json:"uuid"`
	}] `json:"project"`
}

func (w *wireApplication) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireApplication) application() Application {
	a := Application{
		UUID: w.UUID.UUID, Name: string(w.Name), Description: string(w.Description), FQDN: string(w.FQDN),
		Status:        string(w.Status),
		EnvironmentID: int(w.EnvironmentID), EnvironmentName: string(w.Environment.Value.Name),
		ProjectUUID: string(w.Environment.Value.Project.Value.UUID),
		BuildPack:   string(w.BuildPack), GitRepository: string(w.GitRepository), GitBranch: string(w.GitBranch),
		GitCommitSHA:    string(w.GitCommitSHA),
		HealthCheckPath: w.healthCheck(), Image: w.image(),
		PortsExposes: string(w.PortsExposes), BaseDirectory: string(w.BaseDirectory),
		PublishDirectory:   string(w.PublishDirectory),
		DockerfileLocation: string(w.DockerfileLocation), DockerComposeLocation: string(w.DockerComposeLocation),
		CustomDockerRunOptions: string(w.CustomDockerRunOptions),
		PreDeploymentCommand:   string(w.PreDeploymentCommand), PostDeploymentCommand: string(w.PostDeploymentCommand),
		DestinationUUID: w.Destination.Value.UUID.UUID, ServerUUID: w.Destination.Value.Server.Value.UUID.UUID,
		AutoDeploy: (*bool)(w.Settings.Value.AutoDeploy),
		Limits:     w.limits(),
		CreatedAt:  w.CreatedAt.Time, UpdatedAt: w.UpdatedAt.Time, LastOnlineAt: w.LastOnlineAt.Time,
	}
	if w.LastRestartType == "crash" {
		a.Restarts, a.RestartedAt = int(w.RestartCount), w.LastRestartAt.Time
	}
	return a
}

// healthCheck is empty without a health check, for which Coolify keeps a path too.
func (w *wireApplication) healthCheck() string {
	if !w.HealthCheck {
		return ""
	}
	return string(w.HealthCheckPath)
}

// image is empty for an application that is built: Coolify then keeps the name under
// which it would store the result.
func (w *wireApplication) image() string {
	if w.BuildPack != "dockerimage" || w.ImageName == "" {
		return ""
	}
	return string(w.ImageName) + ":" + string(w.ImageTag)
}

// Get returns an application.
//
//api:op GET /applications/{uuid}
func (a AppClient) Get(ctx context.Context) (Application, error) {
	var w wireApplication
	if err := a.c.do(ctx, newRequest("GET", "/applications/{uuid}", a.id), &w); err != nil {
		return Application{}, err
	}
	return w.application(), nil
}

// Queued is the result of requesting a deployment.
type Queued struct {
	// Deployment is the deployment that was queued. When its queue is full, Coolify
	// reports a deployment that does not exist; only [DeploymentClient.Get] confirms it.
	Deployment UUID
	Skipped    bool // nothing was queued, because this commit is already queued or running
}

type wireQueued struct {
	Message    text  `json:"message"`
	Deployment *text `json:"deployment_uuid"`
	queued     Queued
}

func (w *wireQueued) check([]UUID) error {
	if w.Message == "" {
		return errAnswer
	}
	if w.Deployment == nil {
		w.queued.Skipped = true
		return nil
	}
	id, err := ParseUUID(string(*w.Deployment))
	w.queued.Deployment = id
	return err
}

// Start queues a deployment of an application. force builds without the cache, even if
// the same commit is queued or running.
//
//api:op POST /applications/{uuid}/start
func (a AppClient) Start(ctx context.Context, force bool) (Queued, error) {
	r := newRequest("POST", "/applications/{uuid}/start", a.id)
	if force {
		r.query = url.Values{"force": {"true"}}
	}
	var w wireQueued
	err := a.c.do(ctx, r, &w)
	return w.queued, err
}

// Restart queues a restart of an application's containers, as a deployment without a
// build.
//
//api:op POST /applications/{uuid}/restart
func (a AppClient) Restart(ctx context.Context) (Queued, error) {
	var w wireQueued
	err := a.c.do(ctx, newRequest("POST", "/applications/{uuid}/restart", a.id), &w)
	return w.queued, err
}

// Stop queues a stop of an application's containers. Coolify's answer is the same if they
// are already stopped.
//
//api:op POST /applications/{uuid}/stop
func (a AppClient) Stop(ctx context.Context) error {
	r := newRequest("POST", "/applications/{uuid}/stop", a.id)
	r.query = withoutCleanup()
	return a.c.do(ctx, r, &acknowledged{})
}

// Logs returns the last lines that an application's first container has written, oldest
// first, uncleaned. Coolify reads a number below 1 as 100, and returns at most 10,000
// lines. [ErrNotRunning] if the application is not running. Slow.
//
//api:op GET /applications/{uuid}/logs
func (a AppClient) Logs(ctx context.Context, lines int) (string, error) {
	r := newRequest("GET", "/applications/{uuid}/logs", a.id)
	r.op.Slow = true
	r.query = url.Values{"lines": {strconv.Itoa(lines)}}
	var w wireAppLogs
	err := a.c.do(ctx, r, &w)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest &&
		strings.HasPrefix(e.Detail, "Application is not running") {
		e.Kind = ErrNotRunning
	}
	if err != nil {
		return "", err
	}
	return string(*w.Logs), nil
}

type wireAppLogs struct {
	Logs *text `json:"logs"`
}

func (w *wireAppLogs) check([]UUID) error {
	if w.Logs == nil {
		return errAnswer
	}
	return nil
}
