package gitea

// The clients in this file are each bound to one object. Their calls do not take the
// object's name, so code that holds a client cannot name another object. Binding sends
// nothing and proves nothing.

// A RepoClient makes the administrator's calls for one repository.
type RepoClient struct {
	admin       *Admin
	owner, name string
}

// Repo binds the calls of one repository.
func (a *Admin) Repo(owner, name string) RepoClient { return RepoClient{a, owner, name} }

// An OrgClient makes the administrator's calls for one organisation: for the organisation
// itself, its teams, webhooks and repositories, and what is created there.
type OrgClient struct {
	admin *Admin
	name  string
}

// Org binds the calls of one organisation.
func (a *Admin) Org(name string) OrgClient { return OrgClient{a, name} }

// Repo binds the calls of one of the organisation's repositories.
func (c OrgClient) Repo(name string) RepoClient { return c.admin.Repo(c.name, name) }
