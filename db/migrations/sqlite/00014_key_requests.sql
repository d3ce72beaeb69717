-- A form that is sent twice mints one key: each form has a number of its own.

-- +goose Up
ALTER TABLE vibn_api_keys ADD COLUMN request TEXT;

CREATE UNIQUE INDEX vibn_api_keys_request_key ON vibn_api_keys (workspace_id, request) WHERE request IS NOT NULL;
