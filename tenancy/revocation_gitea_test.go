package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A cut is a moment in the making of a token: before or after the n-th request to
// Gitea has its effect, with or without a job that runs then.
type cut struct {
	n     int
	after bool
	job   bool
}

func (c cut) String() string {
	return fmt.Sprintf("request %d, after its effect: %v, with a job: %v", c.n, c.after, c.job)
}

// TestRevocationOfCredentials ends what a principal has at every moment in which
// its token is being made. No token comes out, and none is left in Gitea.
func TestRevocationOfCredentials(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []giteatest.Behaviour{giteatest.V126, giteatest.V127} {
		for _, e := range endings {
			t.Run(fmt.Sprint(behaviour, " ", e.name), func(t *testing.T) {
				t.Parallel()
				l := newLevers()
				w := world{budget: tenancytest.Unlimited(), wrap: l.wrap, now: l.now, gitea: &giteatest.Config{Behaviour: behaviour}}
				inBubble(t, w, func(t *testing.T, h *tenancytest.House) {
					n := 0
					for requests := 1; n < requests; {
						n++
						for _, c := range []cut{{n, false, false}, {n, true, false}, {n, false, true}, {n, true, true}} {
							requests = revokeAt(t, h, l, e, c)
						}
					}
					if n < 4 {
						t.Errorf("a token took %d requests, want a password, a token and two looks", n)
					}
				})
			})
		}
	}
}

// revokeAt asks for a token and ends the key's rights at a moment. It returns how
// many requests the making of a token takes when nothing ends.
func revokeAt(t *testing.T, h *tenancytest.House, l levers, e ending, c cut) (requests int) {
	t.Helper()
	pass(time.Minute) // Coolify counts requests by the minute
	x := h.AddTenant(t, fmt.Sprintf("at-%d-%v-%v", c.n, c.after, c.job), "")
	other := h.Open(t, x.Key, tenancy.Git)
	if _, err := repository.Credentials(t.Context(), other, true); err != nil {
		t.Fatal(err)
	}
	requests = len(h.Git.Requests())
	x.Key, x.KeyID = h.AddKey(t, x, "builder", keyLife)
	s := h.Open(t, x.Key, tenancy.Git)
	if e.member {
		must(t, h.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: x.ID, UserID: person, Role: tenancy.RoleMember}))
		var err error
		s, err = h.Guard.OpenMember(t.Context(), person, x.Slug, time.Now())
		must(t, err)
		s, err = s.Begin(t.Context(), tenancy.Call{Tool: "test", Needs: tenancy.Git})
		must(t, err)
	}
	before := made(h, x)
	var seen atomic.Int64
	var busy atomic.Bool
	h.Git.OnRequest(func(r giteatest.Request) error {
		if busy.Load() || (r.Status != 0) != c.after || seen.Add(1) != int64(c.n) {
			return nil
		}
		busy.Store(true) // the job's requests are not counted
		e.end(t, h, l, x, tenancy.Git)
		if c.job {
			_ = h.Provisioner.Provision(t.Context(), x.ID) // what is left is looked at below
		}
		busy.Store(false)
		return nil
	})
	got, err := repository.Credentials(t.Context(), s, true)
	h.Git.OnRequest(nil)
	ended := codeOf(err) == e.want || c.job && codeOf(err) == tenancy.Unavailable // the job takes away what the call works with
	if !ended || !got.Token.IsZero() {
		t.Errorf("%s: %v, token %v, want %q and none", c, err, !got.Token.IsZero(), e.want)
	}
	if e.lasting(l) {
		err := h.Provisioner.Provision(t.Context(), x.ID)
		// Apps that were not created here stay when a workspace is deleted, and so does
		// the network that they are in.
		left, ok := errors.AsType[*provision.PartsError](err)
		if err != nil && (!ok || len(left.Errors) != 1 || left.Errors[0].Part != tenancy.PartNetwork) {
			t.Errorf("%s: the job: %v", c, err)
		}
		if left := made(h, x); len(left) > 0 && left[len(left)-1].ID > before[len(before)-1].ID {
			t.Errorf("%s: the token is left in Gitea: %+v", c, left)
		}
	}
	l.reset()
	h.Git.Reset()
	return requests
}

