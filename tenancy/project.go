package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// ProjectInfo is one code base: a git repository and the apps that are built
// from it.
type ProjectInfo struct {
	Project     untrusted.Text `json:"project"` // owner/name of the repository; names the project
	Name        untrusted.Text `json:"name,omitzero"`
	Description untrusted.Text `json:"description,omitzero"`
	Repository  untrusted.Text `json:"repository,omitzero"` // clone address without credentials
	Pending     bool           `json:"pending,omitempty"`   // its repository is still to be made
	Apps        []ProjectApp   `json:"apps"`
}

// ProjectApp is an app as its project shows it.
type ProjectApp struct {
	UUID        string         `json:"uuid"`
	Name        untrusted.Text `json:"name"`
	Branch      untrusted.Text `json:"branch,omitzero"`
	Environment untrusted.Text `json:"environment"`
	Status      untrusted.Text `json:"status"`
}

// RepositoryInfo is what a tenant may know of a project's repository.
type RepositoryInfo struct {
	CloneURL      string         `json:"clone_url"` // without credentials
	DefaultBranch untrusted.Text `json:"default_branch,omitzero"`
	Empty         bool           `json:"empty"`
	LastCommit    *CommitInfo    `json:"last_commit,omitempty"` // of the default branch; absent if it has none
}

// CommitInfo is a commit as its author wrote it.
type CommitInfo struct {
	SHA     untrusted.Text `json:"sha"`
	Message untrusted.Text `json:"message"`
	Author  untrusted.Text `json:"author,omitzero"`
	At      string         `json:"at,omitempty"` // RFC 3339, UTC
}

// Limits of projects.
const (
	MaxProjects    = 100 // in a workspace
	maxProjectName = 40  // so that names made from it fit a DNS label
	maxDescription = 255
)

// Projects lists the workspace's projects by name: those that were created here,
// and the repositories of its other apps. An app without a repository is a project
// of its own, by the app's name.
func (s *Scope) Projects(ctx context.Context) ([]ProjectInfo, error) {
	if err := s.Require(Read); err != nil {
		return nil, err
	}
	recorded, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, StoreError("list the projects", err)
	}
	apps, err := inside(s).EveryApp(ctx, "")
	if err != nil {
		return nil, err
	}
	byName := map[string]*ProjectInfo{}
	for _, p := range recorded {
		info := s.projectInfo(p)
		byName[strings.ToLower(info.Project.String())] = &info
	}
	for _, a := range apps {
		name := cmp.Or(repositoryName(a.GitRepository), a.Name)
		p, ok := byName[strings.ToLower(name)]
		if !ok {
			p = &ProjectInfo{Project: s.Text(name), Repository: s.Text(withoutUser(a.GitRepository)), Apps: []ProjectApp{}}
			byName[strings.ToLower(name)] = p
		}
		p.Apps = append(p.Apps, ProjectApp{
			a.UUID.String(), s.Text(a.Name), s.Text(a.GitBranch), s.Text(a.Environment.Name), s.Text(a.Status),
		})
	}
	projects := make([]ProjectInfo, 0, len(byName))
	for _, p := range byName {
		projects = append(projects, *p)
	}
	slices.SortFunc(projects, func(a, b ProjectInfo) int { return cmp.Compare(a.Project.String(), b.Project.String()) })
	return projects, nil
}

// projectInfo is a recorded project without its apps.
func (s *Scope) projectInfo(p Project) ProjectInfo {
	return ProjectInfo{
		Project: s.Text(cmp.Or(p.Repository, inside(s).Workspace().GiteaOrg+"/"+p.Slug)), Name: s.Text(p.Name), Description: s.Text(p.Description),
		Repository: s.Text(s.CloneURL(p.Slug)), Pending: p.RepositoryID == 0, Apps: []ProjectApp{},
	}
}

var errNoProject = &Error{Code: NotFound, Msg: "no such project in this workspace", Hint: "projects_list shows the projects"}

