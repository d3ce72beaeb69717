package giteatest

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
	"github.com/vibnai/vibn-mcp/gitea/giteatest/gitdir"
)

// firstCommit is what auto_init makes: README.md on the default branch.
func (s *Server) firstCommit(r *repo, by *account) error {
	readme := "# " + r.Name + "\n\n" + r.Description
	_, err := s.commitFiles(r, r.DefaultBranch, s.signs(by), "Initial commit\n",
		map[string]string{"README.md": strings.TrimSpace(readme) + "\n"})
	if err != nil {
		return err
	}
	r.heads, err = r.dir.Heads() // no hook hears of it
	return err
}

// signs is an account as git names the author of a commit.
func (s *Server) signs(a *account) gitdir.Person {
	return gitdir.Person{Name: a.displayName(), Email: a.Email, At: s.cfg.Now()}
}

// commitFiles puts files on a branch, "" to delete one, and returns the commit.
// A caller holds s.mu.
func (s *Server) commitFiles(r *repo, branch string, who gitdir.Person, message string,
	files map[string]string,
) (string, error) {
	dir, err := s.git(r)
	if err != nil {
		return "", err
	}
	parent := r.heads[branch]
	tree, err := dir.Files(parent)
	if err != nil {
		return "", err
	}
	for name, content := range files {
		if content == "" {
			delete(tree, name)
			continue
		}
		blob, err := dir.Write("blob", []byte(content))
		if err != nil {
			return "", err
		}
		tree[name] = gitdir.File{Mode: "100644", SHA: blob}
	}
	root, err := dir.WriteTree(tree)
	if err != nil {
		return "", err
	}
	c := gitdir.Commit{Tree: root, Author: who, Committer: who, Message: message}
	if parent != "" {
		c.Parents = []string{parent}
	}
	sha, err := dir.WriteCommit(c)
	if err != nil {
		return "", err
	}
	return sha, dir.SetHead(branch, sha)
}

func (a *account) displayName() string {
	if a.FullName != "" {
		return a.FullName
	}
	return a.Login
}

// Push commits files, by path and with "" to delete one, to a branch as the
// site admin, and tells the webhooks. It returns the commit. An unknown
// "owner/name" panics.
func (s *Server) Push(repo, branch, message string, files map[string]string) (sha string, err error) {
	return s.PushAs(adminLogin, repo, branch, message, files)
}

// PushAs is [Server.Push] by another user.
func (s *Server) PushAs(login, repo, branch, message string, files map[string]string) (sha string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, by := must(s.repoNamed(repo), "repository", repo), must(s.account(login), "user", login)
	if sha, err = s.commitFiles(r, branch, s.signs(by), message, files); err != nil {
		return "", err
	}
	return sha, s.pushed(r, by)
}

// Head returns the commit of a branch, "" when there is none, nor a repository of that name.
func (s *Server) Head(repo, branch string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repoNamed(repo)
	if r == nil {
		return ""
	}
	return r.heads[branch]
}

// File returns what stands in a file of a branch; false when it is not there.
// An unknown "owner/name" panics.
func (s *Server) File(repo, branch, name string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := must(s.repoNamed(repo), "repository", repo)
	files, err := r.dir.Files(r.heads[branch])
	if err != nil {
		return "", false
	}
	content, err := r.dir.Read("blob", files[name].SHA)
	return string(content), err == nil
}

// at is the commit that a ref names: a branch, or a commit itself. "" is the
// default branch.
func (r *repo) at(ref string) string {
	if ref == "" {
		ref = r.DefaultBranch
	}
	if sha := r.heads[strings.TrimPrefix(ref, "refs/heads/")]; sha != "" {
		return sha
	}
	if _, err := r.dir.Commit(ref); err != nil {
		return ""
	}
	return ref
}

func (s *Server) branchJSON(c *call, name string) any {
	r := c.repo
	head, err := r.dir.Commit(r.heads[name])
	if err != nil {
		return nil
	}
	p := r.ruleFor(name)
	o := object{
		"name": name, "commit": s.payloadCommit(r, head, false), "protected": p != nil, "required_approvals": 0,
		"enable_status_check": false, "status_check_contexts": []string{}, "user_can_push": false,
		"user_can_merge":                   false,
		"effective_branch_protection_name": "",
	}
	if c.doer != nil {
		may := c.may.unit(codeUnit) >= write
		o["user_can_push"], o["user_can_merge"] = may && r.mayPush(name, c.doer), may
	}
	if p != nil && c.may.mode >= admin {
		o["effective_branch_protection_name"] = p.name
	}
	return o
}

func (s *Server) listBranches(c *call) answer {
	names := slices.Sorted(maps.Keys(c.repo.heads))
	return list(c, names, paging{links: true}, func(name string) any { return s.branchJSON(c, name) })
}

