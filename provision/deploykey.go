package provision

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A deploy key lets Coolify read one repository. vibn-mcp makes the private half, and
// only Coolify keeps it; the public half is on the repository, read-only.

// EnsureDeployKey makes both halves of a project's deploy key exist and returns the id of
// the private one. The key is recorded before its public half is on Gitea, so that
// reconcile recognises it there.
func EnsureDeployKey(
	ctx context.Context, keys tenancy.ProjectKeys, repo gitea.RepoClient, store ProjectStore, w tenancy.Workspace,
	p tenancy.Project,
) (coolify.UUID, error) {
	p, err := ensurePrivateHalf(ctx, keys, store, w, p)
	if err != nil {
		return coolify.UUID{}, err
	}
	if err := EnsurePublicHalf(ctx, repo, p); err != nil {
		return coolify.UUID{}, err
	}
	return coolify.ParseUUID(p.CoolifyKey)
}

// ensurePrivateHalf returns the project with a key that Coolify has. A key with the
// project's mark that is not the recorded one was made by a call whose answer was lost,
// or by a concurrent call.
func ensurePrivateHalf(
	ctx context.Context, keys tenancy.ProjectKeys, store ProjectStore, w tenancy.Workspace, p tenancy.Project,
) (tenancy.Project, error) {
	_, _, err := once.Thing[tenancy.BoundKey]{
		Find: func(ctx context.Context) ([]tenancy.BoundKey, error) {
			list, err := keys.List(ctx)
			if err != nil || p.CoolifyKey == "" || slices.ContainsFunc(
				list, func(k tenancy.BoundKey) bool { return hasKey(p, k) },
			) {
				return list, err
			}
			p, err = forgetDeployKey(ctx, store, p) // Coolify has a button that deletes every unused key
			return list, err
		},
		Create:   func(ctx context.Context) error { return createPrivateHalf(ctx, keys, w, p) },
		Recorded: func(k tenancy.BoundKey) bool { return hasKey(p, k) },
		Record: func(ctx context.Context, k tenancy.BoundKey) (err error) {
			p, err = recordDeployKey(ctx, store, p, k.PrivateKey)
			return err
		},
		Drop: func(ctx context.Context, k tenancy.BoundKey) error {
			if err := k.Calls.Delete(ctx); !errors.Is(err, coolify.ErrNotFound) {
				return err
			}
			return nil
		},
	}.Ensure(ctx)
	return p, err
}

// hasKey reports whether a key on Coolify is the recorded one.
func hasKey(p tenancy.Project, k tenancy.BoundKey) bool { return k.UUID.String() == p.CoolifyKey }

// forgetDeployKey drops the record of a key that Coolify no longer has, and returns the
// project as recorded now.
func forgetDeployKey(ctx context.Context, store ProjectStore, p tenancy.Project) (tenancy.Project, error) {
	err := store.ForgetDeployKey(ctx, p.WorkspaceID, p.ID, p.CoolifyKey)
	if err != nil && !errors.Is(err, tenancy.ErrConflict) {
		return p, tenancy.StoreError("forget a deploy key", err)
	}
	return ProjectNow(ctx, store, p)
}

// createPrivateHalf makes a key and gives it to Coolify.
func createPrivateHalf(ctx context.Context, keys tenancy.ProjectKeys, w tenancy.Workspace, p tenancy.Project) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	return keys.Create(ctx, coolify.NewPrivateKey{
		Name: "vibn-" + w.Slug + "/" + p.Slug, Key: secret.NewText(string(pem.EncodeToMemory(block))),
	})
}

// recordDeployKey records a key. If another call has recorded one meanwhile, it returns
// the project with that one.
func recordDeployKey(
	ctx context.Context, store ProjectStore, p tenancy.Project, k coolify.PrivateKey,
) (tenancy.Project, error) {
	public := KeyMaterial(k.PublicKey)
	if !strings.HasPrefix(public, ssh.KeyAlgoED25519+" ") {
		return p, errors.New("the key on Coolify is not of the kind that was created")
	}
	err := store.RecordDeployKey(ctx, p.WorkspaceID, p.ID, k.UUID.String(), public)
	if errors.Is(err, tenancy.ErrConflict) {
		return ProjectNow(ctx, store, p)
	}
	if err != nil {
		return p, tenancy.StoreError("read or write the record", err)
	}
	p.CoolifyKey, p.DeployKey = k.UUID.String(), public
	return p, nil
}

