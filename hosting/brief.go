package hosting

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Brief is what a workspace's agents are told of it before they do anything.
type Brief struct {
	Slug      string
	Name      untrusted.Text   // for people; may be empty
	Org       string           // its organisation on Gitea; empty until it is ready
	GitServer string           // root of that Gitea; empty with Org
	Projects  []untrusted.Text // owner/name of each, by name; empty too if they cannot be listed now
}

// briefTime is how long a brief waits for the list of projects.
const briefTime = 5 * time.Second

// BriefOf returns the workspace's brief. It does without the projects if Coolify does
// not answer: whoever is just setting up an editor needs everything else of it.
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
