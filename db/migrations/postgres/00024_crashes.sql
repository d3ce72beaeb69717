-- What was seen of apps: the versions that were deployed and whether they answered, and the last
-- lines of one that crashes, which has no log any more once Coolify has given it up. An
-- app need not have been created here. reported_at is when Gitea was first told the
-- outcome of a push.

-- +goose Up
ALTER TABLE vibn_apps ADD COLUMN reported_at timestamptz;

CREATE TABLE vibn_app_versions (
  app_uuid text NOT NULL, -- on Coolify
  commit_sha text NOT NULL,
  deployment_uuid text NOT NULL, -- on Coolify; the last of that commit
  live boolean NOT NULL, -- whether it ran and answered
  seen_at timestamptz NOT NULL
);

CREATE TABLE vibn_crash_logs (
  id text NOT NULL PRIMARY KEY,
  app_uuid text NOT NULL, -- on Coolify
  log_encrypted text NOT NULL,
  kept_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ DECLARE made text; BEGIN
  FOREACH made IN ARRAY ARRAY['vibn_app_versions', 'vibn_crash_logs'] LOOP
    EXECUTE format('ALTER TABLE %I ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)', made,
      (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
       WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
  END LOOP;
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_app_versions ADD PRIMARY KEY (workspace_id, app_uuid, commit_sha);
ALTER TABLE vibn_crash_logs ADD UNIQUE (workspace_id, app_uuid);
CREATE INDEX vibn_crash_logs_kept_idx ON vibn_crash_logs (kept_at);
