-- What provisioning needs to know of a workspace: which parts it has made, how
-- far it has come with what was asked for, and who is at it.

-- +goose Up
ALTER TABLE vibn_workspaces ADD COLUMN gitea_team_id INTEGER;
ALTER TABLE vibn_workspaces ADD COLUMN provision_wanted INTEGER NOT NULL DEFAULT 0; -- counts what was asked for
ALTER TABLE vibn_workspaces ADD COLUMN provision_done INTEGER NOT NULL DEFAULT 0; -- the count up to which it was done
ALTER TABLE vibn_workspaces ADD COLUMN provision_holder TEXT NOT NULL DEFAULT ''; -- the run that is at it
ALTER TABLE vibn_workspaces ADD COLUMN provision_until TIMESTAMP; -- when that run has lost it
ALTER TABLE vibn_workspaces ADD COLUMN reconciled_at TIMESTAMP;

ALTER TABLE vibn_workspace_members ADD COLUMN gitea_user_id INTEGER; -- given by the operator or the sign-in

CREATE INDEX vibn_workspaces_wanted_idx ON vibn_workspaces (id) WHERE provision_done < provision_wanted;
CREATE INDEX vibn_workspaces_reconciled_idx ON vibn_workspaces (reconciled_at)
  WHERE deleted_at IS NULL AND gitea_org_id IS NOT NULL;
