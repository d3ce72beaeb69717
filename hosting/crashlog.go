package hosting

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	keptLines = 200      // lines of a crashing app's log that are read to be kept
	keptBytes = 64 << 10 // of them, the last
	keptApart = time.Minute
)

// KeepCrashLog keeps the end of the log of an app whose container crashed, because Coolify
// removes the container, and the log with it, after some restarts. It does nothing for an
// app that did not crash, and at most once a minute. A failure goes to the operator's log:
// whoever looks at the app wants to know something else.
func KeepCrashLog(ctx context.Context, a *App) {
	if a.app.Restarts == 0 || strings.HasPrefix(a.app.Status, "exited") {
		return
	}
	kept, err := db(a.scope).KeptLog(ctx, inside(a.scope).Workspace().ID, a.UUID())
	if err == nil && inside(a.scope).Now().Sub(kept.At) < keptApart {
		return
	}
	_, err = a.Logs(ctx, keptLines, "") // which keeps it
	if err != nil && tenancy.Public(err).Code != tenancy.Conflict {
		a.logKeeping(ctx, err)
	}
}

func (a *App) logKeeping(ctx context.Context, err error) {
	inside(a.scope).Log().WarnContext(
		ctx, "log of an app that crashes not kept", "workspace", inside(a.scope).Workspace().Slug, "err",
		a.scope.ForLog(err),
	)
}

// keepLog keeps the end of a log that was read of an app that crashes. The lines are
// scrubbed already, as a secret of today may be unknown when they are shown.
func (a *App) keepLog(ctx context.Context, lines []string) {
	text := strings.Join(lines, "\n")
	if len(text) > keptBytes {
		_, text, _ = strings.Cut(text[len(text)-keptBytes:], "\n")
	}
	if text == "" {
		return
	}
	l := KeptLog{ID: uuid.Must(uuid.NewV7()).String(), App: a.UUID(), At: inside(a.scope).Now()}
	var err error
	l.Sealed, err = inside(a.scope).Box().Seal(secret.NewText(text), CrashLogPlace(l.ID))
	if err == nil {
		err = db(a.scope).KeepLog(ctx, inside(a.scope).Workspace().ID, l)
	}
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		a.logKeeping(ctx, err)
	}
}

// keptLog returns the log that was kept of an app, and a note that says so; false if there
// is none.
func (a *App) keptLog(ctx context.Context) (text, note string, ok bool, err error) {
	l, err := db(a.scope).KeptLog(ctx, inside(a.scope).Workspace().ID, a.UUID())
	if errors.Is(err, tenancy.ErrNotFound) {
		return "", "", false, nil
	}
	if err != nil {
		return "", "", false, tenancy.StoreError("read the log that was kept", err)
	}
	plain, err := inside(a.scope).Box().Open(l.Sealed, CrashLogPlace(l.ID))
	if err != nil {
		return "", "", false, tenancy.StoreError("read the log that was kept", err)
	}
	note = "the app is not running, so it has no log; these are its last lines from when it crashed, kept at " +
		l.At.UTC().Format(tenancy.TimeFormat) + " "
	return plain.Reveal(), note, true, nil
}
