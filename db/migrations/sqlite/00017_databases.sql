-- Databases that were created here. nonce proves that a database on Coolify is the
-- one that was asked for, until its uuid is known. Coolify tells a database's
-- address, with the password, only when it makes it.

-- +goose Up
CREATE TABLE vibn_databases (
  id TEXT NOT NULL PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES vibn_workspaces (id),
  name TEXT NOT NULL,
  engine TEXT NOT NULL,
  nonce TEXT NOT NULL,
  coolify_uuid TEXT UNIQUE,
  url_encrypted TEXT NOT NULL DEFAULT '',
  deleting_at TIMESTAMP,
  created_at TIMESTAMP NOT NULL,
  UNIQUE (workspace_id, name)
);
