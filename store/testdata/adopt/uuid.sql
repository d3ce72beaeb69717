-- A platform whose ids are all uuid, made by the database.
CREATE TABLE fs_users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  data jsonb NOT NULL
);

CREATE TABLE vibn_workspaces (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  slug text NOT NULL,
  name text NOT NULL,
  owner_user_id uuid,
  coolify_project_uuid text,
  coolify_team_id integer,
  gitea_org text,
  gitea_bot_username text,
  gitea_bot_user_id integer,
  gitea_bot_token_encrypted text,
  provision_status text NOT NULL DEFAULT 'pending',
  provision_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE vibn_workspace_members (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id uuid NOT NULL REFERENCES vibn_workspaces (id),
  user_id uuid NOT NULL,
  role text NOT NULL DEFAULT 'member',
  created_at timestamptz NOT NULL DEFAULT now()
);

INSERT INTO fs_users (id, data) VALUES
  ('00000000-0000-4000-8000-0000000000a1', '{"email": "one@example.com", "displayName": "One", "name": "unused"}'),
  ('00000000-0000-4000-8000-0000000000a2', '{"email": "two@example.com", "name": "Two"}');

INSERT INTO vibn_workspaces (id, slug, name, owner_user_id, coolify_project_uuid, gitea_org, gitea_bot_username, gitea_bot_user_id, gitea_bot_token_encrypted, provision_status, created_at, updated_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'first', 'First', '00000000-0000-4000-8000-0000000000a1', 'p0c4', 'acme', 'acme-bot', 77, 'sealed by the platform', 'ready', '2026-01-02 03:04:05.123456+00', '2026-01-02 05:04:05+02'),
  ('00000000-0000-4000-8000-000000000002', 'second', 'Second', NULL, NULL, NULL, NULL, NULL, NULL, 'error', '2026-01-03 00:00:00+00', '2026-01-03 00:00:00+00');

INSERT INTO vibn_workspace_members (workspace_id, user_id, role, created_at) VALUES
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a1', 'owner', '2026-01-02 00:00:00+00'),
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-0000000000a2', 'member', '2026-01-03 00:00:00+00');
