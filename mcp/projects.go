package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addProjects(r *Registry) {
	Add(r, Tool{
		Name: "projects.list", Route: "GET /projects", Needs: tenancy.Read, Title: "List projects",
		Description: "List the workspace's projects: each is a git repository and the apps built from it.",
	}, listProjects)
	Add(r, Tool{
		Name: "projects.get", Route: "GET /projects/{project}", Needs: tenancy.Read, Title: "Show a project",
		Target:      "project",
		Description: "Show a project: its repository with clone address, default branch and last commit, and its apps.",
	}, getProject)
	Add(r, Tool{
		Name: "projects.create", Route: "POST /projects", Needs: tenancy.Write, Title: "Create a project",
		Idempotent: true, Target: "name",
		Description: "Create a project: a private git repository with a first commit on main. gitea_credentials says " +
			"how to clone and push. If a project of that name exists, it is returned with created false.",
		Keep: []string{"name"},
	}, createProject)
}

type projectOut struct {
	repository.ProjectInfo
	Truncated bool `json:"truncated"` // it has more apps; apps_list shows them all
}

type projectDetailOut struct {
	projectOut
	Git *repository.RepositoryInfo `json:"git,omitempty"` // nil unless vibn-mcp created the project
}

// showProject shows a project with as many of its apps as fit into size bytes.
func showProject(p repository.ProjectInfo, size int) projectOut {
	all := len(p.Apps)
	p.Apps = fit(p.Apps, size)
	return projectOut{p, len(p.Apps) < all}
}

type projectsOut struct {
	Projects  []projectOut `json:"projects"`
	Truncated bool         `json:"truncated"`
	Cursor    string       `json:"next_cursor,omitempty"`
}

type listProjectsIn struct {
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"1000"`
	Limit  int    `json:"limit,omitempty" jsonschema:"most projects to return" min:"1" max:"25" default:"10"`
}

func listProjects(ctx context.Context, s *tenancy.Scope, in listProjectsIn) (projectsOut, error) {
	projects, err := repository.Projects(ctx, s)
	if err != nil {
		return projectsOut{}, err
	}
	shown := make([]projectOut, 0, len(projects))
	for _, p := range projects {
		shown = append(shown, showProject(p, maxPage/4))
	}
	page, next, err := pageOf(s, "projects.list", in.Cursor, in.Limit, shown)
	return projectsOut{page, next != "", next}, err
}

type projectIn struct {
	Project string `json:"project" jsonschema:"owner/name as projects_list shows it" required:"true" min:"1" max:"255"`
}

func getProject(ctx context.Context, s *tenancy.Scope, in projectIn) (projectDetailOut, error) {
	p, err := repository.Project(ctx, s, in.Project)
	if err != nil {
		return projectDetailOut{}, err
	}
	git, err := repository.Repository(ctx, s, p.Project.String())
	return projectDetailOut{showProject(p, maxPage), git}, err
}

type createProjectIn struct {
	Name        string `json:"name" jsonschema:"lower-case letters, digits and single hyphens; becomes the repository's name" required:"true" min:"1" max:"40"`
	Description string `json:"description,omitempty" jsonschema:"one sentence for people" max:"255"`
	Key         string `json:"idempotency_key,omitempty" jsonschema:"the same key with other arguments is refused" max:"64"`
}

type createProjectOut struct {
	Project  string `json:"project"`
	CloneURL string `json:"clone_url"`
	Created  bool   `json:"created"`
	Next     string `json:"next"`
}

func createProject(ctx context.Context, s *tenancy.Scope, in createProjectIn) (createProjectOut, error) {
	p, created, err := repository.CreateProject(ctx, s, in.Name, in.Description)
	if err != nil {
		return createProjectOut{}, err
	}
	return createProjectOut{
		Project: p.Project.String(), CloneURL: p.Repository.String(), Created: created,
		Next: "gitea_credentials tells how to clone and push",
	}, nil
}
