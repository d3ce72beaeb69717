package tenancy

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// DeploymentInfo is what a tenant may read of a deployment.
type DeploymentInfo struct {
	UUID       string         `json:"uuid"`
	App        string         `json:"app,omitempty"` // uuid
	AppName    untrusted.Text `json:"app_name,omitzero"`
	Status     string         `json:"status"` // queued, in_progress, finished, failed, cancelled-by-user
	Done       bool           `json:"done"`   // the status is final
	Commit     untrusted.Text `json:"commit,omitzero"`
	Message    untrusted.Text `json:"commit_message,omitzero"`
	Trigger    string         `json:"trigger"` // api, push or other
	Force      bool           `json:"force,omitempty"`
	Restart    bool           `json:"restart,omitempty"`  // containers only, no build
	Rollback   bool           `json:"rollback,omitempty"` // to an earlier image
	Preview    int            `json:"pull_request,omitempty"`
	CreatedAt  string         `json:"created_at,omitempty"` // RFC 3339, UTC
	FinishedAt string         `json:"finished_at,omitempty"`
}

// TimeFormat is the format of times in answers: RFC 3339 in UTC, to the second.
const TimeFormat = "2006-01-02T15:04:05Z"

// DeploymentInfo returns what a tenant may read of a deployment of an app with that uuid
// and name.
func (s Inside) DeploymentInfo(d coolify.Deployment, app, appName string) DeploymentInfo {
	info := DeploymentInfo{
		UUID: d.UUID.String(), App: app, AppName: s.Text(appName), Status: s.Text(string(d.Status)).String(),
		Done: d.Status.Terminal(), Commit: s.Text(d.Commit), Message: s.Text(d.CommitMessage), Trigger: "other",
		Force: d.ForceRebuild, Restart: d.RestartOnly, Rollback: d.Rollback, Preview: d.PullRequestID,
	}
	switch {
	case d.IsWebhook:
		info.Trigger = "push"
	case d.IsAPI:
		info.Trigger = "api"
	}
	if !d.CreatedAt.IsZero() {
		info.CreatedAt = d.CreatedAt.UTC().Format(TimeFormat)
	}
	if d.FinishedAt != nil {
		info.FinishedAt = d.FinishedAt.UTC().Format(TimeFormat)
	}
	return info
}

// ErrNoDeployment does not repeat the caller's argument, so that it is the same for all.
var ErrNoDeployment = &Error{
	Code: NotFound, Msg: "no such deployment in this workspace",
	Hint: "apps_deployments lists an app's deployments; a full queue in Coolify drops new ones",
}

// ParseDeployment reads a deployment's uuid. A string of another form is
// [ErrNoDeployment].
func ParseDeployment(ref string) (coolify.UUID, error) {
	if !UUIDForm.MatchString(ref) {
		return coolify.UUID{}, ErrNoDeployment
	}
	id, err := coolify.ParseUUID(ref)
	if err != nil {
		return coolify.UUID{}, ErrNoDeployment
	}
	return id, nil
}

// MaxRef bounds the length of a reference: a uuid, a name or a domain.
const MaxRef = 255

// UUIDForm is the form that Coolify has given to the ids of applications and deployments
// for years. A reference of this form is looked up as an id, any other by name among the
// workspace's own apps.
var UUIDForm = regexp.MustCompile(`^[a-z0-9]{24}$`)

// WithoutUser drops the user part of a URL, as a clone URL may carry a token. It returns
// "" for a URL that has a user part but does not parse.
func WithoutUser(raw string) string {
	user, rest, found := strings.Cut(raw, "@")
	switch {
	case !found:
		return raw
	case !strings.Contains(raw, "://") && strings.Contains(user, ":"):
		return rest // user:token@host:path
	case !strings.Contains(raw, "://"):
		return raw // git@host:path
	}
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}
