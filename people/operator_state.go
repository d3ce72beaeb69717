package people

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// WorkspaceState is a workspace as the operator sees it. The command line and the
// operator's HTTP API encode it, so both use the same names. Name, OwnerUserID and the
// errors are not cleaned; see [WorkspaceState.Clean].
type WorkspaceState struct {
	ID             string              `json:"id"`
	Slug           string              `json:"slug"`
	Name           string              `json:"name"`
	OwnerUserID    string              `json:"owner_user_id,omitempty"`
	Status         string              `json:"provision_status"` // pending, partial, ready or error
	Settled        bool                `json:"settled"`          // no run is requested or under way
	Errors         []tenancy.PartError `json:"provision_errors"` // never nil
	CoolifyProject string              `json:"coolify_project_uuid,omitempty"`
	Network        string              `json:"coolify_network_uuid,omitempty"` // of its destination
	GiteaOrg       string              `json:"gitea_org,omitempty"`
	GiteaBot       string              `json:"gitea_bot_username,omitempty"`
	Server         string              `json:"placement_server,omitempty"`      // uuid on Coolify
	Destination    string              `json:"placement_destination,omitempty"` // uuid on Coolify
	Trust          string              `json:"placement_trust"`                 // shared, dedicated or trusted
	Plan           PlanState           `json:"plan"`
	Suspended      bool                `json:"suspended"`
	Deleted        bool                `json:"deleted"`
	CreatedAt      string              `json:"created_at"` // RFC 3339, in UTC
}

// PlanState is a workspace's own plan. Absent fields are the platform's default.
type PlanState struct {
	Memory    string `json:"memory,omitempty"`
	CPUs      string `json:"cpus,omitempty"`
	Apps      int    `json:"apps,omitempty"`
	Databases int    `json:"databases,omitempty"`
}

// KeyInfo is what every door may show of a key. Times are RFC 3339, in UTC. Name and
// CreatedBy are not cleaned; see [KeyInfo.Clean].
type KeyInfo struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Prefix     string `json:"prefix"`
	Last4      string `json:"last4"`
	Rights     string `json:"rights"`
	State      string `json:"state"` // active, expired or revoked
	CreatedBy  string `json:"created_by"`
	ExpiresAt  string `json:"expires_at,omitempty"` // absent = never
	LastUsedAt string `json:"last_used_at,omitempty"`
	RevokedAt  string `json:"revoked_at,omitempty"`
	Key        string `json:"key,omitempty"` // the key itself; only in the answer that minted it
}

// StateOf returns a workspace as the operator sees it.
func StateOf(p tenancy.Provision) WorkspaceState {
	errs := []tenancy.PartError(tenancy.ParsePartErrors(p.ProvisionError))
	if errs == nil {
		errs = []tenancy.PartError{}
	}
	return WorkspaceState{
		ID: p.ID, Slug: p.Slug, Name: p.Name, OwnerUserID: p.OwnerUserID,
		Status: string(p.Status), Settled: p.Done >= p.Wanted, Errors: errs,
		CoolifyProject: p.Parts.CoolifyProject, Network: p.Destination, GiteaOrg: p.GiteaOrg, GiteaBot: p.GiteaBot,
		Server: p.Placement.Server, Destination: p.Placement.Destination, Trust: string(p.Placement.Trust),
		Plan:      PlanState(p.Plan),
		Suspended: p.SuspendedAt != nil, Deleted: p.DeletedAt != nil, CreatedAt: moment(&p.CreatedAt),
	}
}

// Clean returns the state as a terminal may show it: each text of unknown origin becomes
// one clean line.
func (s WorkspaceState) Clean() WorkspaceState {
	s.Name, s.OwnerUserID = untrusted.Clean(s.Name), untrusted.Clean(s.OwnerUserID)
	errs := make([]tenancy.PartError, 0, len(s.Errors))
	for _, e := range s.Errors {
		e.Part, e.Why, e.Fix = untrusted.Clean(e.Part), untrusted.Clean(e.Why), untrusted.Clean(e.Fix)
		errs = append(errs, e)
	}
	s.Errors = errs
	return s
}

// States returns the workspaces that are not deleted, by slug. It queries the store for
// the parts of each in turn.
func (o *Operator) States(ctx context.Context) ([]WorkspaceState, error) {
	list, err := o.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]WorkspaceState, 0, len(list))
	for _, w := range list {
		p, err := o.Parts(ctx, w)
		if err != nil {
			return nil, err
		}
		states = append(states, StateOf(p))
	}
	return states, nil
}

// Info returns what may be shown of a key at a time, without the key itself.
func Info(k tenancy.Key, now time.Time) KeyInfo {
	return KeyInfo{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, Last4: k.Last4,
		Rights: k.Rights.String(), State: KeyState(k, now), CreatedBy: k.CreatedBy,
		ExpiresAt: moment(k.ExpiresAt), LastUsedAt: moment(k.LastUsedAt), RevokedAt: moment(k.RevokedAt),
	}
}

// KeyInfos returns what may be shown of keys at a time, in their order. It is never nil.
func KeyInfos(keys []tenancy.Key, now time.Time) []KeyInfo {
	infos := make([]KeyInfo, 0, len(keys))
	for _, k := range keys {
		infos = append(infos, Info(k, now))
	}
	return infos
}

// Clean returns the key as a terminal may show it: each text of unknown origin becomes
// one clean line.
func (k KeyInfo) Clean() KeyInfo {
	k.Name, k.CreatedBy = untrusted.Clean(k.Name), untrusted.Clean(k.CreatedBy)
	return k
}

// moment formats a time for JSON; "" for nil.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
