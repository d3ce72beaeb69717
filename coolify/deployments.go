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

// A DeploymentStatus is the state of a deployment.
type DeploymentStatus string

// These are the statuses. When Coolify restarts, every queued or running deployment
// becomes failed.
const (
	DeploymentQueued     DeploymentStatus = "queued"
	DeploymentInProgress DeploymentStatus = "in_progress"
	DeploymentFinished   DeploymentStatus = "finished"
	DeploymentFailed     DeploymentStatus = "failed"
	DeploymentCancelled  DeploymentStatus = "cancelled-by-user"
)

// Terminal reports whether the status is final. An unknown status is not.
func (s DeploymentStatus) Terminal() bool {
	return s == DeploymentFinished || s == DeploymentFailed || s == DeploymentCancelled
}

// A Deployment is one deployment of an application.
type Deployment struct {
	UUID            UUID
	Status          DeploymentStatus
	Commit          string // HEAD until it is resolved
	CommitMessage   string
	ForceRebuild    bool
	RestartOnly     bool
	Rollback        bool
	PullRequestID   int // 0 = not a preview
	IsAPI           bool
	IsWebhook       bool
	ApplicationName string // as it was when the deployment was queued
	// ApplicationUUID is zero if Coolify did not report it. In lists it comes from the
	// deployment's URL; an application's id never changes.
	ApplicationUUID UUID
	Application     *Application // from [DeploymentClient.Get] only; nil if Coolify did not report it
	CreatedAt       time.Time    // times are UTC, zero if Coolify did not report them
	UpdatedAt       time.Time
	FinishedAt      *time.Time // nil if it has not finished
}

type wireDeployment struct {
	UUID            uid                   `json:"deployment_uuid"`
	URL             text                  `json:"deployment_url"`
	Status          text                  `json:"status"`
	Commit          text                  `json:"commit"`
	CommitMessage   text                  `json:"commit_message"`
	ForceRebuild    flag                  `json:"force_rebuild"`
	RestartOnly     flag                  `json:"restart_only"`
	Rollback        flag                  `json:"rollback"`
	PullRequestID   number                `json:"pull_request_id"`
	IsAPI           flag                  `json:"is_api"`
	IsWebhook       flag                  `json:"is_webhook"`
	ApplicationName text                  `json:"application_name"`
	Application     part[wireApplication] `json:"application"`
	CreatedAt       moment                `json:"created_at"`
	UpdatedAt       moment                `json:"updated_at"`
	FinishedAt      moment                `json:"finished_at"`
}

func (w *wireDeployment) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireDeployment) deployment() Deployment {
	d := Deployment{
		UUID: w.UUID.UUID, Status: DeploymentStatus(w.Status), Commit: string(w.Commit),
		CommitMessage: string(w.CommitMessage),
		ForceRebuild:  bool(w.ForceRebuild), RestartOnly: bool(w.RestartOnly), Rollback: bool(w.Rollback),
		PullRequestID: int(w.PullRequestID),
		IsAPI:         bool(w.IsAPI), IsWebhook: bool(w.IsWebhook), ApplicationName: string(w.ApplicationName),
		ApplicationUUID: applicationInURL(string(w.URL), w.UUID.UUID),
		CreatedAt:       w.CreatedAt.Time, UpdatedAt: w.UpdatedAt.Time, FinishedAt: w.FinishedAt.OrNil(),
	}
	if w.Application.Given {
		a := w.Application.Value.application()
		d.Application = &a
		d.ApplicationUUID = a.UUID
	}
	return d
}

// applicationInURL returns the application's id from a deployment's URL, which is
// /project/P/environment/E/application/A/deployment/D. It is zero if the URL has another
// form or is about another deployment.
func applicationInURL(u string, deployment UUID) UUID {
	p := strings.Split(u, "/")
	if len(p) != 9 || p[0] != "" || p[1] != "project" || p[3] != "environment" || p[5] != "application" ||
		p[7] != "deployment" {
		return UUID{}
	}
	if deployment.IsZero() || p[8] != deployment.s {
		return UUID{}
	}
	id, _ := ParseUUID(p[6]) // zero if it is not an id
	return id
}

// RunningDeployments lists the deployments that are queued or running on the servers of
// the token's team, oldest first.
//
//api:op GET /deployments
func (c *Client) RunningDeployments(ctx context.Context) ([]Deployment, error) {
	var w list[wireDeployment]
	if err := c.do(ctx, newRequest("GET", "/deployments"), &w); err != nil {
		return nil, err
	}
	return deployments(w), nil
}

func deployments(w list[wireDeployment]) []Deployment {
	all := make([]Deployment, 0, len(w))
	for i := range w {
		all = append(all, w[i].deployment())
	}
	return all
}

// A DeploymentPage is a part of an application's deployments, newest first.
type DeploymentPage struct {
	Count       int // total number
	Deployments []Deployment
}

// Deployments lists an application's deployments, newest first: take of them (1 or more),
// after skipping skip (0 or more).
//
//api:op GET /deployments/applications/{uuid}
func (a AppClient) Deployments(ctx context.Context, skip, take int) (DeploymentPage, error) {
	r := newRequest("GET", "/deployments/applications/{uuid}", a.id)
	r.query = url.Values{"skip": {strconv.Itoa(skip)}, "take": {strconv.Itoa(take)}}
	var w wirePage
	if err := a.c.do(ctx, r, &w); err != nil {
		return DeploymentPage{}, err
	}
	return DeploymentPage{int(*w.Count), deployments(w.Deployments)}, nil
}

type wirePage struct {
	Count       *number              `json:"count"`
	Deployments list[wireDeployment] `json:"deployments"`
}

func (w *wirePage) check([]UUID) error {
	if w.Count == nil {
		return errAnswer
	}
	return nil
}

// Get returns a deployment and its application.
//
//api:op GET /deployments/{uuid}
func (d DeploymentClient) Get(ctx context.Context) (Deployment, error) {
	var w wireDeployment
	if err := d.c.do(ctx, newRequest("GET", "/deployments/{uuid}", d.id), &w); err != nil {
		return Deployment{}, err
	}
	return w.deployment(), nil
}

// Cancel ends a deployment that is queued or running; [ErrNotCancellable] if it has
// ended. Slow: Coolify first marks the deployment cancelled and then waits for the host.
// After [ErrTimeout], read the deployment to learn the result.
//
//api:op POST /deployments/{uuid}/cancel
func (d DeploymentClient) Cancel(ctx context.Context) error {
	r := newRequest("POST", "/deployments/{uuid}/cancel", d.id)
	r.op.Slow = true
	err := d.c.do(ctx, r, &acknowledged{})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest && errors.Is(e, ErrInvalid) {
		e.Kind = ErrNotCancellable
	}
	return err
}

// CancelDeployments cancels an application's deployments that are queued or running, of
// the newest 50, by [AppClient.Deployments] and [DeploymentClient.Cancel]. It waits for the
// host, up to 10 seconds each; what Coolify still has to stop there after [ErrTimeout] is
// on its way.
func CancelDeployments(ctx context.Context, a AppClient) error {
	page, err := a.Deployments(ctx, 0, 50)
	if err != nil {
		return err
	}
	for _, d := range page.Deployments {
		if d.Status.Terminal() || d.ApplicationUUID != a.id {
			continue
		}
		err := a.c.Deployment(d.UUID).Cancel(ctx)
		if err != nil && !errors.Is(err, ErrNotCancellable) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrTimeout) {
			return err
		}
	}
	return nil
}