// lasting reports whether the ending is written down where a job sees it. A lever
// is pulled between Guard and store, for what no method changes.
func (e ending) lasting(l levers) bool { return l.suspended.Load() == nil && l.lowered.Load() == nil }

// made are the tokens of a tenant's bot.
func made(h *tenancytest.House, x *tenancytest.Tenant) []giteatest.Token {
	return (&giteaFaults{House: h}).of(x).Tokens
}

// TestTokensEndWithTheirKeys: what a key was given dies with the key, at the next
// run of the job, and the other key's lives on. Suspension ends them all.
func TestTokensEndWithTheirKeys(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, h *tenancytest.House, l levers, key string){
		"revoked": func(t *testing.T, h *tenancytest.House, _ levers, key string) {
			must(t, h.Operator.RevokeKey(t.Context(), h.A.Workspace, key))
		},
		"expired": func(_ *testing.T, _ *tenancytest.House, l levers, _ string) { l.ahead.Store(int64(keyLife)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLevers()
			inBubble(t, world{wrap: l.wrap, now: l.now, gitea: &giteatest.Config{}}, func(t *testing.T, h *tenancytest.House) {
				ctx := t.Context()
				key, id := h.AddKey(t, h.A, "builder", keyLife)
				mine, err := repository.Credentials(ctx, h.Open(t, h.A.Key, tenancy.Git), true)
				must(t, err)
				theirs, err := repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true)
				must(t, err)
				if mine.Token.Reveal() == theirs.Token.Reveal() || mine.Username != theirs.Username {
					t.Fatalf("two keys have one token, or two bots: %+v %+v", mine, theirs)
				}
				if again, err := repository.Credentials(ctx, h.Open(t, key, tenancy.Git), true); err != nil || again.Token.Reveal() != theirs.Token.Reveal() {
					t.Errorf("the same key gets another token the second time (%v)", err)
				}
				end(t, h, l, id)
				due := []string{}
				must(t, h.Provisioner.Sweep(ctx, func(_ context.Context, id string) error { due = append(due, id); return nil }))
				if len(due) != 1 || due[0] != h.A.ID {
					t.Fatalf("due: %v, want A's workspace", due)
				}
				must(t, h.Provisioner.Provision(ctx, due[0]))
				if !alive(t, h, mine) || alive(t, h, theirs) {
					t.Errorf("the other key's token lives: %v, the ended one's: %v", alive(t, h, mine), alive(t, h, theirs))
				}
				must(t, h.Operator.Suspend(ctx, h.A.Workspace))
				must(t, h.Provisioner.Provision(ctx, h.A.ID))
				if alive(t, h, mine) {
					t.Error("a token outlives the suspension")
				}
				if rows, err := h.DB.BotTokens(ctx, h.A.ID); err != nil || len(rows) > 0 {
					t.Errorf("on record: %+v, %v", rows, err)
				}
			})
		})
	}
}

// alive reports whether a token opens anything.
func alive(t *testing.T, h *tenancytest.House, c repository.GitCredentials) bool {
	t.Helper()
	secret := c.Token.Reveal()
	for _, k := range made(h, h.A) {
		if k.LastEight == secret[len(secret)-8:] {
			return k.Live
		}
	}
	return false
}

