package people

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// KeyFilter says which of a workspace's keys are listed.
type KeyFilter string

// The filters of keys.
const (
	AllKeys     KeyFilter = ""
	KeysInForce KeyFilter = "active"
	KeysEnded   KeyFilter = "ended" // revoked or expired; listed for 90 days
)

// MaxKeyPage is the most keys that a page has, and how many it has by default. All keys
// that a workspace may mint itself and that are in force fit into one.
const MaxKeyPage = MaxKeys

// KeyQuery selects a page of a workspace's keys.
type KeyQuery struct {
	State KeyFilter
	At    time.Time // at which State is judged; [Keys] and [Operator.Keys] set it
	After string    // [KeyPage].Next of the page before; empty = the first page
	Limit int       // at most this many; 0 = [MaxKeyPage]
}

// KeyPage is a page of a workspace's keys, newest first.
type KeyPage struct {
	Keys []tenancy.Key
	Next string // id of the last key; empty = there are no more
}

// check returns [tenancy.Invalid] for a query that was not made here.
func (q KeyQuery) check() error {
	switch {
	case q.State != AllKeys && q.State != KeysInForce && q.State != KeysEnded:
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("state must be %q or %q", KeysInForce, KeysEnded),
			Hint: "leave it out to list all keys",
		}
	case q.Limit < 0 || q.Limit > MaxKeyPage:
		return &tenancy.Error{Code: tenancy.Invalid, Msg: fmt.Sprintf("limit must be between 1 and %d", MaxKeyPage)}
	case q.After != "" && (len(q.After) != maxKeyID || uuid.Validate(q.After) != nil):
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this cursor did not come from a list of keys",
			Hint: "leave it out to start again",
		}
	}
	return nil
}

// keyLister is what a list of keys needs of a store.
type keyLister interface {
	Keys(ctx context.Context, workspaceID string, q KeyQuery) ([]tenancy.Key, error)
}

// keysOf returns a page of a workspace's keys. It asks for one key more than it returns,
// to see whether there are more.
func keysOf(ctx context.Context, store keyLister, workspaceID string, q KeyQuery) (KeyPage, error) {
	if err := q.check(); err != nil {
		return KeyPage{}, err
	}
	if q.Limit == 0 {
		q.Limit = MaxKeyPage
	}
	limit := q.Limit
	q.Limit++
	keys, err := store.Keys(ctx, workspaceID, q)
	if err != nil {
		return KeyPage{}, tenancy.StoreError("list the keys", err)
	}
	if len(keys) <= limit {
		return KeyPage{Keys: keys}, nil
	}
	return KeyPage{keys[:limit], keys[limit-1].ID}, nil
}
