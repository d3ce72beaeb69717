-- The values that were given to variables of apps, so that logs do not show them: a
-- container runs with the old value until it is replaced. An app need not have been
-- created here. ended_at is when another value, or none, took its place.

-- +goose Up
CREATE TABLE vibn_env_values (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  app_uuid TEXT NOT NULL, -- on Coolify
  preview BOOLEAN NOT NULL,
  value_encrypted TEXT NOT NULL, -- with the name of the variable
  written_at TIMESTAMP NOT NULL,
  ended_at TIMESTAMP
);

CREATE INDEX vibn_env_values_app_idx ON vibn_env_values (workspace_id, app_uuid);
CREATE INDEX vibn_env_values_ended_idx ON vibn_env_values (ended_at);
