package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

func addProjects(r *Registry) {
	Add(r, Tool{
		Name: "projects.list", Route: "GET /projects", Needs: tenancy.Read, Title: "List projects",
		Description: "The workspace's projects: each is a git repository and the apps built from it.",
	}, listProjects)
	Add(r, Tool{
		Name: "projects.get", Route: "GET /projects/{project}", Needs: tenancy.Read, Title: "Show a project", Target: "project",
		Description: "One project with its apps.",
	}, getProject)
}

type projectOut struct {
	tenancy.ProjectInfo
	Truncated bool `json:"truncated"` // it has more apps; apps_list shows them all
}

// showProject shows a project with as many of its apps as fit into size bytes.
func showProject(p tenancy.ProjectInfo, size int) projectOut {
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
	projects, err := s.Projects(ctx)
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

func getProject(ctx context.Context, s *tenancy.Scope, in projectIn) (projectOut, error) {
	p, err := s.Project(ctx, in.Project)
	if err != nil {
		return projectOut{}, err
	}
	return showProject(p, maxPage), nil
}
