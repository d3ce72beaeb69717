package verdict

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// These are the states of a commit, in Gitea's terms.
const (
	PushPending   = "pending"
	PushSuccess   = "success"
	PushFailure   = "failure"
	PushOvertaken = "warning"
)

// An AppHead is an app with the newest commit of its branch; empty = the branch does not
// exist or is not known yet.
type AppHead struct {
	app  tenancy.AppRecord
	head string
}

// moved reports whether the branch has a commit that has not been decided on, or the
// branch is not known yet.
func (h AppHead) moved() bool { return h.app.Branch == "" || h.head != "" && h.head != h.app.Head }

// HeadsOf reads from Gitea the branches of apps that are built from the repository.
func HeadsOf(ctx context.Context, r repository.Opened, records []tenancy.AppRecord) ([]AppHead, error) {
	known := map[string]string{"": ""}
	var heads []AppHead
	for _, rec := range records {
		head, ok := known[rec.Branch]
		if !ok {
			c, err := r.Head(ctx, rec.Branch)
			if err != nil {
				return nil, err
			}
			head = c.SHA
			known[rec.Branch] = head
		}
		heads = append(heads, AppHead{rec, head})
	}
	return heads, nil
}

// A PushRequester is what [RequestMovedPush] needs from the database.
type PushRequester interface {
	// RequestPush is as in [provision.Store].
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error
}

// RequestMovedPush requests the push job if a branch has moved, and reports in pushed whether
// one that was known has. It does so once per state of the branches, because the job then
// runs until it has decided on that state.
func RequestMovedPush(
	ctx context.Context, store PushRequester, p tenancy.Project, heads []AppHead,
) (pushed bool, err error) {
	if !slices.ContainsFunc(heads, AppHead.moved) {
		return false, nil
	}
	pushed = slices.ContainsFunc(heads, func(h AppHead) bool { return h.app.Branch != "" && h.moved() })
	digest := sha256.New()
	for _, h := range heads {
		_, _ = fmt.Fprintf(digest, "%s %q %s\n", h.app.ID, h.app.Branch, h.head) // never fails; see hash.Hash
	}
	err = store.RequestPush(ctx, p.WorkspaceID, p.RepositoryID, "heads "+hex.EncodeToString(digest.Sum(nil)))
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return false, tenancy.StoreError("write down a push", err)
	}
	return pushed, nil
}
