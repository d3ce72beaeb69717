-- Projects: a repository in the workspace's Gitea organisation. One repository
-- is recorded once, whatever the workspace.

-- +goose Up
CREATE TABLE vibn_projects (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  gitea_repo_id INTEGER UNIQUE,
  gitea_repo TEXT,
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, slug)
);
