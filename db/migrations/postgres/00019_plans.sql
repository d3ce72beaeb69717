-- What a workspace may use: NULL is what the server gives to all. Its network on
-- Coolify is its own, unless the operator placed it in one.

-- +goose Up
ALTER TABLE vibn_workspaces
  ADD COLUMN IF NOT EXISTS plan_memory text, -- of each app and database, as "512m"
  ADD COLUMN IF NOT EXISTS plan_cpus text, -- likewise, as "0.5"
  ADD COLUMN IF NOT EXISTS plan_apps integer,
  ADD COLUMN IF NOT EXISTS plan_databases integer,
  ADD COLUMN IF NOT EXISTS coolify_destination_uuid text;