func (s *Server) getBranch(c *call) answer {
	o := s.branchJSON(c, c.path["branch"])
	if o == nil {
		return c.missing("branch does not exist [repo_id: 0 name: "+c.path["branch"]+"]", nil)
	}
	return reply(http.StatusOK, o)
}

func (s *Server) commitJSON(r *repo, c gitdir.Commit) object {
	api := s.root() + prefix + "/repos/" + r.fullName() + "/git/"
	parents := []object{}
	for _, p := range c.Parents {
		parents = append(parents, object{"url": api + "commits/" + p, "sha": p, "created": never})
	}
	who := func(p gitdir.Person) object { return object{"name": p.Name, "email": p.Email, "date": stamp(p.At)} }
	return object{
		"url": api + "commits/" + c.SHA, "sha": c.SHA, "created": stamp(c.Committer.At),
		"html_url": s.root() + "/" + r.fullName() + "/commit/" + c.SHA,
		"commit": object{
			"url": api + "commits/" + c.SHA, "author": who(c.Author), "committer": who(c.Committer),
			"message":      c.Message,
			"tree":         object{"url": api + "trees/" + c.Tree, "sha": c.Tree, "created": stamp(c.Committer.At)},
			"verification": unsigned(),
		},
		"author": s.byMail(c.Author), "committer": s.byMail(c.Committer), "parents": parents, "files": []object{},
		"stats": object{"total": 0, "additions": 0, "deletions": 0},
	}
}

// byMail is the user with an address, or null.
func (s *Server) byMail(p gitdir.Person) any {
	a := find(s.accounts, func(a *account) bool { return !a.org && strings.EqualFold(a.Email, p.Email) })
	if a == nil {
		return nil
	}
	return s.userJSON(a, nil)
}

func (s *Server) listCommits(c *call) answer {
	if c.repo.empty() {
		return reply(http.StatusConflict, object{"message": "Git Repository is empty.", "url": s.root() +
			"/api/swagger"})
	}
	from := c.repo.at(c.query.Get("sha"))
	if from == "" {
		return c.notFound()
	}
	commits := c.repo.dir.Log(from, "")
	if not := c.query.Get("not"); not != "" {
		without := c.repo.at(not)
		if without == "" {
			return c.broken("exit status 128 - fatal: bad object " + not)
		}
		history := c.repo.dir.History(without)
		commits = slices.DeleteFunc(slices.Collect(maps.Values(c.repo.dir.History(from))),
			func(one gitdir.Commit) bool { return history[one.SHA].SHA != "" })
		slices.SortFunc(commits, func(a, b gitdir.Commit) int {
			return cmp.Or(b.Committer.At.Compare(a.Committer.At), cmp.Compare(a.SHA, b.SHA))
		})
	}
	return list(c, commits, paging{links: true}, func(one gitdir.Commit) any { return s.commitJSON(c.repo, one) })
}

func (s *Server) getCommit(c *call) answer {
	sha := c.repo.at(c.path["sha"])
	if sha == "" {
		return c.missing(c.path["sha"], nil)
	}
	one, err := c.repo.dir.Commit(sha)
	if err != nil {
		return c.broken(err.Error())
	}
	return reply(http.StatusOK, s.commitJSON(c.repo, one))
}

func (s *Server) contentJSON(r *repo, name, ref, sha string, withContent bool) object {
	content, _ := r.dir.Read("blob", sha) // what cannot be read is empty
	api := s.root() + prefix + "/repos/" + r.fullName()
	links := map[string]string{
		"self": api + "/contents/" + name + "?ref=" + ref, "git": api + "/git/blobs/" + sha,
		"html": s.root() + "/" + r.fullName() + "/src/branch/" + ref + "/" + name,
	}
	o := object{
		"name": path.Base(name), "path": name, "sha": sha, "type": "file", "size": len(content),
		"encoding": nil, "content": nil, "target": nil, "submodule_git_url": nil,
		"url": links["self"], "html_url": links["html"], "git_url": links["git"],
		"download_url": s.root() + "/" + r.fullName() + "/raw/branch/" + ref + "/" + name, "_links": links,
	}
	if commit, err := r.dir.Commit(r.at(ref)); err == nil {
		o["last_commit_sha"], o["last_commit_message"] = commit.SHA, commit.Message
		o["last_author_date"], o["last_committer_date"] = stamp(commit.Author.At), stamp(commit.Committer.At)
	}
	if withContent {
		o["encoding"], o["content"] = "base64", base64.StdEncoding.EncodeToString(content)
	}
	return o
}

