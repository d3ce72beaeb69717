-- What a workspace may use: NULL is what the server gives to all. Its network on
-- Coolify is its own, unless the operator placed it in one.

-- +goose Up
ALTER TABLE vibn_workspaces ADD COLUMN plan_memory TEXT; -- of each app and database, as "512m"
ALTER TABLE vibn_workspaces ADD COLUMN plan_cpus TEXT; -- likewise, as "0.5"
ALTER TABLE vibn_workspaces ADD COLUMN plan_apps INTEGER;
ALTER TABLE vibn_workspaces ADD COLUMN plan_databases INTEGER;
ALTER TABLE vibn_workspaces ADD COLUMN coolify_destination_uuid TEXT;
