package repository

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
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// ProjectInfo is one code base: a git repository and the apps built from it.
type ProjectInfo struct {
	Project     untrusted.Text `json:"project"` // owner/name of the repository; identifies the project
	Name        untrusted.Text `json:"name,omitzero"`
	Description untrusted.Text `json:"description,omitzero"`
	Repository  untrusted.Text `json:"repository,omitzero"` // clone address without credentials
	Pending     bool           `json:"pending,omitempty"`   // its repository has not been created yet
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
	Note          untrusted.Text `json:"note,omitzero"`         // what is wrong with it
}

// CommitInfo is a commit with its author's text.
type CommitInfo struct {
	SHA     untrusted.Text `json:"sha"`
	Message untrusted.Text `json:"message"`
	Author  untrusted.Text `json:"author,omitzero"`
	At      string         `json:"at,omitempty"` // RFC 3339, UTC
}

// These are the limits of projects.
const (
	MaxProjects    = 100 // in a workspace
	MaxProjectName = 40  // so that names made from it fit a DNS label
	MaxDescription = 255
)

// Projects lists the workspace's projects by name: those that vibn-mcp created, and the
// repositories of its other apps. An app without a repository is a project of its own,
// with the app's name.
func Projects(ctx context.Context, s *tenancy.Scope) ([]ProjectInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	recorded, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the projects", err)
	}
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]*ProjectInfo{}
	for _, p := range recorded {
		info := projectInfo(s, p)
		byName[strings.ToLower(info.Project.String())] = &info
	}
	for _, a := range seen.Apps {
		name := cmp.Or(repositoryName(a.GitRepository), a.Name)
		p, ok := byName[strings.ToLower(name)]
		if !ok {
			p = &ProjectInfo{
				Project: s.Text(name), Repository: s.Text(tenancy.WithoutUser(a.GitRepository)), Apps: []ProjectApp{},
			}
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

// projectInfo returns a recorded project without its apps.
func projectInfo(s *tenancy.Scope, p tenancy.Project) ProjectInfo {
	return ProjectInfo{
		Project: s.Text(cmp.Or(p.Repository, inside(s).Workspace().GiteaOrg+"/"+p.Slug)), Name: s.Text(p.Name),
		Description: s.Text(p.Description),
		Repository:  s.Text(CloneURL(s, p.GiteaName())), Pending: p.RepositoryID == 0, Apps: []ProjectApp{},
	}
}

var errNoProject = &tenancy.Error{
	Code: tenancy.NotFound, Msg: "no such project in this workspace", Hint: "projects_list shows the projects",
}

// Project returns one project by its name: owner/name, or the name alone in the
// workspace's own organisation. It returns [NotFound] if there is none.
func Project(ctx context.Context, s *tenancy.Scope, name string) (ProjectInfo, error) {
	projects, err := Projects(ctx, s)
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

// Repository reads the repository of a project that vibn-mcp created, as the workspace's
// bot. It returns nil for any other project: without a record, the repository is not
// proved to be the workspace's. It also returns nil if Gitea is not ready.
func Repository(ctx context.Context, s *tenancy.Scope, project string) (*RepositoryInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	p, err := RecordedProject(ctx, inside(s), project)
	if err != nil || p.RepositoryID == 0 || inside(s).GiteaReady() != nil {
		return nil, err
	}
	repo, err := Open(ctx, inside(s), p)
	if err != nil {
		return nil, err
	}
	info := &RepositoryInfo{
		CloneURL: CloneURL(s, repo.Name), DefaultBranch: s.Text(repo.DefaultBranch),
		Empty: repo.Empty,
	}
	if repo.Empty {
		return info, nil
	}
	c, err := repo.Head(ctx, repo.DefaultBranch)
	if err == nil && c.SHA == "" {
		info.Note = s.Text(repo.NoBranch(repo.DefaultBranch).Msg)
	}
	if err != nil || c.SHA == "" {
		return info, err
	}
	info.LastCommit = &CommitInfo{SHA: s.Text(c.SHA), Message: s.Text(c.Message), Author: s.Text(c.Author)}
	if !c.At.IsZero() {
		info.LastCommit.At = c.At.UTC().Format(tenancy.TimeFormat)
	}
	return info, nil
}

// An Opened is the recorded repository of a project, as the workspace's bot reads it.
type Opened struct {
	gitea.Repository
	Bot   *gitea.Bot
	scope *tenancy.Scope
	token string // sealed, as it was when it was read
}

// Open reads the repository of a recorded project from Gitea, and adopts the name that
// somebody gave it there. The error says if it was deleted; see [ErrDeleted].
func Open(ctx context.Context, s tenancy.Inside, p tenancy.Project) (Opened, error) {
	if err := s.GiteaReady(); err != nil {
		return Opened{}, err
	}
	bot, sealed, err := openBot(ctx, s.Scope)
	if err != nil {
		return Opened{}, err
	}
	r := Opened{Bot: bot, scope: s.Scope, token: sealed}
	r.Repository, err = bot.Repository(ctx, s.Workspace().GiteaOrg, p.GiteaName())
	if err == nil && r.ID == p.RepositoryID && r.OwnerID == s.Workspace().GiteaOrgID {
		return r, nil
	}
	if err != nil && !errors.Is(err, gitea.ErrRenamed) && !errors.Is(err, gitea.ErrNotFound) {
		return Opened{}, r.Failed(ctx, "read the repository", err)
	}
	return r.adopt(ctx, s, p)
}

// adopt finds the repository of a project under another name, and records that. It asks for
// the id and follows no redirect: what has left the organisation is not there.
func (r Opened) adopt(ctx context.Context, s tenancy.Inside, p tenancy.Project) (Opened, error) {
	var err error
	r.Repository, err = r.Bot.RepositoryByID(ctx, p.RepositoryID)
	if errors.Is(err, gitea.ErrNotFound) || err == nil && r.OwnerID != s.Workspace().GiteaOrgID {
		return Opened{}, r.gone(ctx, s, p)
	}
	if err != nil {
		return Opened{}, r.Failed(ctx, "read the repository", err)
	}
	if r.FullName == p.Repository {
		return r, nil
	}
	if err := db(s.Scope).RecordRepository(ctx, p.WorkspaceID, p.ID, r.ID, r.FullName); err != nil {
		return Opened{}, tenancy.StoreError("record the repository's new name", err)
	}
	// Its apps still have the old address; a run of the workspace gives them the new one.
	return r, tenancy.StoreError("have the apps' addresses renewed", db(s.Scope).RequestProvision(ctx, p.WorkspaceID))
}

// gone says why the repository of a project cannot be read. The organisation's list, which a
// server shows also where it shows no repository, tells a hidden one from a deleted one.
func (r Opened) gone(ctx context.Context, s tenancy.Inside, p tenancy.Project) error {
	list, err := s.Org().Repositories(ctx)
	if err != nil {
		return r.Failed(ctx, "list the repositories", err)
	}
	if slices.ContainsFunc(list, func(repo gitea.Repository) bool { return repo.ID == p.RepositoryID }) {
		return tenancy.PlatformError("read the repository", provision.ErrHidden)
	}
	return &tenancy.Error{
		Code: tenancy.NotFound, Msg: "the repository of the project " + p.Slug + " was deleted in Gitea",
		Err: ErrDeleted,
		Hint: "projects_create with the name " + p.Slug +
			" makes a new, empty one; until then its apps run on as they are",
	}
}

// ErrDeleted is the cause of an error that says that a project's repository was deleted.
var ErrDeleted = errors.New("the repository was deleted in Gitea")

// Failed converts the error of a request made with the workspace's token.
func (r Opened) Failed(ctx context.Context, doing string, err error) error {
	return botError(ctx, r.scope, r.token, doing, err)
}

// NoBranch says that a branch of the repository does not exist, and what there is instead.
func (r Opened) NoBranch(branch string) *tenancy.Error {
	e := &tenancy.Error{
		Code: tenancy.NotFound, Msg: fmt.Sprintf("the repository has no branch %q", tenancy.ShortText(branch)),
		Hint: "push it",
	}
	if branch == r.DefaultBranch {
		e.Msg = fmt.Sprintf("the repository's default branch %q is gone", tenancy.ShortText(branch))
		e.Hint = "push it again; or choose another default branch in Gitea, under the repository's settings"
	}
	return e
}

// Head returns the newest commit of a branch; zero if the branch does not exist.
func (r Opened) Head(ctx context.Context, branch string) (gitea.Commit, error) {
	b, err := r.Bot.Branch(ctx, r.Owner, r.Name, branch)
	if err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return gitea.Commit{}, r.Failed(ctx, "read the repository's branch", err)
	}
	return b.Commit, nil
}

// Contains reports whether a commit is head or one of its ancestors; false if the commit
// does not exist.
func (r Opened) Contains(ctx context.Context, head, commit string) (bool, error) {
	in, err := r.Bot.Contains(ctx, r.Owner, r.Name, head, commit)
	if err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return false, r.Failed(ctx, "read the repository's commits", err)
	}
	return in, nil
}

// RecordedProject returns the project that vibn-mcp created under this name or
// owner/name; a zero Project if there is none.
func RecordedProject(ctx context.Context, s tenancy.Inside, name string) (tenancy.Project, error) {
	list, err := db(s.Scope).Projects(ctx, s.Workspace().ID)
	if err != nil {
		return tenancy.Project{}, tenancy.StoreError("list the projects", err)
	}
	for _, p := range list {
		if p.Slug == name || p.GiteaName() == name || p.Repository == name ||
			s.Workspace().GiteaOrg+"/"+p.Slug == name || s.Workspace().GiteaOrg+"/"+p.GiteaName() == name {
			return p, nil
		}
	}
	return tenancy.Project{}, nil
}

// NameForm matches the name of a repository, which becomes part of addresses.
var NameForm = regexp.MustCompile(`^[a-z](?:[a-z0-9]|-[a-z0-9])*$`)

// CreateProject creates a project with a repository in the workspace's organisation,
// private and with a first commit. If the project exists, CreateProject returns it
// unchanged and created is false. A call after a failure resumes the creation.
func CreateProject(
	ctx context.Context, s *tenancy.Scope, name, description string,
) (p ProjectInfo, created bool, err error) {
	if err := s.Require(tenancy.Write); err != nil {
		return ProjectInfo{}, false, err
	}
	if !NameForm.MatchString(name) || len(name) > MaxProjectName {
		return ProjectInfo{}, false, &tenancy.Error{
			Code: tenancy.Invalid,
			Msg: fmt.Sprintf(
				"a project's name has 1 to %d lower-case letters, digits and single hyphens between them, and begins "+
					"with a letter",
				MaxProjectName,
			),
			Hint: "as in my-site; the description may say more",
		}
	}
	if s.Text(name).String() != name {
		return ProjectInfo{}, false, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this name looks like a credential",
			Hint: "choose another; names are shown to everyone in the workspace",
		}
	}
	description = s.Text(description).String() // it is stored, here and in Gitea
	if len(description) > MaxDescription {
		return ProjectInfo{}, false, &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("a description has at most %d bytes", MaxDescription),
		}
	}
	if err := inside(s).GiteaReady(); err != nil {
		return ProjectInfo{}, false, err
	}
	record, err := recordProject(ctx, s, name, description)
	if err != nil {
		return ProjectInfo{}, false, err
	}
	if record.Made() {
		if _, err := Open(ctx, inside(s), record); !errors.Is(err, ErrDeleted) {
			return projectInfo(s, record), false, nil
		}
		if record, err = forgetRepository(ctx, s, record); err != nil {
			return ProjectInfo{}, false, err
		}
	}
	bot, sealed, err := openBot(ctx, s)
	if err != nil {
		return ProjectInfo{}, false, err
	}
	repo, err := provision.EnsureRepository(ctx, inside(s).Org(), bot, db(s), inside(s).Workspace(), record)
	if errors.Is(err, provision.ErrForeignRepository) {
		if err := db(s).DropProject(ctx, record.WorkspaceID, record.ID); err != nil &&
			!errors.Is(err, tenancy.ErrNotFound) {
			return ProjectInfo{}, false, tenancy.StoreError("give the name back", err)
		}
		return ProjectInfo{}, false, &tenancy.Error{
			Code: tenancy.Conflict,
			Msg:  "the organisation has a repository of that name that was not created with projects_create",
			Hint: "choose another name; the platform's operator can see who created it", Err: err,
		}
	}
	if err != nil {
		return ProjectInfo{}, false, botError(ctx, s, sealed, "make the repository", err)
	}
	record.RepositoryID, record.Repository = repo.ID, repo.FullName
	inside(s).RecordTarget(record.Repository)
	return projectInfo(s, record), true, nil
}

