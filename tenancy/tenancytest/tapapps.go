package tenancytest

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// CreateApp is tapped.
func (s Tap) CreateApp(ctx context.Context, a tenancy.AppRecord) error {
	return s.Hook("CreateApp", func() error { return s.Store.CreateApp(ctx, a) })
}

// RecordApp is tapped.
func (s Tap) RecordApp(ctx context.Context, workspaceID, id, uuid string, made bool) error {
	return s.Hook("RecordApp", func() error { return s.Store.RecordApp(ctx, workspaceID, id, uuid, made) })
}

// SetAppPush is tapped.
func (s Tap) SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error {
	return s.Hook("SetAppPush", func() error { return s.Store.SetAppPush(ctx, was, is) })
}

// MarkAppDeleting is tapped.
func (s Tap) MarkAppDeleting(ctx context.Context, workspaceID, id string, at time.Time) error {
	return s.Hook("MarkAppDeleting", func() error { return s.Store.MarkAppDeleting(ctx, workspaceID, id, at) })
}

// DropApp is tapped.
func (s Tap) DropApp(ctx context.Context, workspaceID, id string) error {
	return s.Hook("DropApp", func() error { return s.Store.DropApp(ctx, workspaceID, id) })
}

// ForgetApp is tapped.
func (s Tap) ForgetApp(ctx context.Context, workspaceID, app string) error {
	return s.Hook("ForgetApp", func() error { return s.Store.ForgetApp(ctx, workspaceID, app) })
}

// RecordVersion is tapped.
func (s Tap) RecordVersion(ctx context.Context, workspaceID, app string, v hosting.AppVersion) error {
	return s.Hook("RecordVersion", func() error { return s.Store.RecordVersion(ctx, workspaceID, app, v) })
}

// AppVersions is tapped.
func (s Tap) AppVersions(ctx context.Context, workspaceID, app string) ([]hosting.AppVersion, error) {
	return get(
		s, "AppVersions", func() ([]hosting.AppVersion, error) { return s.Store.AppVersions(ctx, workspaceID, app) },
	)
}

// KeepLog is tapped.
func (s Tap) KeepLog(ctx context.Context, workspaceID string, l hosting.KeptLog) error {
	return s.Hook("KeepLog", func() error { return s.Store.KeepLog(ctx, workspaceID, l) })
}

// KeepValues is tapped.
func (s Tap) KeepValues(ctx context.Context, workspaceID, app string, values []hosting.KeptValue) error {
	return s.Hook("KeepValues", func() error { return s.Store.KeepValues(ctx, workspaceID, app, values) })
}

// KeptValues is tapped.
func (s Tap) KeptValues(ctx context.Context, workspaceID, app string) ([]hosting.KeptValue, error) {
	return get(s, "KeptValues", func() ([]hosting.KeptValue, error) { return s.Store.KeptValues(ctx, workspaceID, app) })
}

// KeptLog is tapped.
func (s Tap) KeptLog(ctx context.Context, workspaceID, app string) (hosting.KeptLog, error) {
	return get(s, "KeptLog", func() (hosting.KeptLog, error) { return s.Store.KeptLog(ctx, workspaceID, app) })
}
