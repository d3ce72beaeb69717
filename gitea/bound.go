package gitea

// The clients in this file are bound to one thing: their calls take no name of it, so
// code that holds one cannot name another. Binding sends nothing and proves nothing.

// A RepoClient makes the administrator's calls of one repository.
type RepoClient struct {
	admin       *Admin
	owner, name string
}

// Repo binds the calls of one repository.
func (a *Admin) Repo(owner, name string) RepoClient { return RepoClient{a, owner, name} }

// An OrgClient makes the administrator's calls of one organisation: of itself, its
// teams, its webhooks, its repositories, and what is to be made there.
type OrgClient struct {
	admin *Admin
	name  string
}

// Org binds the calls of one organisation.
func (a *Admin) Org(name string) OrgClient { return OrgClient{a, name} }

// Repo binds the calls of one of the organisation's repositories.
func (c OrgClient) Repo(name string) RepoClient { return c.admin.Repo(c.name, name) }
