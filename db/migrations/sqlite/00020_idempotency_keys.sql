-- A caller's own key for a call: used again, it must be for the same arguments.

-- +goose Up
CREATE TABLE vibn_idempotency_keys (
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  tool TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  digest TEXT NOT NULL, -- SHA-256 of the arguments
  created_at TIMESTAMP NOT NULL,
  PRIMARY KEY (workspace_id, tool, idempotency_key)
);

CREATE INDEX vibn_idempotency_keys_created_idx ON vibn_idempotency_keys (created_at);
