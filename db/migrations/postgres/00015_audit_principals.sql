-- People look at what one key or person did, newest first.

-- +goose Up
CREATE INDEX vibn_audit_principal_idx ON vibn_audit (workspace_id, principal, at, id);
