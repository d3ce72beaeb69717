-- What principals changed or revealed: written before, completed after. Three
-- indexes, because the pages of each filter are read newest first.

-- +goose Up
CREATE TABLE vibn_audit (
  id text COLLATE "C" PRIMARY KEY, -- part of the order, which is the same on SQLite
  at timestamptz NOT NULL,
  principal text NOT NULL,
  client text NOT NULL,
  tool text NOT NULL,
  target text NOT NULL,
  args text NOT NULL, -- JSON, as the tool allows it to be kept
  outcome text NOT NULL,
  duration_ms bigint NOT NULL DEFAULT 0,
  upstream_calls bigint NOT NULL DEFAULT 0
);

-- +goose StatementBegin
DO $$ BEGIN
  EXECUTE format('ALTER TABLE vibn_audit ADD COLUMN workspace_id %s NOT NULL REFERENCES vibn_workspaces (id)',
    (SELECT format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = 'vibn_workspaces'::regclass AND attname = 'id'));
END $$;
-- +goose StatementEnd

CREATE INDEX vibn_audit_at_idx ON vibn_audit (workspace_id, at, id);
CREATE INDEX vibn_audit_tool_idx ON vibn_audit (workspace_id, tool, at, id);
CREATE INDEX vibn_audit_target_idx ON vibn_audit (workspace_id, target, at, id);
