package tenancy

import (
	"cmp"
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
)

// A CoolifyProject is a project on Coolify with what is in it: things come bound, so
// whoever holds one reaches nothing outside. What does not exist yet is made by its
// CreateApp and CreateDatabase.
type CoolifyProject struct {
	coolify.ProjectClient
	client *coolify.Client
}

// NewCoolifyProject returns the project with an id. The caller has found out that it
// is the workspace's own.
func NewCoolifyProject(c *coolify.Client, id coolify.UUID) CoolifyProject {
	return CoolifyProject{c.Project(id), c}
}

// A BoundApp is an application that is in a project, with the calls of it.
type BoundApp struct {
	coolify.Application
	Calls coolify.AppClient
}

// A BoundDatabase is a database that is in a project, with the calls of it.
type BoundDatabase struct {
	coolify.Database
	Calls coolify.DatabaseClient
}

// Apps lists the applications of all environments; none if the project is gone, or
// is the zero one. The errors are those of [coolify.ProjectClient.Applications].
func (p CoolifyProject) Apps(ctx context.Context) ([]BoundApp, error) {
	list, err := everywhere(ctx, p, p.Applications)
	var all []BoundApp
	for _, app := range list {
		all = append(all, BoundApp{app, p.client.App(app.UUID)})
	}
	return all, err
}

// EveryDatabase lists the databases of all environments, as Apps does applications.
func (p CoolifyProject) EveryDatabase(ctx context.Context) ([]BoundDatabase, error) {
	list, err := everywhere(ctx, p, p.Databases)
	var all []BoundDatabase
	for _, database := range list {
		all = append(all, BoundDatabase{database, p.client.Database(database.UUID)})
	}
	return all, err
}

// everywhere lists what is in a project, whatever list lists of an environment.
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

// ProjectKeys are the private keys on Coolify that are of one project of a
// workspace: those that bear its mark, and the recorded one. Coolify lists those of
// the whole team; no other leaves this type.
type ProjectKeys struct {
	client *coolify.Client
	of     Project
}

// NewProjectKeys returns the keys of a project.
func NewProjectKeys(c *coolify.Client, of Project) ProjectKeys { return ProjectKeys{c, of} }

// A BoundKey is a private key of a project, with the calls of it.
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

// Create gives Coolify a key of the project.
func (k ProjectKeys) Create(ctx context.Context, n coolify.NewPrivateKey) error {
	n.Description = k.of.KeyMark()
	_, err := k.client.CreatePrivateKey(ctx, n)
	return err
}

// KeyMark proves that a key on Coolify is the project's. Old rows have no nonce.
func (p Project) KeyMark() string { return MarkText(cmp.Or(p.Nonce, p.ID), "deploy key") }

// IsLost reports whether a database was made for a record by a call whose answer
// got lost. Nobody was told of it.
func (r DatabaseRecord) IsLost(database coolify.Database) bool {
	return r.UUID != database.UUID.String() && HasMark(database.Description, MarkText(r.Nonce, "database"))
}