// Project returns one project by its name, owner/name or, of the workspace's own
// organisation, the name alone.
func (s *Scope) Project(ctx context.Context, name string) (ProjectInfo, error) {
	projects, err := s.Projects(ctx)
	if err != nil {
		return ProjectInfo{}, err
	}
	for _, full := range []string{name, inside(s).Workspace().GiteaOrg + "/" + name} {
		for _, p := range projects {
			if p.Project.String() == full {
				return p, nil
			}
		}
	}
	return ProjectInfo{}, errNoProject
}

// Repository asks Gitea, as the workspace's bot, for the repository of a project
// that was created here. It is nil for any other: what is not recorded is not the
// workspace's to look into.
func (s *Scope) Repository(ctx context.Context, project string) (*RepositoryInfo, error) {
	if err := s.Require(Read); err != nil {
		return nil, err
	}
	p, err := s.recordedProject(ctx, project)
	if err != nil || p.RepositoryID == 0 || inside(s).GiteaReady() != nil {
		return nil, err
	}
	repo, err := s.openRepository(ctx, p)
	if err != nil {
		return nil, err
	}
	info := &RepositoryInfo{CloneURL: s.CloneURL(p.Slug), DefaultBranch: s.Text(repo.DefaultBranch), Empty: repo.Empty}
	if repo.Empty {
		return info, nil
	}
	c, err := repo.head(ctx, repo.DefaultBranch)
	if err != nil || c.SHA == "" {
		return info, err
	}
	info.LastCommit = &CommitInfo{SHA: s.Text(c.SHA), Message: s.Text(c.Message), Author: s.Text(c.Author)}
	if !c.At.IsZero() {
		info.LastCommit.At = c.At.UTC().Format(timeFormat)
	}
	return info, nil
}

// An openRepository is the recorded repository of a project, as the workspace's bot
// may read it.
type openRepository struct {
	gitea.Repository
	bot   *gitea.Bot
	scope *Scope
	token string // as it was sealed when it was read
}

// openRepository asks Gitea for the repository of a recorded project, and takes no
// other that has its name now.
func (s *Scope) openRepository(ctx context.Context, p Project) (openRepository, error) {
	if err := inside(s).GiteaReady(); err != nil {
		return openRepository{}, err
	}
	bot, sealed, err := s.bot(ctx)
	if err != nil {
		return openRepository{}, err
	}
	r := openRepository{bot: bot, scope: s, token: sealed}
	r.Repository, err = bot.Repository(ctx, inside(s).Workspace().GiteaOrg, p.Slug)
	if err != nil {
		return openRepository{}, r.failed(ctx, "read the repository", err)
	}
	if r.ID != p.RepositoryID || r.OwnerID != inside(s).Workspace().GiteaOrgID {
		return openRepository{}, errReplaced
	}
	return r, nil
}

// failed is the error of a request with the workspace's token.
func (r openRepository) failed(ctx context.Context, doing string, err error) error {
	return r.scope.botFailed(ctx, r.token, doing, err)
}

var errReplaced = &Error{
	Code: Unavailable, Msg: "the project's repository was replaced or renamed in Gitea", Hint: "only the platform's operator can mend this",
}

// head is the newest commit of a branch; zero if there is no such branch.
func (r openRepository) head(ctx context.Context, branch string) (gitea.Commit, error) {
	b, err := r.bot.Branch(ctx, r.Owner, r.Name, branch)
	if err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return gitea.Commit{}, r.failed(ctx, "read the repository's branch", err)
	}
	return b.Commit, nil
}

// contains reports whether a commit is head or one of those before it; false if
// there is no such commit.
func (r openRepository) contains(ctx context.Context, head, commit string) (bool, error) {
	in, err := r.bot.Contains(ctx, r.Owner, r.Name, head, commit)
	if err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return false, r.failed(ctx, "read the repository's commits", err)
	}
	return in, nil
}

// recordedProject returns the project that was created here under this name or
// owner/name; a zero Project if there is none.
func (s *Scope) recordedProject(ctx context.Context, name string) (Project, error) {
	list, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return Project{}, StoreError("list the projects", err)
	}
	for _, p := range list {
		if p.Slug == name || p.Repository == name || inside(s).Workspace().GiteaOrg+"/"+p.Slug == name {
			return p, nil
		}
	}
	return Project{}, nil
}

