package tenancy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// The states of a commit, as Gitea calls them.
const (
	pushPending   = "pending"
	pushSuccess   = "success"
	pushFailure   = "failure"
	pushOvertaken = "warning"
)

// An appHead is an app with the newest commit of its branch; empty = there is no
// such branch, or the branch is not known yet.
type appHead struct {
	app  AppRecord
	head string
}

// moved reports whether there is something to decide on.
func (h appHead) moved() bool { return h.app.Branch == "" || h.head != "" && h.head != h.app.Head }

// headsOf asks Gitea for the branches of apps that are built from the repository.
func (r openRepository) headsOf(ctx context.Context, records []AppRecord) ([]appHead, error) {
	known := map[string]string{"": ""}
	var heads []appHead
	for _, rec := range records {
		head, ok := known[rec.Branch]
		if !ok {
			c, err := r.head(ctx, rec.Branch)
			if err != nil {
				return nil, err
			}
			head = c.SHA
			known[rec.Branch] = head
		}
		heads = append(heads, appHead{rec, head})
	}
	return heads, nil
}

// wantMoved wants the job of a push if a branch has moved: once for what the
// branches have now, as the job then goes on until that is decided on.
func wantMoved(ctx context.Context, store Store, p Project, heads []appHead) error {
	if !slices.ContainsFunc(heads, appHead.moved) {
		return nil
	}
	digest := sha256.New()
	for _, h := range heads {
		_, _ = fmt.Fprintf(digest, "%s %q %s\n", h.app.ID, h.app.Branch, h.head) // never fails; see hash.Hash
	}
	err := store.WantPush(ctx, p.WorkspaceID, p.RepositoryID, "heads "+hex.EncodeToString(digest.Sum(nil)))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return StoreError("write down a push", err)
	}
	return nil
}
