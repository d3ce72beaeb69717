-- What a repository may have besides the workspace's team: the deploy keys,
-- hooks and the like that the platform put there. Whatever else is found on it is
-- taken away. provision_nonce proves that a repository is the one that was asked
-- for, until its id is known.

-- +goose Up
ALTER TABLE vibn_projects ADD COLUMN provision_nonce text NOT NULL DEFAULT '';

CREATE TABLE vibn_repository_access (
  id text PRIMARY KEY,
  gitea_repo_id bigint NOT NULL,
  kind text NOT NULL, -- deploy_key, hook, collaborator, push_mirror
  ref text NOT NULL, -- id or name of it on Gitea
  created_at timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_repository_access ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_repository_access ADD UNIQUE (workspace_id, gitea_repo_id, kind, ref);