// getContents is a file, or the list of the files right below a directory.
func (s *Server) getContents(c *call) answer {
	r, ref := c.repo, c.query.Get("ref")
	if ref == "" {
		ref = r.DefaultBranch
	}
	sha := r.at(ref)
	if sha == "" {
		return c.notFound()
	}
	files, err := r.dir.Files(sha)
	if err != nil {
		return c.broken(err.Error())
	}
	name := strings.TrimSuffix(c.path["filepath"], "/")
	if f, ok := files[name]; ok {
		return reply(http.StatusOK, s.contentJSON(r, name, ref, f.SHA, true))
	}
	below := []object{}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if path.Dir(p) == name {
			below = append(below, s.contentJSON(r, p, ref, files[p].SHA, false))
		}
	}
	if len(below) == 0 {
		return c.notFound()
	}
	return reply(http.StatusOK, below)
}

type fileForm struct {
	Content string `json:"content"`
	Message string `json:"message"`
	Branch  string `json:"branch"`
	SHA     string `json:"sha"`
	Author  struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	} `json:"author"`
}

// who is the author of the commit: the doer, unless the form names another. A
// committer of another name is not simulated.
func (f fileForm) who(doer gitdir.Person) gitdir.Person {
	if f.Author.Email == "" {
		return doer
	}
	return gitdir.Person{Name: f.Author.Name, Email: f.Author.Email, At: doer.At}
}

// writeContents creates (POST), changes (PUT) or deletes a file.
func (s *Server) writeContents(c *call) answer {
	form, refusal, ok := decode[fileForm](c)
	if !ok {
		return refusal
	}
	content, err := base64.StdEncoding.DecodeString(form.Content)
	if err != nil {
		return c.unprocessable(err.Error())
	}
	r, name := c.repo, c.path["filepath"]
	if form.Branch == "" {
		form.Branch = r.DefaultBranch
	}
	if why := forms.First(forms.RefName("BranchName", form.Branch), forms.FilePath(name)); why != "" {
		return c.unprocessable(why)
	}
	if c.may.unit(codeUnit) < write || !r.mayPush(form.Branch, c.doer) {
		return c.refuse(http.StatusForbidden, "user cannot commit to repo [user: "+c.doer.Login+"]")
	}
	if r.Archived {
		return c.refuse(http.StatusLocked, r.fullName()+" is archived")
	}
	if refusal, ok := s.checkFile(c, form, name); !ok {
		return refusal
	}
	sha, err := s.commitFiles(r, form.Branch, form.who(s.signs(c.doer)), form.Message+"\n",
		map[string]string{name: string(content)})
	if err == nil {
		err = s.pushed(r, c.doer)
	}
	if err != nil {
		return c.broken(err.Error())
	}
	return s.fileAnswer(c, form.Branch, name, sha)
}

// checkFile compares what is there with what the form takes to be there.
func (s *Server) checkFile(c *call, form fileForm, name string) (answer, bool) {
	files := map[string]gitdir.File{}
	if head := c.repo.heads[form.Branch]; head != "" {
		files, _ = c.repo.dir.Files(head) // unreadable counts as empty
	} else if !c.repo.empty() {
		return c.missing("branch does not exist [name: "+form.Branch+"]", nil), false
	}
	old, there := files[name]
	switch {
	case c.r.Method == http.MethodPost && there:
		return c.unprocessable("repository file already exists [path: " + name + "]"), false
	case c.r.Method == http.MethodPost:
		return pass()
	case form.SHA == "":
		return c.unprocessable(forms.Required("SHA", "")), false
	case !there:
		return c.missing("repository file does not exist [path: "+name+"]", nil), false
	case old.SHA != form.SHA:
		return c.unprocessable("sha does not match [given: " + form.SHA + ", expected: " + old.SHA + "]"), false
	}
	return pass()
}

func (s *Server) fileAnswer(c *call, branch, name, sha string) answer {
	one, err := c.repo.dir.Commit(sha)
	if err != nil {
		return c.broken(err.Error())
	}
	whole := s.commitJSON(c.repo, one)
	inside, _ := whole["commit"].(object)
	o := object{
		"content": nil, "verification": unsigned(),
		"commit": object{
			"url": whole["url"], "sha": sha, "created": never, "html_url": whole["html_url"],
			"author":    inside["author"],
			"committer": inside["committer"], "parents": whole["parents"], "message": one.Message,
			"tree": inside["tree"],
		},
	}
	status := http.StatusOK
	if c.r.Method != http.MethodDelete {
		files, err := c.repo.dir.Files(sha)
		if err != nil {
			return c.broken(err.Error())
		}
		o["content"] = s.contentJSON(c.repo, name, branch, files[name].SHA, true)
	}
	if c.r.Method == http.MethodPost {
		status = http.StatusCreated
	}
	return reply(status, o)
}
