package tenancy

import (
	"cmp"
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
)

// A CoolifyProject is a project on Coolify and its contents. It returns things bound to
// their calls, so code that holds one reaches nothing outside the project. CreateApp and
// CreateDatabase create new things in it.
type CoolifyProject struct {
	coolify.ProjectClient
	client *coolify.Client
}

// NewCoolifyProject returns the project with an id. The caller must have checked that it
// is the workspace's own.
func NewCoolifyProject(c *coolify.Client, id coolify.UUID) CoolifyProject {
	return CoolifyProject{c.Project(id), c}
}

// A BoundApp is an application in a project, with the client bound to it.
type BoundApp struct {
	coolify.Application
	Calls coolify.AppClient
}

// A BoundDatabase is a database in a project, with the client bound to it.
type BoundDatabase struct {
	coolify.Database
	Calls coolify.DatabaseClient
}

// Apps lists the applications of all environments. The list is empty if the project is
// gone or is the zero one. The errors are those of [coolify.ProjectClient.Applications].
func (p CoolifyProject) Apps(ctx context.Context) ([]BoundApp, error) {
	list, err := everywhere(ctx, p, p.Applications)
	var all []BoundApp
	for _, app := range list {
		all = append(all, BoundApp{app, p.client.App(app.UUID)})
	}
	return all, err
}

// EveryDatabase lists the databases of all environments, as Apps lists applications.
func (p CoolifyProject) EveryDatabase(ctx context.Context) ([]BoundDatabase, error) {
	list, err := everywhere(ctx, p, p.Databases)
	var all []BoundDatabase
	for _, database := range list {
		all = append(all, BoundDatabase{database, p.client.Database(database.UUID)})
	}
	return all, err
}

// everywhere calls list for each environment of a project and joins the results.
func everywhere[T any](
	ctx context.Context, p CoolifyProject, list func(ctx context.Context, environment coolify.UUID) ([]T, error),
) ([]T, error) {
	if p.client == nil || p.UUID().IsZero() {
		return nil, nil
	}
	envs, err := p.Environments(ctx)
	if errors.Is(err, coolify.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []T
	for _, e := range envs {
		some, err := list(ctx, e.UUID)
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// ProjectKeys are the private keys on Coolify that belong to one project of a workspace:
// those with its mark, and the recorded one. Coolify lists the keys of the whole team;
// this type exposes no others.
type ProjectKeys struct {
	client *coolify.Client
	of     Project
}

// A BoundKey is a private key of a project, with the client bound to it.
type BoundKey struct {
	coolify.PrivateKey
	Calls coolify.KeyClient
}

// List lists the project's keys.
func (k ProjectKeys) List(ctx context.Context) ([]BoundKey, error) {
	list, err := k.client.PrivateKeys(ctx)
	if err != nil {
		return nil, err
	}
	var ours []BoundKey
	for _, key := range list {
		recorded := k.of.CoolifyKey != "" && key.UUID.String() == k.of.CoolifyKey
		if recorded || HasMark(key.Description, k.of.KeyMark()) {
			ours = append(ours, BoundKey{key, k.client.PrivateKey(key.UUID)})
		}
	}
	return ours, nil
}

// Create adds a private key of the project to Coolify.
func (k ProjectKeys) Create(ctx context.Context, n coolify.NewPrivateKey) error {
	n.Description = k.of.KeyMark()
	_, err := k.client.CreatePrivateKey(ctx, n)
	return err
}

// KeyMark returns the mark that proves that a key on Coolify is the project's. Old rows
// have no nonce, so it falls back to the project's id.
func (p Project) KeyMark() string { return MarkText(cmp.Or(p.Nonce, p.ID), "deploy key") }

// IsLost reports whether a database was created for this record by a call whose answer
// was lost. No caller knows of such a database.
func (r DatabaseRecord) IsLost(database coolify.Database) bool {
	return r.UUID != database.UUID.String() && HasMark(database.Description, MarkText(r.Nonce, "database"))
}