// ProjectNow reads a project again.
func ProjectNow(ctx context.Context, store ProjectStore, p tenancy.Project) (tenancy.Project, error) {
	list, err := store.Projects(ctx, p.WorkspaceID)
	if err != nil {
		return p, tenancy.StoreError("read or write the record", err)
	}
	i := slices.IndexFunc(list, func(now tenancy.Project) bool { return now.ID == p.ID })
	if i < 0 {
		return p, tenancy.StoreError("read or write the record", tenancy.ErrNotFound)
	}
	return list[i], nil
}

// EnsurePublicHalf puts the recorded key on the project's repository, read-only.
func EnsurePublicHalf(ctx context.Context, repo gitea.RepoClient, p tenancy.Project) error {
	there, err := hasPublicHalf(ctx, repo, p)
	if err != nil || there {
		return err
	}
	_, failed := repo.AddDeployKey(ctx, gitea.NewDeployKey{Title: keyTitle(p), Key: p.DeployKey})
	if failed == nil {
		return nil
	}
	if there, err = hasPublicHalf(ctx, repo, p); err != nil || there {
		return err
	}
	return failed
}

// keyTitle returns the title that people see on the repository. A repository has at most
// one key of each title.
func keyTitle(p tenancy.Project) string { return "Coolify " + p.KeyMark() }

// hasPublicHalf reports whether a repository has the recorded key. It deletes keys that
// conflict with it: the same key if it may also write, and another key of its title, such
// as that of a lost key.
func hasPublicHalf(ctx context.Context, repo gitea.RepoClient, p tenancy.Project) (bool, error) {
	keys, err := repo.DeployKeys(ctx)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		same := KeyMaterial(k.Key) == p.DeployKey
		if same && k.ReadOnly {
			return true, nil
		}
		if !same && k.Title != keyTitle(p) {
			continue
		}
		if err := repo.DeleteDeployKey(ctx, k.ID); err != nil {
			return false, err
		}
	}
	return false, nil
}

// KeyMaterial returns a line of authorized_keys without its comment.
func KeyMaterial(line string) string {
	fields := strings.Fields(line)
	return strings.Join(fields[:min(len(fields), 2)], " ")
}

// deployAddress matches the addresses that Coolify accepts for a repository over SSH: it
// refuses ssh://, and every user but git.
var deployAddress = regexp.MustCompile(`^git@[A-Za-z0-9.-]+:(?:[0-9]{1,5}/)?[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+\.git$`)

// CloneAddress returns a repository's address in the form that Coolify accepts:
// git@host:owner/name.git, or git@host:port/owner/name.git.
func CloneAddress(repo gitea.Repository) (string, error) {
	address := repo.SSHURL
	if strings.HasPrefix(address, "ssh://") {
		u, err := url.Parse(address)
		if err != nil || u.User == nil || u.RawQuery != "" || u.Fragment != "" {
			return "", errAddress(repo)
		}
		port := ""
		if u.Port() != "" {
			port = u.Port() + "/"
		}
		address = u.User.String() + "@" + u.Hostname() + ":" + port + strings.TrimPrefix(u.Path, "/")
	}
	if !deployAddress.MatchString(address) || !strings.HasSuffix(
		strings.ToLower(address), strings.ToLower("/"+repo.Name+".git"),
	) ||
		!strings.Contains(strings.ToLower(address), strings.ToLower(repo.Owner+"/"+repo.Name)) {
		return "", errAddress(repo)
	}
	return address, nil
}

// errAddress is an error for the operator: Gitea builds the address from its own
// settings.
func errAddress(repo gitea.Repository) error {
	return &tenancy.Error{
		Code: tenancy.Unavailable, Msg: "Coolify does not accept the form of the SSH address that Gitea gives " +
			"for this repository",
		Hint: "only the platform's operator can fix this: Gitea's [server] SSH_USER must be git, and SSH_DOMAIN a " +
			"host name that Coolify's servers reach",
		Err: fmt.Errorf("ssh_url %q", repo.SSHURL),
	}
}
