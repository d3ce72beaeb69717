-- Projects: a repository in the workspace's Gitea organisation. One repository
-- is recorded once, whatever the workspace.

-- +goose Up
CREATE TABLE vibn_projects (
  id text PRIMARY KEY,
  slug text NOT NULL,
  name text NOT NULL,
  description text NOT NULL DEFAULT '',
  gitea_repo_id bigint UNIQUE,
  gitea_repo text,
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_projects ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_projects ADD UNIQUE (workspace_id, slug);
