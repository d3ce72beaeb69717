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

// AuditStore keeps the audit trail. Its methods are those of [Store].
type AuditStore interface {
	StartAudit(ctx context.Context, e AuditEntry) error
	FinishAudit(ctx context.Context, workspaceID, id string, f AuditFinish) error
}

// OnRecord does something that is no call of a [Scope], and writes it to the
// workspace's audit trail before and after. What cannot be written down before is
// not done.
func OnRecord(ctx context.Context, store AuditStore, now func() time.Time, e AuditEntry, act func() error) error {
	e = StartedEntry(e, now())
	if err := store.StartAudit(ctx, e); err != nil {
		return StoreError("start an audit entry", err)
	}
	return FinishEntry(ctx, store, now, e, act())
}

// StartedEntry fills in the fields that each entry has when it is started.
func StartedEntry(e AuditEntry, at time.Time) AuditEntry {
	e.ID, e.At, e.Args, e.Outcome = uuid.Must(uuid.NewV7()).String(), at, cmp.Or(e.Args, "{}"), "started"
	return e
}

// FinishEntry writes how the act of a started entry ended, also if its caller has
// gone meanwhile. It returns the act's error; if there is none, its own.
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

// AuditArgs encodes the arguments that an entry keeps: values of known forms only,
// as the workspace's people read them and nothing scrubs them.
func AuditArgs(args map[string]any) string {
	raw, err := json.Marshal(args)
	if err != nil { // texts and numbers only
		return "{}"
	}
	return string(raw)
}

// OperatorPrincipal stands in the audit trail for the platform's operator.
const OperatorPrincipal = "operator"

// PlatformPrincipal stands in the audit trail for what vibn-mcp does by itself.
const PlatformPrincipal = "platform"

// ShortText is a short text of one clean line.
func ShortText(s string) string {
	s = untrusted.Clean(s[:min(len(s), MaxShown)])
	return strings.ToValidUTF8(s[:min(len(s), 120)], "")
}