// projectSlug is what a repository is called: it becomes part of addresses.
var projectSlug = regexp.MustCompile(`^[a-z](?:[a-z0-9]|-[a-z0-9])*$`)

// CreateProject creates a project with a repository in the workspace's
// organisation, private and with a first commit. One of that name that is there
// already is returned as it is; created says which. Called again after a failure
// it goes on where that was.
func (s *Scope) CreateProject(ctx context.Context, name, description string) (p ProjectInfo, created bool, err error) {
	if err := s.Require(Write); err != nil {
		return ProjectInfo{}, false, err
	}
	if !projectSlug.MatchString(name) || len(name) > maxProjectName {
		return ProjectInfo{}, false, &Error{
			Code: Invalid, Msg: fmt.Sprintf("a project's name has 1 to %d lower-case letters, digits and single hyphens between them, and begins with a letter", maxProjectName),
			Hint: "as in my-site; the description may say more",
		}
	}
	if s.Text(name).String() != name {
		return ProjectInfo{}, false, &Error{Code: Invalid, Msg: "this name looks like a credential", Hint: "choose another; a name is shown to many"}
	}
	description = s.Text(description).String() // it is kept, here and in Gitea
	if len(description) > maxDescription {
		return ProjectInfo{}, false, &Error{Code: Invalid, Msg: fmt.Sprintf("a description has at most %d bytes", maxDescription)}
	}
	if err := inside(s).GiteaReady(); err != nil {
		return ProjectInfo{}, false, err
	}
	record, err := s.keepProject(ctx, name, description)
	if err != nil {
		return ProjectInfo{}, false, err
	}
	if record.Made() {
		return s.projectInfo(record), false, nil
	}
	bot, sealed, err := s.bot(ctx)
	if err != nil {
		return ProjectInfo{}, false, err
	}
	repo, err := EnsureRepository(ctx, inside(s).Org(), bot, db(s), inside(s).Workspace(), record)
	if errors.Is(err, ErrForeignRepository) {
		if err := db(s).DropProject(ctx, record.WorkspaceID, record.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return ProjectInfo{}, false, StoreError("give the name back", err)
		}
		return ProjectInfo{}, false, &Error{
			Code: Conflict, Msg: "the organisation has a repository of that name already, which was not made here",
			Hint: "choose another name; the platform's operator can see who made that one", Err: err,
		}
	}
	if err != nil {
		return ProjectInfo{}, false, s.botFailed(ctx, sealed, "make the repository", err)
	}
	record.RepositoryID, record.Repository = repo.ID, repo.FullName
	inside(s).RecordTarget(record.Repository)
	return s.projectInfo(record), true, nil
}

// keepProject writes a project down before its repository is made, or returns the
// one that is written down.
func (s *Scope) keepProject(ctx context.Context, name, description string) (Project, error) {
	list, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return Project{}, StoreError("list the projects", err)
	}
	if i := slices.IndexFunc(list, func(p Project) bool { return p.Slug == name }); i >= 0 {
		return list[i], nil
	}
	if len(list) >= MaxProjects {
		return Project{}, &Error{Code: Forbidden, Msg: fmt.Sprintf("this workspace has %d projects, and may have no more", MaxProjects), Hint: "use one that is there"}
	}
	p := Project{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, Slug: name, Name: name, Description: description,
		Nonce: RandomHex(), CreatedAt: inside(s).Now(),
	}
	err = db(s).CreateProject(ctx, p)
	if errors.Is(err, ErrConflict) { // somebody was quicker
		return s.recordedProject(ctx, name)
	}
	if err != nil {
		return Project{}, StoreError("write down the project", err)
	}
	return p, nil
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

// keptBranch is what is recorded of a branch's name: all of it, or nothing if it may
// hold a credential.
func (s *Scope) keptBranch(name string) string {
	if s.Text(name).String() != name {
		return ""
	}
	return name
}
