package tenancy

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// A Workspace is one customer: a Coolify project and a Gitea organisation that its keys
// and members may reach.
type Workspace struct {
	ID             string // opaque; a UUID in rows that vibn-mcp made
	Slug           string // unique, never reused; see [CheckSlug]
	Name           string // for people
	OwnerUserID    string // the platform's id of the owner; may be empty
	CoolifyProject string // uuid of its Coolify project; empty until it has one
	GiteaOrg       string // its organisation on Gitea; empty until it has one
	GiteaOrgID     int64
	GiteaBot       string // login of its bot; empty until it has one
	Placement      Placement
	Plan           Plan
	Status         ProvisionStatus
	ProvisionError string // JSON, see [PartErrors]; empty when ready
	SuspendedAt    *time.Time
	DeletedAt      *time.Time // set once; the row stays, so that the slug is never reused
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// ProvisionStatus says how many of a workspace's parts exist.
type ProvisionStatus string

// The states of provisioning.
const (
	Pending ProvisionStatus = "pending"
	Partial ProvisionStatus = "partial"
	Ready   ProvisionStatus = "ready"
	Failed  ProvisionStatus = "error"
)

// A Plan bounds what a workspace may use. Zero fields are those of [Config].Plan.
type Plan struct {
	Memory    string // of each app and database, as "512m"; "0" = no bound
	CPUs      string // likewise, as "0.5"
	Apps      int    // how many apps may be created here
	Databases int    // how many databases may be created here
}

var (
	memoryForm = regexp.MustCompile(`^(?:0|[1-9][0-9]{0,11}[bkmg])$`)
	cpusForm   = regexp.MustCompile(`^[0-9]{1,3}(?:\.[0-9]{1,3})?$`)
)

// maxPlanned bounds how many apps or databases a plan may allow.
const maxPlanned = 1000

// Check validates a plan that an operator typed.
func (p Plan) Check() error {
	switch {
	case p.Memory != "" && !memoryForm.MatchString(p.Memory):
		return &Error{
			Code: Invalid, Msg: "memory is a number with b, k, m or g after it", Hint: "as in 512m; 0 is no limit",
		}
	case p.CPUs != "" && !cpusForm.MatchString(p.CPUs):
		return &Error{Code: Invalid, Msg: "cpus is a decimal number", Hint: "as in 0.5; 0 is no limit"}
	case p.Apps < 0 || p.Apps > maxPlanned || p.Databases < 0 || p.Databases > maxPlanned:
		return &Error{
			Code: Invalid, Msg: fmt.Sprintf("a plan allows at most %d apps, and as many databases", maxPlanned),
			Hint: "0 is the platform's default",
		}
	}
	return nil
}

// DefaultPlan is the plan that applies where the configuration sets none.
func DefaultPlan() Plan { return Plan{Memory: "512m", CPUs: "1", Apps: 10, Databases: 3} }

// Or fills the zero fields of a plan from another.
func (p Plan) Or(other Plan) Plan {
	return Plan{
		cmp.Or(p.Memory, other.Memory), cmp.Or(p.CPUs, other.CPUs), cmp.Or(p.Apps, other.Apps),
		cmp.Or(p.Databases, other.Databases),
	}
}

// Placement says where a workspace's apps run and how far the host separates them from
// other workspaces. It belongs to the workspace; no tool's argument sets it.
type Placement struct {
	Server      string // Coolify server uuid; empty = not chosen yet
	Destination string // Coolify destination (Docker network) uuid; may be empty
	Trust       Trust
}

// Trust says what the host of a workspace may run. The zero Trust is treated as [Shared].
type Trust string

// The degrees of trust. On a shared host one Docker daemon serves several workspaces, so
// vibn-mcp refuses everything that would give a tenant control of the host. A dedicated
// host has no other tenant. Trusted means that the operator vouches for this workspace's
// members on a shared host.
const (
	Shared    Trust = "shared"
	Dedicated Trust = "dedicated"
	Trusted   Trust = "trusted"
)

// ParseTrust accepts exactly the three names.
func ParseTrust(s string) (Trust, error) {
	switch t := Trust(s); t {
	case Shared, Dedicated, Trusted:
		return t, nil
	}
	return "", fmt.Errorf("trust %q is none of shared, dedicated, trusted", s)
}

// MaxSlug is the length of the longest slug. With the prefix "vibn-bot-" it
// still fits Gitea's 40 characters for a user name.
const MaxSlug = 31

var slugPattern = regexp.MustCompile(`^[a-z](?:[a-z0-9]|-[a-z0-9])*$`)

// CheckSlug reports why s cannot be a workspace's slug. A slug has 1 to 31 lower-case
// letters, digits and single inner hyphens, and begins with a letter. "bot" and "bot-…"
// are refused, as their Gitea names would be those of another workspace's bot.
func CheckSlug(s string) error {
	switch {
	case len(s) > MaxSlug:
		return fmt.Errorf("a slug has at most %d characters", MaxSlug)
	case !slugPattern.MatchString(s):
		return fmt.Errorf(
			"a slug has lower-case letters, digits and single hyphens between them, and begins with a letter",
		)
	case s == "bot" || strings.HasPrefix(s, "bot-"):
		return fmt.Errorf(`a slug is not "bot" and does not begin with "bot-"`)
	}
	return nil
}

// A Role is the role of a member in a workspace.
type Role string

// The roles, by falling rights; see [Role.Rights].
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
)

// A Member is a person in a workspace.
type Member struct {
	WorkspaceID string
	UserID      string // the platform's id
	GiteaUserID int64  // their account on Gitea; 0 = unknown
	Role        Role
	Email       string // for display; never used to identify; may be empty
	DisplayName string // may be empty
	CreatedAt   time.Time
}
