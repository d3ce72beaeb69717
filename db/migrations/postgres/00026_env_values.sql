-- The values that were given to variables of apps, so that logs do not show them: a
-- container runs with the old value until it is replaced. An app need not have been
-- created here. ended_at is when another value, or none, took its place.

-- +goose Up
CREATE TABLE vibn_env_values (
  id text NOT NULL PRIMARY KEY,
  app_uuid text NOT NULL, -- on Coolify
  preview boolean NOT NULL,
  value_encrypted text NOT NULL, -- with the name of the variable
  written_at timestamptz NOT NULL,
  ended_at timestamptz
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_env_values ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

CREATE INDEX vibn_env_values_app_idx ON vibn_env_values (workspace_id, app_uuid);
CREATE INDEX vibn_env_values_ended_idx ON vibn_env_values (ended_at);