// recordProject records a project before its repository is created, or returns the existing
// record.
func recordProject(ctx context.Context, s *tenancy.Scope, name, description string) (tenancy.Project, error) {
	list, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return tenancy.Project{}, tenancy.StoreError("list the projects", err)
	}
	if i := slices.IndexFunc(list, func(p tenancy.Project) bool { return p.Slug == name }); i >= 0 {
		return list[i], nil
	}
	p := tenancy.Project{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, Slug: name, Name: name,
		Description: description,
		Nonce:       tenancy.RandomHex(), CreatedAt: inside(s).Now(),
	}
	err = db(s).CreateProject(ctx, p)
	if errors.Is(err, tenancy.ErrConflict) { // a concurrent call was faster
		return RecordedProject(ctx, inside(s), name)
	}
	if errors.Is(err, tenancy.ErrFull) {
		return tenancy.Project{}, &tenancy.Error{
			Code: tenancy.Forbidden,
			Msg:  fmt.Sprintf("the workspace has %d projects, the most that it may have", MaxProjects),
			Hint: "use one of them",
		}
	}
	if err != nil {
		return tenancy.Project{}, tenancy.StoreError("write down the project", err)
	}
	return p, nil
}

// forgetRepository drops the record of a repository that was deleted, so that another can be
// created for the project.
func forgetRepository(ctx context.Context, s *tenancy.Scope, p tenancy.Project) (tenancy.Project, error) {
	err := db(s).ForgetRepository(ctx, p.WorkspaceID, p.ID, p.RepositoryID, tenancy.RandomHex())
	if err != nil && !errors.Is(err, tenancy.ErrConflict) { // a concurrent call was faster
		return p, tenancy.StoreError("forget the deleted repository", err)
	}
	list, err := db(s).Projects(ctx, p.WorkspaceID)
	if err != nil {
		return p, tenancy.StoreError("list the projects", err)
	}
	if i := slices.IndexFunc(list, func(now tenancy.Project) bool { return now.ID == p.ID }); i >= 0 {
		return list[i], nil
	}
	return p, errNoProject
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

// KeptBranch returns the branch name to record: the whole name, or "" if it may contain a
// credential.
func KeptBranch(s *tenancy.Scope, name string) string {
	if s.Text(name).String() != name {
		return ""
	}
	return name
}
