package hosting

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Brief is what a workspace's agents are told about it before their first call.
type Brief struct {
	Slug      string
	Name      untrusted.Text   // for people; may be empty
	Org       string           // its organisation on Gitea; empty until it is ready
	GitServer string           // root of that Gitea; empty with Org
	Projects  []untrusted.Text // owner/name of each, by name; also empty if they cannot be listed now
}

// briefTime limits the wait for the list of projects.
const briefTime = 5 * time.Second

// BriefOf returns the workspace's brief. If the list of projects fails or takes longer
// than briefTime, Projects is empty and the error is nil: a tenant who sets up an editor
// needs the other fields.
func BriefOf(ctx context.Context, s *tenancy.Scope) (Brief, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return Brief{}, err
	}
	ws := inside(s).Workspace()
	b := Brief{Slug: ws.Slug, Name: s.Text(ws.Name)}
	if inside(s).GiteaReady() == nil {
		b.Org, b.GitServer = ws.GiteaOrg, inside(s).GiteaURL()
	}
	ctx, cancel := context.WithTimeout(ctx, briefTime)
	defer cancel()
	projects, err := repository.Projects(ctx, s)
	if err != nil {
		inside(s).Log().WarnContext(ctx, "brief without projects", "workspace", ws.Slug, "err", s.ForLog(err))
		return b, nil
	}
	for _, p := range projects {
		b.Projects = append(b.Projects, p.Project)
	}
	return b, nil
}
