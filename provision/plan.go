package provision

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// CountUsed counts the apps and databases that were created here and are not being
// deleted.
func CountUsed(ctx context.Context, store usedStore, workspaceID string) (apps, databases int, err error) {
	as, err := store.AppRecords(ctx, workspaceID)
	if err != nil {
		return 0, 0, err
	}
	for _, a := range as {
		if a.DeletingAt == nil {
			apps++
		}
	}
	ds, err := store.DatabaseRecords(ctx, workspaceID)
	if err != nil {
		return 0, 0, err
	}
	for _, d := range ds {
		if d.DeletingAt == nil {
			databases++
		}
	}
	return apps, databases, nil
}

// PlanInfo says what the workspace may use, and what it uses.
type PlanInfo struct {
	Memory    string `json:"memory"` // of each app and database
	CPUs      string `json:"cpus"`   // likewise
	Apps      Share  `json:"apps"`   // only those that were created here
	Databases Share  `json:"databases"`
}

// A Share is how many of something are used, and the most that may be.
type Share struct {
	Used int `json:"used"`
	Most int `json:"most"`
}

// usedStore lists what a workspace has.
type usedStore interface {
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
	DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error)
}
