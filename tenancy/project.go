package tenancy

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// ProjectInfo is one code base: a git repository and the apps that are built
// from it.
type ProjectInfo struct {
	Project    untrusted.Text `json:"project"`             // owner/name of the repository; names the project
	Repository untrusted.Text `json:"repository,omitzero"` // clone address without credentials
	Apps       []ProjectApp   `json:"apps"`
}

// ProjectApp is an app as its project shows it.
type ProjectApp struct {
	UUID        string         `json:"uuid"`
	Name        untrusted.Text `json:"name"`
	Branch      untrusted.Text `json:"branch,omitzero"`
	Environment untrusted.Text `json:"environment"`
	Status      untrusted.Text `json:"status"`
}

// Projects lists the workspace's projects by name. An app without a repository
// is a project of its own, by the app's name.
func (s *Scope) Projects(ctx context.Context) ([]ProjectInfo, error) {
	if err := s.need(Read); err != nil {
		return nil, err
	}
	apps, err := s.list(ctx, "")
	if err != nil {
		return nil, err
	}
	byName := map[string]*ProjectInfo{}
	for _, a := range apps {
		name := cmp.Or(repositoryName(a.is.GitRepository), a.is.Name)
		p, ok := byName[name]
		if !ok {
			p = &ProjectInfo{Project: s.text(name), Repository: s.text(withoutUser(a.is.GitRepository)), Apps: []ProjectApp{}}
			byName[name] = p
		}
		i := a.Info()
		p.Apps = append(p.Apps, ProjectApp{i.UUID, i.Name, i.Branch, i.Environment, i.Status})
	}
	projects := make([]ProjectInfo, 0, len(byName))
	for _, p := range byName {
		projects = append(projects, *p)
	}
	slices.SortFunc(projects, func(a, b ProjectInfo) int { return cmp.Compare(a.Project.String(), b.Project.String()) })
	return projects, nil
}

// Project returns one project by its name.
func (s *Scope) Project(ctx context.Context, name string) (ProjectInfo, error) {
	projects, err := s.Projects(ctx)
	if err != nil {
		return ProjectInfo{}, err
	}
	for _, p := range projects {
		if p.Project.String() == name {
			return p, nil
		}
	}
	return ProjectInfo{}, &Error{Code: NotFound, Msg: "no such project in this workspace", Hint: "projects_list shows the projects"}
}

// repositoryName returns owner/name of a clone address in any of git's forms;
// "" if it has none.
func repositoryName(address string) string {
	address = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(address), "/"), ".git")
	parts := strings.FieldsFunc(address, func(r rune) bool { return r == '/' || r == ':' })
	if len(parts) < 2 {
		return ""
	}
	return strings.Join(parts[len(parts)-2:], "/")
}
