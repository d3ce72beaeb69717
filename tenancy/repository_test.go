package tenancy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// unborn is a subject without a workspace.
func unborn(t *testing.T, cfg giteatest.Config) *subject {
	t.Helper()
	s := &subject{T: t, platform: newPlatform(t, storetest.Open(t, "sqlite"), cfg), slug: "acme"}
	s.owner = int64(s.git.AddUser(giteatest.User{Login: "owner"}).ID)
	return s
}

// commits is what Gitea's API says of the commits of the subject's repository.
func (s *subject) commits() []byte {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "https://git.example.com/api/v1/repos/"+s.repo()+"/commits", nil)
	must(s, err)
	req.Header.Set("Authorization", "token "+s.tokens[1])
	resp, err := short{s.git}.RoundTrip(req)
	must(s, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(s, err)
	return body
}

// aMark is a mark of the platform's, as it stands in a description or an address.
var aMark = regexp.MustCompile(`(vibn-|bot\+)[0-9a-f]{32}`)

// TestFirstCommit: a new repository has a README.md with its name and description.
// Neither it nor the commit shows a mark of the platform's or who its administrator
// is.
func TestFirstCommit(t *testing.T) {
	t.Parallel()
	for _, b := range everywhere {
		for description, readme := range map[string]string{"a site": "# site\n\na site\n", "": "# site\n"} {
			t.Run(string(b)+" "+description, func(t *testing.T) {
				t.Parallel()
				s := unborn(t, giteatest.Config{Behaviour: b})
				p := s.start(t, nothing, 0)
				withWorkspace(s, p)
				must(t, step{tenancy.Write, func(ctx context.Context, sc *tenancy.Scope) error {
					_, _, err := repository.CreateProject(ctx, sc, "site", description)
					return err
				}}.try(t.Context(), p.guard, s.key))
				got, _ := s.git.File(s.repo(), "main", "README.md")
				want(s, "README.md", readme, got)
				commits := s.commits()
				if aMark.Match(commits) || !bytes.Contains(commits, []byte(s.first.Bot+"@vibn.invalid")) || bytes.Contains(commits, []byte("siteadmin")) {
					t.Errorf("the commit shows a mark, or is not the bot's: %s", commits)
				}
			})
		}
	}
}

// TestFirstCommitOfAnother: a repository that somebody pushed to before the first
// commit was made is left as it is, by the next call and by the job.
func TestFirstCommitOfAnother(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(*subject, *process) error{
		"call": func(s *subject, p *process) error { return createSite(s.Context(), s, p) },
		"job":  func(s *subject, p *process) error { return s.job(s.Context(), p) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := unborn(t, giteatest.Config{})
			withWorkspace(s, s.start(t, nothing, 0))
			p := s.start(t, diesBefore, 0)
			p.on = "POST /api/v1/repos/" + s.repo() + "/contents/README.md"
			if err := createSite(t.Context(), s, p); err == nil || !p.dead {
				t.Fatalf("the process is dead: %v, %v", p.dead, err)
			}
			head, next := s.push("main"), s.start(t, nothing, 0)
			must(t, finish(s, next))
			want(s, "main", head, s.git.Head(s.repo(), "main"))
			repo := s.git.Snapshot().Repos[0]
			list, err := s.db.Projects(t.Context(), s.ws.ID)
			if err != nil || len(list) != 1 || list[0].Repository != s.repo() || repo.Description != "a site" {
				t.Errorf("projects %+v %v, description %q", list, err, repo.Description)
			}
		})
	}
}
