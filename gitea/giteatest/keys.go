package giteatest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

// A DeployKey opens one repository over SSH, whoever holds it.
type DeployKey struct {
	ID       int
	Title    string
	Key      string // without its comment
	ReadOnly bool
}

type deployKey struct {
	DeployKey
	keyID       int
	fingerprint string
	created     time.Time
}

// bareKey is a key without its comment; one that is none stays as it is.
func bareKey(line string) (key, fingerprint string) {
	key, fingerprint, err := forms.ParseKey(line)
	if err != nil {
		return line, ""
	}
	return key, fingerprint
}

// keyID is the same for the same key on several repositories.
func (s *Server) keyID(key string) int {
	if s.sshKeys[key] == 0 {
		s.sshKeys[key] = s.next("key")
	}
	return s.sshKeys[key]
}

// AddDeployKey lets a key into a repository. An unknown "owner/name" panics.
func (s *Server) AddDeployKey(repo string, k DeployKey) DeployKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addDeployKey(must(s.repoNamed(repo), "repository", repo), k).DeployKey
}

func (s *Server) addDeployKey(r *repo, k DeployKey) *deployKey {
	added := &deployKey{DeployKey: k, created: s.cfg.Now()}
	added.Key, added.fingerprint = bareKey(k.Key)
	added.ID, added.keyID = s.next("deploy key"), s.keyID(added.Key)
	r.keys = append(r.keys, added)
	return added
}

func (s *Server) addUserKey(a *account, k Key) *userKey {
	added := &userKey{Key: k, created: s.cfg.Now()}
	added.Key.Key, added.fingerprint = bareKey(k.Key)
	added.ID = s.keyID(added.Key.Key)
	a.keys = append(a.keys, added)
	return added
}

func (s *Server) deployKeyJSON(r *repo, k *deployKey, whole bool) object {
	o := object{
		"id": k.ID, "key_id": k.keyID, "key": k.Key, "title": k.Title, "fingerprint": k.fingerprint,
		"url":        fmt.Sprintf("%s%s/repos/%s/keys/%d", s.root(), prefix, r.fullName(), k.ID),
		"created_at": stamp(k.created),
		"read_only":  k.ReadOnly,
	}
	if whole {
		o["repository"] = s.repoJSON(r, access{mode: owner})
	}
	return o
}

type keyForm struct {
	Title    string `json:"title"`
	Key      string `json:"key"`
	ReadOnly bool   `json:"read_only"`
}

// key reads the form of a key and its fingerprint.
func (c *call) key() (keyForm, answer, bool) {
	form, refusal, ok := decode[keyForm](c)
	if !ok {
		return form, refusal, false
	}
	if why := forms.First(forms.Required("Title", form.Title), forms.Required("Key", form.Key)); why != "" {
		return form, c.unprocessable(why), false
	}
	if c.s.cfg.NoSSH {
		return form, c.unprocessable("SSH is disabled"), false
	}
	key, _, err := forms.ParseKey(form.Key)
	if err != nil {
		return form, c.unprocessable("Invalid key content: " + err.Error()), false
	}
	form.Key = key
	return form, answer{}, true
}

func (s *Server) userKeyExists(key string) bool {
	return slices.ContainsFunc(s.accounts, func(a *account) bool {
		return slices.ContainsFunc(a.keys, func(k *userKey) bool { return k.Key.Key == key })
	})
}

// createDeployKey makes keys that may write, unless it is told not to.
func (s *Server) createDeployKey(c *call) answer {
	form, refusal, ok := c.key()
	if !ok {
		return refusal
	}
	for _, k := range c.repo.keys {
		switch {
		case k.Key == form.Key:
			return c.unprocessable("This key has already been added to this repository")
		case k.Title == form.Title:
			return c.unprocessable("A key with the same name already exists")
		}
	}
	if s.userKeyExists(form.Key) {
		return c.unprocessable("Key content has been used as non-deploy key")
	}
	k := s.addDeployKey(c.repo, DeployKey{Title: form.Title, Key: form.Key, ReadOnly: form.ReadOnly})
	return reply(http.StatusCreated, s.deployKeyJSON(c.repo, k, false))
}

func (s *Server) listDeployKeys(c *call) answer {
	keys := slices.DeleteFunc(slices.Clone(c.repo.keys), func(k *deployKey) bool {
		return c.query.Get("fingerprint") != "" && c.query.Get("fingerprint") != k.fingerprint ||
			number(c.query.Get("key_id")) != 0 && number(c.query.Get("key_id")) != k.keyID
	})
	return list(c, keys, paging{pageless: true}, func(k *deployKey) any {
		return s.deployKeyJSON(c.repo, k,
			c.doer.Admin)
	})
}

