package people

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// TrailEntry is an entry of the audit trail with the name of the principal.
type TrailEntry struct {
	tenancy.AuditEntry
	Who untrusted.Text // name of the key or person; "operator", "platform"
	On  untrusted.Text // name of the key or person that it acted on, or else the target
}

// Trail is [Activity] with names.
func Trail(ctx context.Context, s *tenancy.Scope, q tenancy.AuditQuery) ([]TrailEntry, error) {
	entries, err := Activity(ctx, s, q)
	if err != nil {
		return nil, err
	}
	var mentioned []string
	for _, e := range entries {
		mentioned = append(mentioned, e.Principal, e.Target)
	}
	names, err := NamesOf(ctx, s, mentioned)
	if err != nil {
		return nil, err
	}
	trail := make([]TrailEntry, 0, len(entries))
	for _, e := range entries {
		trail = append(trail, TrailEntry{
			e, s.Text(cmp.Or(names[e.Principal], e.Principal)),
			s.Text(cmp.Or(names[keyPrincipal+e.Target], names[memberPrincipal+e.Target], e.Target)),
		})
	}
	return trail, nil
}

// These begin the names of principals in the audit trail.
const keyPrincipal, memberPrincipal = "key:", "member:"

// Names are the names of the workspace's people and of some of its keys, by principal.
// They are not cleaned.
type Names map[string]string

// Of returns the name of a principal or of a key's creator, cleaned.
func (n Names) Of(who string) string {
	return untrusted.Clean(cmp.Or(n[who], n[memberPrincipal+who], who))
}

// NamesOf returns the names of the workspace's people, and of its keys among those that
// are mentioned: as principals, or by their ids. A workspace may have had any number of
// keys, so it asks only for these.
func NamesOf(ctx context.Context, s *tenancy.Scope, mentioned []string) (Names, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	var ids []string
	for _, m := range mentioned {
		if id := strings.TrimPrefix(m, keyPrincipal); len(id) == maxKeyID && uuid.Validate(id) == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	keys, err := db(s).KeyNames(ctx, inside(s).Workspace().ID, slices.Compact(ids))
	if err != nil {
		return nil, tenancy.StoreError("look up the names of keys", err)
	}
	members, err := db(s).Members(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the members", err)
	}
	names := Names{}
	for id, name := range keys {
		names[keyPrincipal+id] = name
	}
	for _, m := range members {
		names[memberPrincipal+m.UserID] = cmp.Or(m.DisplayName, m.Email, m.UserID)
	}
	return names, nil
}

// An Actor is a principal that the audit trail may name.
type Actor struct {
	Principal string
	Name      untrusted.Text
}

// Actors lists by name whom a reader may look for in the audit trail: the people of the
// workspace, its newest keys in force, and those of the principals that are its keys.
func Actors(ctx context.Context, s *tenancy.Scope, principals []string) ([]Actor, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	inForce, err := keysOf(ctx, db(s), inside(s).Workspace().ID, KeyQuery{State: KeysInForce, At: inside(s).Now()})
	if err != nil {
		return nil, err
	}
	for _, k := range inForce.Keys {
		principals = append(principals, keyPrincipal+k.ID)
	}
	names, err := NamesOf(ctx, s, principals)
	if err != nil {
		return nil, err
	}
	actors := make([]Actor, 0, len(names))
	for principal, name := range names {
		actors = append(actors, Actor{principal, s.Text(name)})
	}
	slices.SortFunc(actors, func(a, b Actor) int {
		return cmp.Or(cmp.Compare(a.Name.String(), b.Name.String()), cmp.Compare(a.Principal, b.Principal))
	})
	return actors, nil
}
