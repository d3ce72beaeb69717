-- Gitea tokens of a workspace's bot: one for each key, deleted with it. A token
-- without a key is the workspace's own. sealed is a value of secret.Box.

-- +goose Up
CREATE TABLE vibn_bot_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  key_id TEXT,
  gitea_token_id INTEGER NOT NULL,
  last_eight TEXT NOT NULL,
  sealed TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  revoked_at TIMESTAMP,
  FOREIGN KEY (workspace_id, key_id) REFERENCES vibn_api_keys (workspace_id, id)
);

CREATE INDEX vibn_bot_tokens_key_id_idx ON vibn_bot_tokens (workspace_id, key_id);
