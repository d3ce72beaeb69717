package hosting

import (
	"context"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Coolify answers a stop or a start before the container has stopped or started. What is
// here looks again until the status says so.

// watch calls look once per poll interval until it reports done, for at most d. It takes one
// of the workspace's slots for waits and proves the principal's rights before each look.
func watch(
	ctx context.Context, s *tenancy.Scope, d time.Duration, look func(context.Context) (done bool, err error),
) error {
	leave, err := inside(s).EnterWait()
	if err != nil {
		return err
	}
	defer leave()
	every, end := inside(s).PollEvery(), time.Now().Add(d)
	for {
		done, err := look(ctx)
		if err != nil || done || time.Until(end) < every {
			return err
		}
		if on, err := Pause(ctx, s, every, "wait for the status"); err != nil || !on {
			return err
		}
	}
}

// Pause passes time between two looks of a wait, and proves the principal's rights after
// it. It returns false if the server stops: the wait then answers with what it knows.
// doing says for the log what was waited for.
func Pause(ctx context.Context, s *tenancy.Scope, d time.Duration, doing string) (on bool, err error) {
	pause := time.NewTimer(d)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true, s.Prove(ctx)
	case <-inside(s).Closing():
		return false, nil
	case <-ctx.Done():
		return false, tenancy.UpstreamError(doing, ctx.Err())
	}
}

// AwaitStop waits until the app's containers have stopped, for at most d and at most
// [MaxWait]. It returns false if Coolify has not reported that by then; it takes up to 30
// seconds to stop a container, and some more to notice.
func (a *App) AwaitStop(ctx context.Context, d time.Duration) (stopped bool, err error) {
	err = watch(ctx, a.scope, min(d, MaxWait), func(ctx context.Context) (bool, error) {
		now, err := AppByID(ctx, inside(a.scope), a.app.UUID)
		if err == nil {
			stopped = strings.HasPrefix(now.app.Status, "exited")
		}
		return stopped, err
	})
	return stopped, err
}

// startPolls bounds how long [Database.AwaitStart] waits: about 24 seconds.
const startPolls = 8

// AwaitStart waits until the database runs. It returns false if it does not after about 24
// seconds: the server is still pulling its image, or cannot, which no call of Coolify tells.
// [Database.Info] then shows the last status.
func (d *Database) AwaitStart(ctx context.Context) (started bool, err error) {
	err = watch(ctx, d.scope, startPolls*inside(d.scope).PollEvery(), func(ctx context.Context) (bool, error) {
		if d.IsRunning() {
			return true, nil
		}
		now, err := databaseByID(ctx, d.scope, d.database.UUID)
		if err == nil {
			*d = *now
		}
		return d.IsRunning(), err
	})
	return d.IsRunning(), err
}

// IsRunning reports whether the database's container runs, also if it is not healthy yet.
func (d *Database) IsRunning() bool { return strings.HasPrefix(d.database.Status, "running") }
