-- A platform with workspaces by uuid and people by text, types of its own,
-- columns that may be null, and an index under the name of a constraint.
CREATE TYPE provision_state AS ENUM ('pending', 'partial', 'ready', 'error');
CREATE TYPE member_role AS ENUM ('owner', 'admin', 'member');

CREATE TABLE fs_users (
  id uuid PRIMARY KEY,
  data jsonb
);

CREATE TABLE vibn_workspaces (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  slug text,
  name text,
  owner_user_id text,
  coolify_project_uuid text,
  coolify_team_id bigint,
  gitea_org varchar(40),
  gitea_bot_username varchar(40),
  gitea_bot_user_id bigint,
  gitea_bot_token_encrypted text,
  provision_status provision_state,
  provision_error text,
  created_at timestamp,
  updated_at timestamp
);
CREATE UNIQUE INDEX vibn_workspaces_slug_key ON vibn_workspaces (slug);

CREATE TABLE vibn_workspace_members (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid,
  user_id text,
  role member_role,
  created_at timestamp
);

INSERT INTO fs_users (id, data) VALUES
  ('00000000-0000-4000-8000-0000000000a1', '{"email": "one@example.com", "displayName": "One"}'),
  ('00000000-0000-4000-8000-0000000000a3', NULL);

INSERT INTO vibn_workspaces (id, slug, name, owner_user_id, coolify_project_uuid, gitea_org, gitea_bot_username, gitea_bot_user_id, gitea_bot_token_encrypted, provision_status, created_at, updated_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'first', 'First', '00000000-0000-4000-8000-0000000000a1', 'p0c4', 'acme', 'acme-bot', 77, 'sealed by the platform', 'ready', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05'),
  ('00000000-0000-4000-8000-000000000002', 'second', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO vibn_workspace_members (workspace_id, user_id, role, created_at) VALUES
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a1', 'owner', '2026-01-02 00:00:00'),
  ('00000000-0000-4000-8000-000000000001', 'usr_2', 'member', '2026-01-03 00:00:00');
