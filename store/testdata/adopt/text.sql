-- A platform whose ids are text that it makes itself, with its own constraints
-- and an own migration table of the usual name.
CREATE TABLE fs_users (
  id text PRIMARY KEY,
  data jsonb NOT NULL
);

CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL);

CREATE TABLE vibn_workspaces (
  id text PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  name text NOT NULL,
  owner_user_id text NOT NULL REFERENCES fs_users (id),
  coolify_project_uuid text,
  coolify_team_id text,
  gitea_org text,
  gitea_bot_username text,
  gitea_bot_user_id text,
  gitea_bot_token_encrypted text,
  provision_status text NOT NULL DEFAULT 'pending',
  provision_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE vibn_workspace_members (
  id text PRIMARY KEY,
  workspace_id text NOT NULL REFERENCES vibn_workspaces (id) ON DELETE CASCADE,
  user_id text NOT NULL REFERENCES fs_users (id),
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (workspace_id, user_id)
);

INSERT INTO fs_users (id, data) VALUES
  ('00000000-0000-4000-8000-0000000000a1', '{"email": "one@example.com", "displayName": "One"}'),
  ('usr_2', '{"email": "two@example.com", "name": "Two"}');

INSERT INTO vibn_workspaces (id, slug, name, owner_user_id, coolify_project_uuid, coolify_team_id, gitea_org, gitea_bot_username, gitea_bot_user_id, gitea_bot_token_encrypted, provision_status, created_at, updated_at) VALUES
  ('ws_1', 'first', 'First', '00000000-0000-4000-8000-0000000000a1', 'p0c4', '0', 'acme', 'acme-bot', '77', 'sealed by the platform', 'ready', '2026-01-02 03:04:05.123456+00', '2026-01-02 05:04:05+02'),
  ('ws_2', 'second', 'Second', 'usr_2', NULL, NULL, '', '', '', '', 'error', '2026-01-03 00:00:00+00', '2026-01-03 00:00:00+00');

INSERT INTO vibn_workspace_members (id, workspace_id, user_id, role, created_at) VALUES
  ('mem_1', 'ws_1', '00000000-0000-4000-8000-0000000000a1', 'owner', '2026-01-02 00:00:00+00'),
  ('mem_2', 'ws_1', 'usr_2', 'member', '2026-01-03 00:00:00+00');
