package people

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Activity returns a page of the workspace's audit trail, newest first.
func Activity(ctx context.Context, s *tenancy.Scope, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	entries, err := db(s).Audit(ctx, inside(s).Workspace().ID, q)
	if err != nil {
		return nil, tenancy.StoreError("list the audit trail", err)
	}
	return entries, nil
}

// RequestProvision requests a run that makes or repairs the workspace's parts, and
// returns their present state. It requests nothing if the workspace is ready or a run is
// already requested.
func RequestProvision(ctx context.Context, s *tenancy.Scope) (tenancy.ProvisionStatus, error) {
	if err := s.Require(tenancy.Write); err != nil {
		return "", err
	}
	p, err := db(s).Provision(ctx, inside(s).Workspace().ID)
	if err != nil {
		return "", tenancy.StoreError("read the workspace's parts", err)
	}
	if p.Done < p.Wanted || p.Status == tenancy.Ready {
		return p.Status, nil
	}
	if err := inside(s).AdmitRetry(); err != nil {
		return "", err
	}
	if err := db(s).RequestProvision(ctx, p.ID); err != nil {
		return "", tenancy.StoreError("queue the job", err)
	}
	return p.Status, nil
}
