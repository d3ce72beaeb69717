package tenancy

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// AuditStore keeps the audit trail.
type AuditStore interface {
	// StartAudit writes an entry with outcome "started", before a change.
	StartAudit(ctx context.Context, e AuditEntry) error
	// FinishAudit completes an entry. A non-empty Target replaces the entry's. A refusal that
	// changed nothing, and that is as another of a moment ago, is counted in that entry.
	FinishAudit(ctx context.Context, workspaceID, id string, f AuditFinish) error
}

// OnRecord runs act, which is not a call of a [Scope], and writes an entry to the
// workspace's audit trail before and after. If the first write fails, act does not run.
func OnRecord(ctx context.Context, store AuditStore, now func() time.Time, e AuditEntry, act func() error) error {
	e = StartedEntry(e, now())
	if err := store.StartAudit(ctx, e); err != nil {
		return StoreError("start an audit entry", err)
	}
	return FinishEntry(ctx, store, now, e, act())
}

// StartedEntry fills in the fields that every started entry has.
func StartedEntry(e AuditEntry, at time.Time) AuditEntry {
	e.ID, e.At, e.Args, e.Outcome = uuid.Must(uuid.NewV7()).String(), at, cmp.Or(e.Args, "{}"), "started"
	return e
}

// FinishEntry writes how the act of a started entry ended, even if its caller has
// disconnected. It returns the act's error; if the act succeeded, the error of the write.
func FinishEntry(ctx context.Context, store AuditStore, now func() time.Time, e AuditEntry, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	finish := AuditFinish{Outcome: "ok", Duration: now().Sub(e.At)}
	if err != nil {
		finish.Outcome = string(Public(err).Code)
	}
	if failed := store.FinishAudit(ctx, e.WorkspaceID, e.ID, finish); failed != nil && err == nil {
		err = StoreError("finish an audit entry", failed)
	}
	return err
}

// AuditArgs encodes the arguments that an entry keeps. The values must have known forms:
// the workspace's members read them, and no scrubber cleans them.
func AuditArgs(args map[string]any) string {
	raw, err := json.Marshal(args)
	if err != nil { // texts and numbers only
		return "{}"
	}
	return string(raw)
}

// OperatorPrincipal names the platform's operator in the audit trail.
const OperatorPrincipal = "operator"

// PlatformPrincipal names vibn-mcp in the audit trail, for what it does without a caller.
const PlatformPrincipal = "platform"

// ShortText cleans a text and cuts it to one line of at most 120 bytes.
func ShortText(s string) string {
	s = untrusted.Clean(s[:min(len(s), MaxShown)])
	return strings.ToValidUTF8(s[:min(len(s), 120)], "")
}