// TestPeoplesCredentials: a person is shown a token of their own, neither a key's, nor
// another person's, nor the workspace's; whoever may not push, none at all. It ends with
// the role.
func TestPeoplesCredentials(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	ctx := t.Context()
	key, err := repository.Credentials(ctx, h.Open(t, h.A.Key, tenancy.Git), true)
	must(t, err)
	seen := []repository.GitCredentials{key}
	for _, tc := range []struct {
		role tenancy.Role
		want tenancy.Code
	}{{tenancy.RoleOwner, ""}, {tenancy.RoleAdmin, ""}, {tenancy.RoleMember, ""}, {"guest", tenancy.Forbidden}} {
		must(t, h.DB.SetMember(ctx, tenancy.Member{WorkspaceID: h.A.ID, UserID: person, Role: tc.role}))
		must(t, h.Provisioner.EndTokens(ctx, h.A.ID))
		for _, of := range seen[1:] {
			if alive(t, h, of) {
				t.Errorf("as %s: a token from a higher role lives", tc.role)
			}
		}
		s, err := h.Guard.OpenMember(ctx, person, h.A.Slug, time.Now())
		must(t, err)
		got, err := repository.Credentials(ctx, s, true)
		if codeOf(err) != tc.want || got.Token.IsZero() != (tc.want != "") {
			t.Errorf("%s: %v, a token: %v, want %q", tc.role, err, !got.Token.IsZero(), tc.want)
		}
		if tc.want != "" {
			continue
		}
		if again, err := repository.Credentials(ctx, s, true); err != nil || again.Token.Reveal() != got.Token.Reveal() {
			t.Errorf("%s is shown another token the second time (%v)", tc.role, err)
		}
		if !alive(t, h, got) || slices.ContainsFunc(seen, func(c repository.GitCredentials) bool { return c.Token.Reveal() == got.Token.Reveal() }) {
			t.Errorf("%s is shown somebody else's token, or a dead one", tc.role)
		}
		seen = append(seen, got)
	}
	own, err := h.DB.Provision(ctx, h.A.ID)
	must(t, err)
	for _, k := range made(h, h.A) {
		if k.ID != int(own.TokenID) {
			continue
		}
		if !k.Live || slices.ContainsFunc(seen, func(c repository.GitCredentials) bool { return strings.HasSuffix(c.Token.Reveal(), k.LastEight) }) {
			t.Errorf("the workspace's own token lives: %v, or somebody was shown it", k.Live)
		}
	}
	viewer, _ := h.AddKey(t, h.A, "deployer", 0)
	s, err := h.Guard.OpenKey(ctx, viewer)
	must(t, err)
	if _, err := repository.Credentials(ctx, s, false); codeOf(err) != tenancy.Forbidden {
		t.Errorf("a key without the right: %v", err)
	}
}

// TestDeletedToken: when somebody deletes a key's token in Gitea, the key gets
// another, and the dead one is not on record any more.
func TestDeletedToken(t *testing.T) {
	t.Parallel()
	inBubble(t, world{gitea: &giteatest.Config{}}, func(t *testing.T, h *tenancytest.House) {
		ctx := t.Context()
		first, err := repository.Credentials(ctx, h.Open(t, h.A.Key, tenancy.Git), true)
		must(t, err)
		rows, err := h.DB.BotTokens(ctx, h.A.ID)
		must(t, err)
		admin, err := gitea.New(gitea.Config{
			URL: &url.URL{Scheme: "https", Host: "git.example.com"}, Token: secret.NewText(h.Secrets[2]), Transport: wire{"git.example.com": h.Git},
		})
		must(t, err)
		free := func(context.Context, gitea.Operation) (func(), error) { return func() {}, nil }
		must(t, admin.Metered(free).TokensOf(h.A.GiteaBot).Delete(ctx, rows[0].GiteaID))
		second, err := repository.Credentials(ctx, h.Open(t, h.A.Key, tenancy.Git), true)
		if err != nil || second.Token.Reveal() == first.Token.Reveal() || !alive(t, h, second) {
			t.Errorf("after the token was deleted: %v, another one: %v", err, second.Token.Reveal() != first.Token.Reveal())
		}
		now, err := h.DB.BotTokens(ctx, h.A.ID)
		if err != nil || len(now) != 1 || now[0].ID == rows[0].ID {
			t.Errorf("on record: %+v, %v", now, err)
		}
	})
}

// TestTokenReplacedMeanwhile: a call that read the workspace's token just before a job
// replaced it may be made again, and then works.
func TestTokenReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	ctx := t.Context()
	h.AddRepository(t, h.A, "site")
	s := h.Open(t, h.A.Key, tenancy.Read)
	var once atomic.Bool
	h.Git.OnRequest(func(r giteatest.Request) error {
		if r.Status == 0 && once.CompareAndSwap(false, true) {
			must(t, h.DB.ForgetTokens(ctx, h.A.ID, time.Now()))
			must(t, h.Provisioner.Provision(ctx, h.A.ID))
		}
		return nil
	})
	_, err := repository.Repository(ctx, s, "site")
	if told, ok := errors.AsType[*tenancy.Error](err); !ok || told.Code != tenancy.Unavailable || !told.Retryable {
		t.Errorf("with a token that was replaced: %v, want to be asked to try again", err)
	}
	if _, err := repository.Repository(ctx, s, "site"); err != nil || !once.Load() {
		t.Errorf("again: %v", err)
	}
}
