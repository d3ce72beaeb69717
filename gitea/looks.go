package gitea

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// MayFork reports whether the bot may fork a repository into its own space, and so become
// administrator of the fork. It asks for a fork with a name that no repository can have:
// Gitea looks at what the bot may have first, and at the name last, so that nothing is made
// either way. A server that would fork answers with an error of its own, which its log shows.
//
//api:op POST /repos/{owner}/{repo}/forks
func (b *Bot) MayFork(ctx context.Context, owner, repo string) (bool, error) {
	r := newRequest("POST", "/repos/{owner}/{repo}/forks", login(owner), repository(repo)).with(struct {
		Name string `json:"name"`
	}{"-"})
	_, err := one[wireRepository](ctx, b.client, r, nil)
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err == nil, err
	case errors.Is(err, ErrConflict): // its limit, or a fork that it has already
		return !strings.Contains(e.Detail, "limit"), nil
	case errors.Is(err, ErrForbidden) && !errors.Is(err, ErrScope):
		return false, nil
	case errors.Is(err, ErrInvalid), e.Status == http.StatusInternalServerError: // the name came last
		return true, nil
	}
	return false, err
}

// Assignees lists the users to whom an issue of a repository may be given, as the bot is
// shown them.
//
//api:op GET /repos/{owner}/{repo}/assignees
func (b *Bot) Assignees(ctx context.Context, owner, repo string) ([]User, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/assignees", login(owner), repository(repo))
	answer, err := b.send(ctx, r) // not in pages
	if err != nil {
		return nil, err
	}
	var list []wireUser
	if err := answer.Decode(&list); err != nil {
		return nil, answer.Unusable(err)
	}
	if list == nil {
		return nil, answer.Unusable(errAnswer)
	}
	users := []User{}
	for _, w := range list {
		if err := judge(w, nil); err != nil {
			return nil, answer.Unusable(err)
		}
		users = append(users, w.plain())
	}
	return users, nil
}

// RepositoryByID returns a repository that the bot may read, whatever its name is now.
// [ErrNotFound] if it was deleted, or went where the bot may not look.
//
//api:op GET /repositories/{id}
func (b *Bot) RepositoryByID(ctx context.Context, repo int64) (Repository, error) {
	return b.repositoryByID(ctx, repo)
}

// NewestForks lists a page of the forks of all owners, the newest first. Pages count from 1;
// one without any is the last.
//
//api:op GET /repos/search
func (a *Admin) NewestForks(ctx context.Context, page int) ([]Repository, error) {
	return a.newest(ctx, "fork", page)
}

// Newest lists up to 50 repositories of all owners, the newest first.
//
//api:op GET /repos/search
func (a *Admin) Newest(ctx context.Context) ([]Repository, error) { return a.newest(ctx, "", 1) }

func (a *Admin) newest(ctx context.Context, mode string, page int) ([]Repository, error) {
	r := newRequest("GET", "/repos/search").page(page)
	for key, value := range map[string]string{"mode": mode, "sort": "id", "order": "desc"} {
		r.query.Set(key, value)
	}
	answer, err := a.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var w struct {
		OK   flag             `json:"ok"`
		Data []wireRepository `json:"data"`
	}
	if err := answer.Decode(&w); err != nil || !bool(w.OK) {
		return nil, answer.Unusable(errAnswer)
	}
	forks := []Repository{}
	for _, one := range w.Data {
		if err := judge(one, nil); err != nil {
			return nil, answer.Unusable(err)
		}
		forks = append(forks, one.plain())
	}
	return forks, nil
}

// Runners lists the runners of one repository. [ErrRouteMissing] or [ErrNotFound] if the
// server is too old or has Actions switched off.
//
//api:op GET /repos/{owner}/{repo}/actions/runners
func (c RepoClient) Runners(ctx context.Context) ([]Runner, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/actions/runners", login(c.owner), repository(c.name))
	return collect(ctx, c.admin.client, r, nil, readRunners)
}

// SSHWorks reports whether Gitea takes deploy keys. It gives one that is no key: a server
// with SSH says so, one without says that before it looks. Nothing is made either way.
//
//api:op POST /repos/{owner}/{repo}/keys
func (c RepoClient) SSHWorks(ctx context.Context) (bool, error) {
	r := newRequest("POST", "/repos/{owner}/{repo}/keys", login(c.owner), repository(c.name)).with(
		wireNewDeployKey{"-", "-", true},
	)
	answer, err := c.admin.send(ctx, r)
	switch {
	case err == nil:
		return false, answer.Unusable(errAnswer)
	case errors.Is(err, ErrSSHOff):
		return false, nil
	case errors.Is(err, ErrInvalid):
		return true, nil
	}
	return false, err
}

// Rename gives an organisation another name; the old one redirects until somebody takes
// it. [ErrRouteMissing] before Gitea 1.24, [ErrInvalid] if the name is taken.
//
//api:op POST /orgs/{org}/rename
func (c OrgClient) Rename(ctx context.Context, name string) error {
	return c.admin.do(ctx, newRequest("POST", "/orgs/{org}/rename", login(c.name)).with(struct {
		Name string `json:"new_name"`
	}{name}))
}

// RenameUser gives a user another name; the old one redirects until somebody takes it.
// [ErrInvalid] if the name is taken.
//
//api:op POST /admin/users/{username}/rename
func (a *Admin) RenameUser(ctx context.Context, name, to string) error {
	return a.do(ctx, newRequest("POST", "/admin/users/{username}/rename", login(name)).with(struct {
		Name string `json:"new_username"`
	}{to}))
}
