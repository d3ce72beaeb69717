package coolify

import (
	"context"
	"strings"
)

// A Project contains environments, which contain applications. Project names are not
// unique.
type Project struct {
	ID           int
	UUID         UUID
	Name         string
	Description  string
	Environments []Environment // nil in a list
}

// An Environment belongs to one project for ever: Coolify never moves it to another
// project, and never reuses its ID.
type Environment struct {
	ID   int // 0 if Coolify did not report it
	UUID UUID
	Name string
}

type wireProject struct {
	ID           number                `json:"id"`
	UUID         uid                   `json:"uuid"`
	Name         text                  `json:"name"`
	Description  text                  `json:"description"`
	Environments list[wireEnvironment] `json:"environments"`
}

func (w *wireProject) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireProject) project() Project {
	return Project{int(w.ID), w.UUID.UUID, string(w.Name), string(w.Description), environments(w.Environments)}
}

// same refuses an answer about another object than the requested one.
func same(got uid, asked UUID) error {
	if got.UUID != asked {
		return errOther
	}
	return nil
}

type wireEnvironment struct {
	ID           number                `json:"id"`
	UUID         uid                   `json:"uuid"`
	Name         text                  `json:"name"`
	Applications list[wireApplication] `json:"applications"` // only in the detail of one environment
}

func environments(w list[wireEnvironment]) []Environment {
	var all []Environment
	for _, e := range w {
		all = append(all, Environment{int(e.ID), e.UUID.UUID, string(e.Name)})
	}
	return all
}

// Projects lists the projects of the token's team, without environments.
//
//api:op GET /projects
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	var w list[wireProject]
	if err := c.do(ctx, newRequest("GET", "/projects"), &w); err != nil {
		return nil, err
	}
	all := make([]Project, 0, len(w))
	for i := range w {
		all = append(all, w[i].project())
	}
	return all, nil
}

// Get returns a project with its environments.
//
//api:op GET /projects/{uuid}
func (p ProjectClient) Get(ctx context.Context) (Project, error) {
	var w wireProject
	if err := p.c.do(ctx, newRequest("GET", "/projects/{uuid}", p.id), &w); err != nil {
		return Project{}, err
	}
	return w.project(), nil
}

// NewProject describes a project to be created.
type NewProject struct {
	Name        string `json:"name"` // 3 to 255 characters: letters, digits, spaces and -_.@/&()#,:+
	Description string `json:"description,omitempty"`
}

// CreateProject creates a project with an environment "production". A second call creates
// a second project.
//
//api:op POST /projects
func (c *Client) CreateProject(ctx context.Context, p NewProject) (UUID, error) {
	r := newRequest("POST", "/projects")
	r.body = p
	var w created
	err := c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// ProjectUpdate holds the fields to change; nil leaves a field as it is.
type ProjectUpdate struct {
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Update changes a project's name or description.
//
//api:op PATCH /projects/{uuid}
func (p ProjectClient) Update(ctx context.Context, u ProjectUpdate) error {
	r := newRequest("PATCH", "/projects/{uuid}", p.id)
	r.body = u
	return p.c.do(ctx, r, &created{})
}

// Delete deletes an empty project; [ErrInvalid] if it contains anything, including what
// is being deleted.
//
//api:op DELETE /projects/{uuid}
func (p ProjectClient) Delete(ctx context.Context) error {
	return p.c.do(ctx, newRequest("DELETE", "/projects/{uuid}", p.id), &acknowledged{})
}

// Environments lists a project's environments.
//
//api:op GET /projects/{uuid}/environments
func (p ProjectClient) Environments(ctx context.Context) ([]Environment, error) {
	var w list[wireEnvironment]
	if err := p.c.do(ctx, newRequest("GET", "/projects/{uuid}/environments", p.id), &w); err != nil {
		return nil, err
	}
	return environments(w), nil
}

// CreateEnvironment creates an environment in a project; [ErrConflict] if it has one of
// that name. Coolify stores names in lower case, with dashes for slashes, but compares
// them as received. So CreateEnvironment sends the name in its stored form.
//
//api:op POST /projects/{uuid}/environments
func (p ProjectClient) CreateEnvironment(ctx context.Context, name string) (UUID, error) {
	r := newRequest("POST", "/projects/{uuid}/environments", p.id)
	r.body = struct {
		Name string `json:"name"`
	}{strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "/", "-")}
	var w created
	err := p.c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// DeleteEnvironment deletes an empty environment; [ErrInvalid] if it contains anything.
// Coolify first reads the id as a name.
//
//api:op DELETE /projects/{uuid}/environments/{environment_name_or_uuid}
func (p ProjectClient) DeleteEnvironment(ctx context.Context, environment UUID) error {
	r := newRequest("DELETE", "/projects/{uuid}/environments/{environment_name_or_uuid}", p.id, environment)
	return p.c.do(ctx, r, &acknowledged{})
}

// Applications lists the applications of an environment. Coolify first reads the id as a
// name, so an answer about an environment that has the id as its name is an error.
//
//api:op GET /projects/{uuid}/{environment_name_or_uuid}
func (p ProjectClient) Applications(ctx context.Context, environment UUID) ([]Application, error) {
	var w wireEnvironment
	if err := p.c.do(
		ctx, newRequest("GET", "/projects/{uuid}/{environment_name_or_uuid}", p.id, environment), &w,
	); err != nil {
		return nil, err
	}
	all := make([]Application, 0, len(w.Applications))
	for i := range w.Applications {
		a := w.Applications[i].application()
		a.EnvironmentName = string(w.Name)
		all = append(all, a)
	}
	return all, nil
}

func (w *wireEnvironment) check(asked []UUID) error { return same(w.UUID, asked[1]) }
