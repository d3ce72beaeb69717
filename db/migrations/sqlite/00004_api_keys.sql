-- Bearer keys: of the key itself only its SHA-256 is here. A key and the key
-- that it was minted with are of one workspace, by constraint.

-- +goose Up
CREATE TABLE vibn_api_keys (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,
  last4 TEXT NOT NULL,
  digest TEXT NOT NULL UNIQUE, -- lower-case hex
  rights TEXT NOT NULL, -- "read,deploy"
  created_by TEXT NOT NULL,
  parent_id TEXT,
  expires_at TIMESTAMP,
  last_used_at TIMESTAMP,
  revoked_at TIMESTAMP,
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, id),
  FOREIGN KEY (workspace_id, parent_id) REFERENCES vibn_api_keys (workspace_id, id)
);

CREATE INDEX vibn_api_keys_workspace_id_created_at_idx ON vibn_api_keys (workspace_id, created_at, id);
CREATE INDEX vibn_api_keys_parent_id_idx ON vibn_api_keys (workspace_id, parent_id);
