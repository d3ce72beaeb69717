-- Apps that were created here. nonce proves that an application on Coolify is the
-- one that was asked for, until its uuid is known; made says that nothing is left
-- to do to it.

-- +goose Up
ALTER TABLE vibn_projects ADD COLUMN coolify_key_uuid TEXT; -- private half of the deploy key
ALTER TABLE vibn_projects ADD COLUMN deploy_key TEXT; -- public half

CREATE TABLE vibn_apps (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  project_id TEXT NOT NULL REFERENCES vibn_projects (id),
  name TEXT NOT NULL,
  nonce TEXT NOT NULL,
  coolify_uuid TEXT UNIQUE,
  made BOOLEAN NOT NULL DEFAULT FALSE,
  deleting_at TIMESTAMP,
  head TEXT NOT NULL DEFAULT '', -- newest commit of its branch that was looked at
  deployment TEXT NOT NULL DEFAULT '', -- of that commit, on Coolify
  reported TEXT NOT NULL DEFAULT '', -- what Gitea was told of it last
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, name)
);

CREATE INDEX vibn_apps_project_idx ON vibn_apps (project_id);
