-- A workspace: one Coolify project and one Gitea organisation. The slug of a
-- deleted one stays taken, so its row stays.

-- +goose Up
CREATE TABLE vibn_workspaces (
  id TEXT NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL DEFAULT '',
  owner_user_id TEXT,
  coolify_project_uuid TEXT,
  coolify_team_id INTEGER,
  gitea_org TEXT,
  gitea_org_id INTEGER,
  gitea_bot_username TEXT,
  gitea_bot_user_id INTEGER,
  gitea_bot_token_id INTEGER,
  gitea_bot_token_encrypted TEXT,
  provision_status TEXT NOT NULL DEFAULT 'pending',
  provision_error TEXT,
  provision_nonce TEXT,
  placement_server TEXT NOT NULL DEFAULT '',
  placement_destination TEXT NOT NULL DEFAULT '',
  placement_trust TEXT NOT NULL DEFAULT 'shared',
  suspended_at TIMESTAMP,
  deleted_at TIMESTAMP,
  created_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL
);

-- A Coolify project belongs to one living workspace: two on one project would
-- see each other's apps.
CREATE UNIQUE INDEX vibn_workspaces_project_key ON vibn_workspaces (coolify_project_uuid)
  WHERE deleted_at IS NULL AND coolify_project_uuid <> '';
