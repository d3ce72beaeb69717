-- What was seen of apps: the versions that were deployed and whether they answered, and the last
-- lines of one that crashes, which has no log any more once Coolify has given it up. An
-- app need not have been created here. reported_at is when Gitea was first told the
-- outcome of a push.

-- +goose Up
ALTER TABLE vibn_apps ADD COLUMN reported_at TIMESTAMP;

CREATE TABLE vibn_app_versions (
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  app_uuid TEXT NOT NULL, -- on Coolify
  commit_sha TEXT NOT NULL,
  deployment_uuid TEXT NOT NULL, -- on Coolify; the last of that commit
  live BOOLEAN NOT NULL, -- whether it ran and answered
  seen_at TIMESTAMP NOT NULL,
  PRIMARY KEY (workspace_id, app_uuid, commit_sha)
);

CREATE TABLE vibn_crash_logs (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  app_uuid TEXT NOT NULL, -- on Coolify
  log_encrypted TEXT NOT NULL,
  kept_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, app_uuid)
);

CREATE INDEX vibn_crash_logs_kept_idx ON vibn_crash_logs (kept_at);
