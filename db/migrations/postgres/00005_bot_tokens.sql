-- Gitea tokens of a workspace's bot: one for each key, deleted with it. A token
-- without a key is the workspace's own. sealed is a value of secret.Box.

-- +goose Up
CREATE TABLE vibn_bot_tokens (
  id text PRIMARY KEY,
  key_id text,
  gitea_token_id bigint NOT NULL,
  last_eight text NOT NULL,
  sealed text NOT NULL,
  created_at timestamptz NOT NULL,
  revoked_at timestamptz
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_bot_tokens ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

ALTER TABLE vibn_bot_tokens
  ADD FOREIGN KEY (workspace_id, key_id) REFERENCES vibn_api_keys (workspace_id, id);

CREATE INDEX vibn_bot_tokens_key_id_idx ON vibn_bot_tokens (workspace_id, key_id);
