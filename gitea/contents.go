package gitea

import (
	"context"
	"encoding/base64"
)

// A NewFile is a text file to be committed.
type NewFile struct {
	Name    string // at the root of the repository
	Content string
	Branch  string // created by the commit if the repository is empty
	Message string
	Author  Identity
}

// An Identity is the author of a commit, as git records it.
type Identity struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type wireFile struct {
	Content part[struct {
		Path text `json:"path"`
	}] `json:"content"`
	Commit part[struct {
		SHA text `json:"sha"`
	}] `json:"commit"`
}

func (w wireFile) whole() bool   { return shaForm.MatchString(string(w.Commit.Value.SHA)) }
func (w wireFile) plain() string { return string(w.Commit.Value.SHA) }

// CreateFile commits a new file, and returns the commit; [ErrInvalid] if the file exists.
//
//api:op POST /repos/{owner}/{repo}/contents/{filepath}
func (b *Bot) CreateFile(ctx context.Context, owner, repo string, f NewFile) (sha string, err error) {
	r := newRequest(
		"POST", "/repos/{owner}/{repo}/contents/{filepath}", login(owner), repository(repo), anyName(f.Name),
	)
	r = r.with(struct {
		Content string   `json:"content"`
		Branch  string   `json:"branch"`
		Message string   `json:"message"`
		Author  Identity `json:"author"`
	}{base64.StdEncoding.EncodeToString([]byte(f.Content)), f.Branch, f.Message, f.Author})
	return one(ctx, b.client, r, func(w wireFile) bool { return string(w.Content.Value.Path) == f.Name })
}
