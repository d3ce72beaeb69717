-- What principals changed or revealed: written before, completed after. Three
-- indexes, because the pages of each filter are read newest first.

-- +goose Up
CREATE TABLE vibn_audit (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  at TIMESTAMP NOT NULL,
  principal TEXT NOT NULL,
  client TEXT NOT NULL,
  tool TEXT NOT NULL,
  target TEXT NOT NULL,
  args TEXT NOT NULL, -- JSON, as the tool allows it to be kept
  outcome TEXT NOT NULL,
  duration_ms INTEGER NOT NULL DEFAULT 0,
  upstream_calls INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX vibn_audit_at_idx ON vibn_audit (workspace_id, at, id);
CREATE INDEX vibn_audit_tool_idx ON vibn_audit (workspace_id, tool, at, id);
CREATE INDEX vibn_audit_target_idx ON vibn_audit (workspace_id, target, at, id);
