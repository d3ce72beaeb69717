package gitea

import "context"

// A Package is one version of a package.
type Package struct {
	ID      int64
	Type    string // container, npm, generic …
	Name    string
	Version string
}

type wirePackage struct {
	ID      number `json:"id"`
	Type    text   `json:"type"`
	Name    text   `json:"name"`
	Version text   `json:"version"`
}

func (w wirePackage) whole() bool { return w.Type != "" && w.Name != "" && w.Version != "" }

func (w wirePackage) plain() Package {
	return Package{int64(w.ID), string(w.Type), string(w.Name), string(w.Version)}
}

// Packages lists the packages of a user or an organisation, one entry per version. It
// needs the scope read:package.
//
//api:op GET /packages/{owner}
func (a *Admin) Packages(ctx context.Context, owner string) ([]Package, error) {
	return all[wirePackage](ctx, a.client, newRequest("GET", "/packages/{owner}", login(owner)), nil)
}

// DeletePackage deletes a version of a package. It needs the scope
// write:package.
//
//api:op DELETE /packages/{owner}/{type}/{name}/{version}
func (a *Admin) DeletePackage(ctx context.Context, owner string, p Package) error {
	r := newRequest("DELETE", "/packages/{owner}/{type}/{name}/{version}",
		login(owner), matching(typeForm, p.Type, errRule), anyName(p.Name), anyName(p.Version))
	return a.do(ctx, r)
}
