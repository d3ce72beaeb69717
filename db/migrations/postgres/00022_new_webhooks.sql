-- Gitea keeps the secret that a webhook was created with, so one whose secret was
-- replaced since signs with another than the recorded one. Which those are cannot be
-- told, so each workspace gets a new webhook when its parts are looked at next.

-- +goose Up
UPDATE vibn_workspaces SET gitea_hook_id = NULL WHERE gitea_hook_id IS NOT NULL;
