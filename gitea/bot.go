package gitea

import (
	"context"
	"errors"
	"net/url"
	"time"
)

type wireSearch struct {
	OK flag `json:"ok"`
}

func (w wireSearch) whole() bool { return bool(w.OK) }
func (w wireSearch) plain() bool { return bool(w.OK) }

// Alive reports whether Gitea accepts the token. The token needs the scope
// read:repository. [ErrForbidden] if its user is suspended.
//
//api:op GET /repos/search
func (b *Bot) Alive(ctx context.Context) (bool, error) {
	r := newRequest("GET", "/repos/search")
	r.query = url.Values{"page": {"1"}, "limit": {"1"}}
	alive, err := one[wireSearch](ctx, b.client, r, nil)
	if errors.Is(err, ErrUnauthorized) {
		return false, nil
	}
	return alive, err
}

// Owner returns the name of the token's user; [ErrRouteMissing] or [ErrNotFound] before
// 1.27. The token needs no scope.
//
//api:op GET /token
func (b *Bot) Owner(ctx context.Context) (string, error) {
	t, err := one[wireOwnToken](ctx, b.client, newRequest("GET", "/token"), nil)
	return t.owner, err
}

// Repository returns a repository that the bot may read.
//
//api:op GET /repos/{owner}/{repo}
func (b *Bot) Repository(ctx context.Context, owner, name string) (Repository, error) {
	return b.repository(ctx, owner, name)
}

// A Branch is a branch with its newest commit.
type Branch struct {
	Name   string
	Commit Commit
}

// A Commit is a commit. Its author chose its texts freely.
type Commit struct {
	SHA     string
	Message string
	Author  string    // name
	At      time.Time // zero if Gitea did not report it
}

type wireBranch struct {
	Name   text `json:"name"`
	Commit part[struct {
		ID      text `json:"id"`
		Message text `json:"message"`
		Author  part[struct {
			Name text `json:"name"`
		}] `json:"author"`
		Timestamp moment `json:"timestamp"`
	}] `json:"commit"`
}

func (w wireBranch) whole() bool {
	return w.Name != "" && shaForm.MatchString(string(w.Commit.Value.ID))
}

func (w wireBranch) plain() Branch {
	c := w.Commit.Value
	return Branch{
		string(w.Name), Commit{string(c.ID), string(c.Message), string(c.Author.Value.Name), c.Timestamp.Time},
	}
}

// Branch returns a branch.
//
//api:op GET /repos/{owner}/{repo}/branches/{branch}
func (b *Bot) Branch(ctx context.Context, owner, repo, branch string) (Branch, error) {
	r := newRequest(
		"GET", "/repos/{owner}/{repo}/branches/{branch}", login(owner), repository(repo), branchName(branch),
	)
	return one(ctx, b.client, r, func(w wireBranch) bool { return string(w.Name) == branch })
}

type wireCommit struct {
	SHA text `json:"sha"`
}

func (w wireCommit) whole() bool   { return shaForm.MatchString(string(w.SHA)) }
func (w wireCommit) plain() string { return string(w.SHA) }

// Contains reports whether a commit is head or one of its ancestors. [ErrNotFound] if the
// commit does not exist.
//
//api:op GET /repos/{owner}/{repo}/commits
func (b *Bot) Contains(ctx context.Context, owner, repo, head, commit string) (bool, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/commits", login(owner), repository(repo))
	if !shaForm.MatchString(head) || !shaForm.MatchString(commit) {
		return false, b.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, errSHA)
	}
	// Request the commits that are reachable from the commit but not from head: there are
	// none if head contains it.
	r.query = url.Values{
		"sha": {commit}, "not": {head}, "page": {"1"}, "limit": {"1"}, "stat": {"false"}, "verification": {"false"},
		"files": {"false"},
	}
	answer, err := b.send(ctx, r)
	if err != nil {
		return false, err
	}
	var others []wireCommit
	if err := answer.Decode(&others); err != nil {
		return false, answer.Unusable(err)
	}
	if others == nil {
		return false, answer.Unusable(errAnswer)
	}
	for _, c := range others {
		if err := judge(c, nil); err != nil {
			return false, answer.Unusable(err)
		}
	}
	return len(others) == 0, nil
}

// A Status is a statement about a commit.
type Status struct {
	State       string // pending, success, error, failure, warning; skipped in newer versions
	Context     string // the source of the status: of one context the newest counts
	Description string
	TargetURL   string
}

type wireStatus struct {
	ID          number `json:"id"`
	State       text   `json:"status"`
	Context     text   `json:"context"`
	Description text   `json:"description"`
	TargetURL   text   `json:"target_url"`
}

func (w wireStatus) whole() bool { return w.ID > 0 && w.State != "" }

func (w wireStatus) plain() Status {
	return Status{string(w.State), string(w.Context), string(w.Description), string(w.TargetURL)}
}

// CreateStatus adds a status to a commit.
//
//api:op POST /repos/{owner}/{repo}/statuses/{sha}
func (b *Bot) CreateStatus(ctx context.Context, owner, repo, sha string, s Status) error {
	r := statuses("POST", owner, repo, sha).with(struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}{s.State, s.Context, s.Description, s.TargetURL})
	_, err := one(
		ctx, b.client, r,
		func(w wireStatus) bool { return string(w.State) == s.State && string(w.Context) == s.Context },
	)
	return err
}

// Statuses lists the statuses of a commit, including replaced ones.
//
//api:op GET /repos/{owner}/{repo}/statuses/{sha}
func (b *Bot) Statuses(ctx context.Context, owner, repo, sha string) ([]Status, error) {
	return all[wireStatus](ctx, b.client, statuses("GET", owner, repo, sha), nil)
}

func statuses(method, owner, repo, sha string) request {
	return newRequest(
		method, "/repos/{owner}/{repo}/statuses/{sha}", login(owner), repository(repo), matching(shaForm, sha, errSHA),
	)
}
