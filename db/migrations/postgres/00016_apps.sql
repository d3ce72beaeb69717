-- Apps that were created here. nonce proves that an application on Coolify is the
-- one that was asked for, until its uuid is known; made says that nothing is left
-- to do to it.

-- +goose Up
ALTER TABLE vibn_projects
  ADD COLUMN coolify_key_uuid text, -- private half of the deploy key
  ADD COLUMN deploy_key text; -- public half

CREATE TABLE vibn_apps (
  id text PRIMARY KEY,
  project_id text NOT NULL REFERENCES vibn_projects (id),
  name text NOT NULL,
  nonce text NOT NULL,
  coolify_uuid text UNIQUE,
  made boolean NOT NULL DEFAULT false,
  deleting_at timestamptz,
  head text NOT NULL DEFAULT '', -- newest commit of its branch that was looked at
  deployment text NOT NULL DEFAULT '', -- of that commit, on Coolify
  reported text NOT NULL DEFAULT '', -- what Gitea was told of it last
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_apps ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_apps ADD UNIQUE (workspace_id, name);
CREATE INDEX vibn_apps_project_idx ON vibn_apps (project_id);
