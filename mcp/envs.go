package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addEnvs(r *Registry) {
	Add(r, Tool{
		Name: "envs.list", Route: "GET /apps/{app}/envs", Needs: tenancy.Read, Title: "List variables", Target: "app",
		Description: "List the names and flags of an app's environment variables. Values are never shown. \"arrives\" says " +
			"how a value reaches the app if not unchanged; envs_upsert mends it.",
	}, listEnvs)
	Add(r, Tool{
		Name: "envs.upsert", Route: "PATCH /apps/{app}/envs", Needs: tenancy.Write, Title: "Set variables",
		Idempotent: true, Destructive: true, Target: "app",
		Keep: []string{"set", "scope", "build_time", "literal", "multiline"},
		Description: "Create or replace environment variables of an app; others stay. They take effect with the next " +
			"deployment. A preview value that was copied from production is updated too. If one value cannot reach the " +
			"app, nothing is written. JSON may be written as equal JSON; \"arrives\" says so.",
	}, upsertEnvs)
	Add(r, Tool{
		Name: "envs.delete", Route: "DELETE /apps/{app}/envs", Needs: tenancy.Write, Title: "Delete variables",
		Idempotent: true, Destructive: true, Target: "app", Keep: []string{"keys", "scope"},
		Description: "Delete environment variables of an app, every copy of a key included. This takes effect with " +
			"the next deployment.",
	}, deleteEnvs)
}

type listEnvsIn struct {
	App   string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Scope string `json:"scope,omitempty" jsonschema:"which deployments see them" enum:"production,preview" default:"\"production\""`
}

type envsOut struct {
	Envs      []hosting.EnvInfo `json:"envs"`
	Note      string            `json:"note,omitempty"`
	Truncated bool              `json:"truncated"`
}

// maxEnvs limits a list of variables; a longer list is truncated.
const maxEnvs = 200

func listEnvs(ctx context.Context, s *tenancy.Scope, in listEnvsIn) (envsOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return envsOut{}, err
	}
	list, err := app.Envs(ctx, in.Scope == "preview")
	if err != nil {
		return envsOut{}, err
	}
	shown := fit(list.Envs[:min(len(list.Envs), maxEnvs)], maxPage)
	return envsOut{shown, list.Note, len(shown) < len(list.Envs)}, nil
}

type upsertEnvsIn struct {
	App       string            `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Set       map[string]string `json:"set" jsonschema:"values by name" required:"true" min:"1" max:"20"`
	Scope     string            `json:"scope,omitempty" jsonschema:"which deployments see them" enum:"production,preview" default:"\"production\""`
	BuildTime *bool             `json:"build_time,omitempty" jsonschema:"also visible while building; a new variable is not unless you say so"`
	Literal   *bool             `json:"literal,omitempty" jsonschema:"true by default: the container gets exactly these bytes. false: $NAME and ${NAME} are replaced, $$ is $, quotes and backslashes get a backslash; a line break or space before # is refused. Build-time ones always are literal"`
	Multiline *bool             `json:"multiline,omitempty" jsonschema:"the value has line breaks"`
}

type changesOut struct {
	Changes []hosting.EnvChange `json:"changes"`
	Next    []string            `json:"next"`
}

func upsertEnvs(ctx context.Context, s *tenancy.Scope, in upsertEnvsIn) (changesOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return changesOut{}, err
	}
	changes, err := app.SetEnvs(ctx, hosting.EnvSet{
		Values: secretValues(in.Set), Preview: in.Scope == "preview", BuildTime: in.BuildTime, Literal: in.Literal,
		Multiline: in.Multiline,
	})
	return changesOut{changes, []string{"apps_deploy brings them into effect"}}, err
}

type deleteEnvsIn struct {
	App   string   `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Keys  []string `json:"keys" jsonschema:"names of the variables" required:"true" min:"1" max:"20"`
	Scope string   `json:"scope,omitempty" jsonschema:"which deployments see them" enum:"production,preview" default:"\"production\""`
}

func deleteEnvs(ctx context.Context, s *tenancy.Scope, in deleteEnvsIn) (changesOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return changesOut{}, err
	}
	changes, err := app.DeleteEnvs(ctx, in.Keys, in.Scope == "preview")
	return changesOut{changes, []string{"apps_deploy brings it into effect"}}, err
}
