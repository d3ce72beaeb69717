-- What a repository may have besides the workspace's team: the deploy keys,
-- hooks and the like that the platform put there. Whatever else is found on it is
-- taken away. provision_nonce proves that a repository is the one that was asked
-- for, until its id is known.

-- +goose Up
ALTER TABLE vibn_projects ADD COLUMN provision_nonce TEXT NOT NULL DEFAULT '';

CREATE TABLE vibn_repository_access (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  gitea_repo_id INTEGER NOT NULL,
  kind TEXT NOT NULL, -- deploy_key, hook, collaborator, push_mirror
  ref TEXT NOT NULL, -- id or name of it on Gitea
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, gitea_repo_id, kind, ref)
);
