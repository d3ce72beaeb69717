package mcp

import (
	"context"
	"fmt"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addAppChanges(r *Registry) {
	Add(r, Tool{
		Name: "apps.create", Route: "POST /apps", Needs: tenancy.Write, Title: "Create an app", Idempotent: true,
		Target: "project",
		Description: "Create an app that is built from a project's repository. A push to its branch deploys it; " +
			"creating it does not. If an app of that name exists, it is returned with created false.",
		Keep: []string{
			"project", "name", "branch", "build", "port", "base_directory", "publish_directory", "dockerfile", "env",
			"domain", "health_check",
		},
	}, createApp)
	Add(r, Tool{
		Name: "apps.update", Route: "PATCH /apps/{app}", Needs: tenancy.Write, Title: "Change an app", Idempotent: true,
		Destructive: true, Target: "app",
		Description: "Change how an app is built. Changes take effect with the next deployment.",
		Keep:        []string{"branch", "build", "port", "base_directory", "publish_directory", "dockerfile", "health_check"},
	}, updateApp)
	Add(r, Tool{
		Name: "apps.delete", Route: "DELETE /apps/{app}", Needs: tenancy.Danger, Title: "Delete an app",
		Idempotent: true, Destructive: true, Target: "app",
		Description: "Delete an app permanently, with its volumes and their data; the repository stays. Without " +
			"confirm nothing is deleted and the answer lists what would be.",
	}, deleteApp)
}

type createAppIn struct {
	Project     string            `json:"project" jsonschema:"project that it is built from" required:"true" min:"1" max:"255"`
	Name        string            `json:"name,omitempty" jsonschema:"lower-case letters, digits and single hyphens; default: the project's" max:"40"`
	Branch      string            `json:"branch,omitempty" jsonschema:"default: the repository's" max:"200"`
	Build       string            `json:"build" jsonschema:"static serves files; workspace_describe says which the host allows" enum:"static,dockerfile,nixpacks,railpack" required:"true"`
	Port        int               `json:"port,omitempty" jsonschema:"it listens on; default 80 for static, else 3000" min:"1" max:"65535"`
	Base        string            `json:"base_directory,omitempty" jsonschema:"where in the repository it is" max:"200"`
	Publish     string            `json:"publish_directory,omitempty" jsonschema:"what is served of it" max:"200"`
	Dockerfile  string            `json:"dockerfile,omitempty" jsonschema:"path in base_directory; default /Dockerfile" max:"200"`
	Health      string            `json:"health_check,omitempty" jsonschema:"page that answers once it is up, as /healthz; needs curl or wget in the image" max:"200"`
	Env         map[string]string `json:"env,omitempty" jsonschema:"environment variables, to the byte; not seen by the build" max:"20"`
	Domain      string            `json:"domain,omitempty" jsonschema:"one host name" max:"253"`
	Description string            `json:"description,omitempty" jsonschema:"one sentence for people" max:"255"`
	Key         string            `json:"idempotency_key,omitempty" jsonschema:"the same key with other arguments is refused" max:"64"`
}

type createAppOut struct {
	App     string              `json:"app"` // uuid
	Name    string              `json:"name"`
	URL     string              `json:"url,omitempty"`
	Branch  string              `json:"branch"`
	Created bool                `json:"created"`
	Env     []hosting.EnvChange `json:"env,omitempty"` // variables that reach the app in another form
	Next    string              `json:"next"`
	Propose string              `json:"proposal,omitempty"`
}

func createApp(ctx context.Context, s *tenancy.Scope, in createAppIn) (createAppOut, error) {
	app, err := hosting.CreateApp(ctx, s, hosting.NewApp{
		Project: in.Project, Name: in.Name, Domain: in.Domain, Description: in.Description, Env: secretValues(in.Env),
		Spec: hosting.BuildSpec{
			Branch: nilIfZero(in.Branch), Build: nilIfZero(in.Build), Port: nilIfZero(in.Port),
			BaseDirectory: nilIfZero(in.Base), PublishDirectory: nilIfZero(in.Publish),
			Dockerfile: nilIfZero(in.Dockerfile), HealthCheck: nilIfZero(in.Health),
		},
	})
	if err != nil {
		return createAppOut{}, err
	}
	out := createAppOut{
		App: app.UUID, Name: app.Name, URL: app.URL, Branch: app.Branch, Created: app.Created,
		Env: app.Changed,
		Next: fmt.Sprintf(
			"push to %s deploys it; deployments_wait with the commit tells how it ends. apps_deploy deploys what was "+
				"pushed before",
			app.Branch,
		),
	}
	if in.Health == "" && in.Port != 0 && app.Created {
		out.Propose = healthProposal
	}
	return out, nil
}

// healthProposal says what a health check gains. Coolify asks with curl or wget in the
// container, so it cannot be the default.
const healthProposal = "apps_update with health_check, the path of a page that answers once the app is up, makes each " +
	"deployment keep the old version until the new one answers; without it a deployment can lose a few requests. The " +
	"image needs curl or wget"

// nilIfZero returns nil for a zero value, which stands for an absent argument.
func nilIfZero[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func secretValues(set map[string]string) map[string]secret.Text {
	values := make(map[string]secret.Text, len(set))
	for k, v := range set {
		values[k] = secret.NewText(v)
	}
	return values
}

type updateAppIn struct {
	App         string  `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Branch      *string `json:"branch,omitempty" jsonschema:"pushes to it deploy the app" min:"1" max:"200"`
	Build       *string `json:"build,omitempty" enum:"static,dockerfile,nixpacks,railpack" jsonschema:"build pack"`
	Port        *int    `json:"port,omitempty" jsonschema:"it listens on" min:"1" max:"65535"`
	Base        *string `json:"base_directory,omitempty" jsonschema:"where in the repository it is" max:"200"`
	Publish     *string `json:"publish_directory,omitempty" jsonschema:"what is served of it" max:"200"`
	Dockerfile  *string `json:"dockerfile,omitempty" jsonschema:"path in base_directory" max:"200"`
	Health      *string `json:"health_check,omitempty" jsonschema:"page that answers once it is up; empty ends it" max:"200"`
	Description *string `json:"description,omitempty" jsonschema:"one sentence for people" max:"255"`
}

type updateAppOut struct {
	App  hosting.AppInfo `json:"app"`
	Next string          `json:"next"`
}

func updateApp(ctx context.Context, s *tenancy.Scope, in updateAppIn) (updateAppOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return updateAppOut{}, err
	}
	info, err := app.Update(ctx, hosting.BuildSpec{
		Branch: in.Branch, Build: in.Build, Port: in.Port, BaseDirectory: in.Base, PublishDirectory: in.Publish,
		Dockerfile: in.Dockerfile, HealthCheck: in.Health,
	}, in.Description)
	return updateAppOut{info, "apps_deploy brings it into effect"}, err
}

type deleteAppIn struct {
	App     string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Confirm string `json:"confirm,omitempty" jsonschema:"the app's name, once a person has agreed" max:"255"`
}

type deleteAppOut struct {
	App     string   `json:"app,omitempty"` // uuid
	Name    string   `json:"name"`
	Deleted bool     `json:"deleted"` // false while Coolify is still deleting it
	Next    []string `json:"next"`
}

func deleteApp(ctx context.Context, s *tenancy.Scope, in deleteAppIn) (deleteAppOut, error) {
	done, err := hosting.DeleteApp(ctx, s, in.App, in.Confirm)
	if err != nil {
		return deleteAppOut{}, err
	}
	out := deleteAppOut{App: done.UUID, Name: done.Name, Deleted: done.Gone, Next: []string{}}
	if !done.Gone {
		out.Next = append(out.Next, "apps_list shows when it is gone, in a minute or two")
	}
	return out, nil
}