func (s *Server) getDeployKey(c *call) answer {
	k := find(c.repo.keys, func(k *deployKey) bool { return k.ID == number(c.path["id"]) })
	if k == nil {
		return c.notFound()
	}
	return reply(http.StatusOK, s.deployKeyJSON(c.repo, k, c.doer.Admin))
}

// deleteDeployKey answers the same for keys that were never there.
func (s *Server) deleteDeployKey(c *call) answer {
	c.repo.keys = slices.DeleteFunc(c.repo.keys, func(k *deployKey) bool { return k.ID == number(c.path["id"]) })
	return noContent()
}

func (s *Server) userKeyJSON(a *account, k *userKey, doer *account) object {
	o := object{
		"id": k.ID, "key": k.Key.Key, "url": fmt.Sprintf("%s%s/user/keys/%d", s.root(), prefix, k.ID), "title": k.Title,
		"fingerprint": k.fingerprint, "created_at": stamp(k.created), "last_used_at": stamp(k.created),
	}
	if doer != nil && (doer.Admin || doer == a) {
		o["user"], o["key_type"] = s.userJSON(a, doer), "user"
	}
	return o
}

func (s *Server) listMyKeys(c *call) answer { return s.listKeysOf(c, c.doer) }

func (s *Server) listUserKeys(c *call) answer { return s.listKeysOf(c, c.user) }

func (s *Server) listKeysOf(c *call, a *account) answer {
	return list(c, a.keys, paging{}, func(k *userKey) any { return s.userKeyJSON(a, k, c.doer) })
}

func (s *Server) createMyKey(c *call) answer { return s.createKeyOf(c, c.doer) }

func (s *Server) createUserKey(c *call) answer { return s.createKeyOf(c, c.user) }

func (s *Server) createKeyOf(c *call, a *account) answer {
	form, refusal, ok := c.key()
	if !ok {
		return refusal
	}
	if s.sshKeys[form.Key] != 0 && (s.userKeyExists(form.Key) || s.deployKeyExists(form.Key)) {
		return c.unprocessable("Key content has been used as non-deploy key")
	}
	return reply(http.StatusCreated, s.userKeyJSON(a, s.addUserKey(a, Key{Title: form.Title, Key: form.Key}), c.doer))
}

func (s *Server) deployKeyExists(key string) bool {
	return slices.ContainsFunc(s.repos, func(r *repo) bool {
		return slices.ContainsFunc(r.keys, func(k *deployKey) bool { return k.Key == key })
	})
}

func (s *Server) deleteMyKey(c *call) answer { return s.deleteKeyOf(c, c.doer) }

func (s *Server) deleteUserKey(c *call) answer { return s.deleteKeyOf(c, c.user) }

func (s *Server) deleteKeyOf(c *call, a *account) answer {
	k := find(a.keys, func(k *userKey) bool { return k.ID == number(c.path["id"]) })
	if k == nil {
		return c.notFound()
	}
	a.keys = without(a.keys, k)
	return noContent()
}

// SSHFetch returns why a key may not fetch a repository over SSH; nil when it
// may. The key is a line of OpenSSH.
func (s *Server) SSHFetch(key, repo string) error { return s.ssh(key, repo, read) }

// SSHPush is [Server.SSHFetch] for pushing.
func (s *Server) SSHPush(key, repo string) error { return s.ssh(key, repo, write) }

func (s *Server) ssh(line, full string, mode int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, _ := bareKey(line)
	r := s.repoNamed(full)
	if r == nil {
		return fmt.Errorf("repository %s does not exist", full)
	}
	if mode > read && r.Archived {
		return errors.New("this repo is archived")
	}
	if k := find(r.keys, func(k *deployKey) bool { return k.Key == key }); k != nil {
		if mode > read && k.ReadOnly {
			return errors.New("the deploy key is read-only")
		}
		return nil // whatever became of who added it
	}
	for _, a := range s.accounts {
		if slices.ContainsFunc(a.keys, func(k *userKey) bool { return k.Key.Key == key }) {
			return s.sshUser(a, r, mode)
		}
	}
	return errors.New("nobody has that key")
}

func (s *Server) sshUser(a *account, r *repo, mode int) error {
	if a.Inactive || a.ProhibitLogin {
		return fmt.Errorf("user %s is disabled", a.Login)
	}
	if s.access(r, a).unit(codeUnit) < mode {
		return fmt.Errorf("user %s has no access to %s", a.Login, r.fullName())
	}
	return nil
}
