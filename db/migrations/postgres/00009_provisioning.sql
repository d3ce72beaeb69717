-- What provisioning needs to know of a workspace: which parts it has made, how
-- far it has come with what was asked for, and who is at it.

-- +goose Up
ALTER TABLE vibn_workspaces
  ADD COLUMN IF NOT EXISTS gitea_team_id bigint,
  ADD COLUMN IF NOT EXISTS provision_wanted bigint NOT NULL DEFAULT 0, -- counts what was asked for
  ADD COLUMN IF NOT EXISTS provision_done bigint NOT NULL DEFAULT 0, -- the count up to which it was done
  ADD COLUMN IF NOT EXISTS provision_holder text NOT NULL DEFAULT '', -- the run that is at it
  ADD COLUMN IF NOT EXISTS provision_until timestamptz, -- when that run has lost it
  ADD COLUMN IF NOT EXISTS reconciled_at timestamptz;

ALTER TABLE vibn_workspace_members ADD COLUMN IF NOT EXISTS gitea_user_id bigint; -- given by the operator or the sign-in

CREATE INDEX vibn_workspaces_wanted_idx ON vibn_workspaces (id) WHERE provision_done < provision_wanted;
CREATE INDEX vibn_workspaces_reconciled_idx ON vibn_workspaces (reconciled_at)
  WHERE deleted_at IS NULL AND gitea_org_id IS NOT NULL;
