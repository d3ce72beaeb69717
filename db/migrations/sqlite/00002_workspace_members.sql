-- Who belongs to a workspace. user_id is the platform's id of a person.

-- +goose Up
CREATE TABLE vibn_workspace_members (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  user_id TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, user_id)
);

CREATE INDEX vibn_workspace_members_user_id_idx ON vibn_workspace_members (user_id);
