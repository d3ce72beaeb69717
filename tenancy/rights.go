package tenancy

import (
	"fmt"
	"strings"
)

// Rights is a set of rights of a principal.
type Rights uint8

// The rights. A tool needs exactly one of them.
const (
	Read   Rights = 1 << iota // see everything in the workspace but secrets
	Deploy                    // start, stop, restart and deploy apps
	Write                     // change settings and environment variables
	Git                       // push to the workspace's repositories
	Danger                    // delete things
	Keys                      // create and revoke keys
)

// AllRights is the set of all rights.
const AllRights = Read | Deploy | Write | Git | Danger | Keys

var rightNames = []struct {
	right Rights
	name  string
}{{Read, "read"}, {Deploy, "deploy"}, {Write, "write"}, {Git, "git"}, {Danger, "danger"}, {Keys, "keys"}}

// Has reports whether every right of need is in r.
func (r Rights) Has(need Rights) bool { return r&need == need }

// String lists the rights in a fixed order: "read,deploy".
func (r Rights) String() string {
	var names []string
	for _, n := range rightNames {
		if r.Has(n.right) {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

// ParseRights reads what [Rights.String] writes. The empty string gives the empty set.
func ParseRights(s string) (Rights, error) {
	var r Rights
	for name := range strings.SplitSeq(s, ",") {
		found := name == "" && s == ""
		for _, n := range rightNames {
			if n.name == name {
				r, found = r|n.right, true
			}
		}
		if !found {
			return 0, fmt.Errorf("unknown right %q", name)
		}
	}
	return r, nil
}

// A Preset is a named set of rights that a key is created with.
type Preset struct {
	Name   string
	Rights Rights
	About  string // one sentence for the person who chooses
}

// Presets lists the presets from the least to the most.
func Presets() []Preset {
	return []Preset{
		{"viewer", Read, "sees apps, deployments, logs and the names of variables; changes nothing"},
		{"deployer", Read | Deploy, "also deploys, starts, stops and restarts apps"},
		{
			"builder", Read | Deploy | Write | Git,
			"also changes variables and settings, and pushes code; the usual choice for an agent",
		},
		{"owner", AllRights, "everything, including deleting and minting keys"},
	}
}

// PresetRights returns the rights of the preset with this name.
func PresetRights(name string) (Rights, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name {
			return p.Rights, nil
		}
		names = append(names, p.Name)
	}
	return 0, fmt.Errorf("preset %q is none of %s", name, strings.Join(names, ", "))
}

// Exceeds reports whether a member with this role may do what one with the other may not.
// Owners may change owners besides.
func (r Role) Exceeds(other Role) bool {
	return !other.Rights().Has(r.Rights()) || r == RoleOwner && other != RoleOwner
}

// Rights returns what a member with this role may do. An unknown role may do
// nothing.
func (r Role) Rights() Rights {
	switch r {
	case RoleOwner, RoleAdmin:
		return AllRights
	case RoleMember:
		return Read | Deploy | Write | Git
	}
	return 0
}
