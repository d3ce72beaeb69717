package tenancy

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// onRecord does something that is no call of a [Scope], and writes it to the
// workspace's audit trail before and after. What cannot be written down before is
// not done.
func onRecord(ctx context.Context, store Store, now func() time.Time, e AuditEntry, act func() error) error {
	e.ID, e.At, e.Args = uuid.Must(uuid.NewV7()).String(), now(), "{}"
	if err := store.StartAudit(ctx, e); err != nil {
		return StoreError("start an audit entry", err)
	}
	err := act()
	finish := AuditFinish{Outcome: "ok", Duration: now().Sub(e.At)}
	if err != nil {
		finish.Outcome = string(Public(err).Code)
	}
	if failed := store.FinishAudit(ctx, e.WorkspaceID, e.ID, finish); failed != nil && err == nil {
		err = StoreError("finish an audit entry", failed)
	}
	return err
}

// PlatformPrincipal stands in the audit trail for what vibn-mcp does by itself.
const PlatformPrincipal = "platform"

// ShortText is a short text of one clean line.
func ShortText(s string) string {
	s = untrusted.Clean(s[:min(len(s), MaxShown)])
	return strings.ToValidUTF8(s[:min(len(s), 120)], "")
}
