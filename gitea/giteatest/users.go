package giteatest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

func (s *Server) getUser(c *call) answer {
	if !s.visible(c.user, c.doer) {
		return c.missing("GetUserByName", []string{s.noUser(c.path["username"])})
	}
	return reply(http.StatusOK, s.userJSON(c.user, c.doer))
}

func (s *Server) getMe(c *call) answer { return reply(http.StatusOK, s.userJSON(c.doer, c.doer)) }

// usersPage refuses where the page of users is closed.
func usersPage(c *call) (answer, bool) {
	if c.s.cfg.NoUsersPage {
		return c.notFound(), false
	}
	return pass()
}

func (s *Server) searchUsers(c *call) answer {
	asked, id := strings.ToLower(c.query.Get("q")), number(c.query.Get("uid"))
	found := s.accountsWhere(func(a *account) bool {
		if a.org || id != 0 && a.ID != id || !strings.Contains(strings.ToLower(a.Login+" "+a.FullName+" "+a.Email),
			asked) {
			return false
		}
		return a == c.doer || s.visible(a, c.doer) && (c.doer == nil || !c.doer.Restricted)
	})
	return wrapped(c, found, paging{pageless: true, links: true}, func(a *account) any { return s.userJSON(a, c.doer) },
		func(page []any) any { return object{"ok": true, "data": page} })
}

func (s *Server) adminListUsers(c *call) answer {
	found := s.accountsWhere(func(a *account) bool {
		return !a.org && (!c.query.Has("login_name") || a.LoginName == strings.TrimSpace(c.query.Get("login_name"))) &&
			number(c.query.Get("source_id")) == 0
	})
	return list(c, found, paging{pageless: true, links: true}, func(a *account) any { return s.userJSON(a, c.doer) })
}

type userForm struct {
	Username                string  `json:"username"`
	LoginName               *string `json:"login_name"`
	SourceID                int     `json:"source_id"`
	Email                   *string `json:"email"`
	FullName                *string `json:"full_name"`
	Password                string  `json:"password"`
	MustChangePassword      *bool   `json:"must_change_password"`
	Restricted              *bool   `json:"restricted"`
	Visibility              string  `json:"visibility"`
	Active                  *bool   `json:"active"`
	Admin                   *bool   `json:"admin"`
	ProhibitLogin           *bool   `json:"prohibit_login"`
	AllowGitHook            *bool   `json:"allow_git_hook"`
	AllowImportLocal        *bool   `json:"allow_import_local"`
	AllowCreateOrganization *bool   `json:"allow_create_organization"`
	MaxRepoCreation         *int    `json:"max_repo_creation"`
	Description             *string `json:"description"`
	Website                 *string `json:"website"`
	Location                *string `json:"location"`
}

func or(v *string) string {
	if v == nil {
		return ""
	}
	return *v
}

const minPassword = 8

func noSource(id int) string { return "login source does not exist [id: " + strconv.Itoa(id) + "]" }

// createUser makes users that must change their password, unless it is told not
// to.
func (s *Server) createUser(c *call) answer {
	form, refusal, ok := decode[userForm](c)
	if !ok {
		return refusal
	}
	email := or(form.Email)
	if why := forms.First(forms.Required("Username", form.Username), forms.AtMost("Username", form.Username, 40),
		forms.UserName("Username", form.Username),
		forms.AtMost("FullName", or(form.FullName), 100), forms.Mail(email), forms.AtMost("Email", email, 254),
		forms.AtMost("Password", form.Password, 255), forms.Visibility(form.Visibility)); why != "" {
		return c.unprocessable(why)
	}
	if form.SourceID != 0 {
		return c.unprocessable(noSource(form.SourceID))
	}
	if len(form.Password) < minPassword && s.since(V126) {
		return c.refuse(http.StatusBadRequest, "PasswordIsRequired")
	}
	if why := forms.First(forms.Required("Password", form.Password), s.takeName(form.Username),
		s.takeMail(email)); why != "" {
		return c.unprocessable(why)
	}
	a := s.addAccount(&account{User: User{
		Login: form.Username, LoginName: or(form.LoginName), Email: email, FullName: or(form.FullName),
		Password:   form.Password,
		Visibility: form.Visibility, Restricted: is(form.Restricted),
		MustChangePassword: form.MustChangePassword == nil || *form.MustChangePassword,
	}})
	return reply(http.StatusCreated, s.userJSON(a, c.doer))
}

func (s *Server) takeMail(email string) check {
	if strings.HasPrefix(email, "-") {
		return "e-mail invalid [email: " + email + "]"
	}
	taken := find(s.accounts, func(a *account) bool { return !a.org && strings.EqualFold(a.Email, email) })
	switch {
	case taken == nil:
		return ""
	case !s.since(V126):
		email = taken.Email
	}
	return "e-mail already in use [email: " + email + "]"
}

// updateUser takes organisations too.
func (s *Server) updateUser(c *call) answer {
	form, refusal, ok := decode[userForm](c)
	if !ok {
		return refusal
	}
	if !s.since(V127) {
		if why := forms.Required("LoginName", or(form.LoginName)); why != "" {
			return c.unprocessable(why)
		}
	}
	if why := forms.First(forms.AtMost("Password", form.Password, 255), forms.AtMost("FullName", or(form.FullName),
		100),
		forms.AtMost("Description", or(form.Description), 255), forms.Link("Website", or(form.Website)),
		forms.AtMost("Location", or(form.Location), 50),
		forms.Visibility(form.Visibility)); why != "" {
		return c.unprocessable(why)
	}
	if form.SourceID != 0 {
		if !s.since(V126) {
			return c.unprocessable(noSource(form.SourceID))
		}
		return c.broken(noSource(form.SourceID))
	}
	if form.Password != "" && len(form.Password) < minPassword {
		return c.refuse(http.StatusBadRequest, "password must be at least 8 characters")
	}
	if form.Email != nil && !strings.EqualFold(*form.Email, c.user.Email) {
		if why := forms.First(forms.Mail(*form.Email), s.takeMail(*form.Email)); why != "" {
			return c.refuse(http.StatusBadRequest, why)
		}
	}
	s.change(c.user, form)
	return reply(http.StatusOK, s.userJSON(c.user, c.doer))
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// unset is set for flags whose field is the other way round.
func unset(to *bool, from *bool) {
	if from != nil {
		*to = !*from
	}
}

// change leaves alone what the form does not speak of. A new password leaves
// tokens alone, and that the old one had to be changed.
func (s *Server) change(a *account, form userForm) {
	set(&a.LoginName, form.LoginName)
	if form.Password != "" {
		a.Password = form.Password
	}
	if form.Visibility != "" && (form.Visibility != "public" || s.since(V126)) {
		a.Visibility = form.Visibility
	}
	set(&a.Email, form.Email)
	set(&a.FullName, form.FullName)
	set(&a.Description, form.Description)
	set(&a.website, form.Website)
	set(&a.location, form.Location)
	set(&a.MustChangePassword, form.MustChangePassword)
	set(&a.ProhibitLogin, form.ProhibitLogin)
	set(&a.Restricted, form.Restricted)
	set(&a.Admin, form.Admin)
	set(&a.GitHooks, form.AllowGitHook)
	set(&a.ImportLocal, form.AllowImportLocal)
	unset(&a.Inactive, form.Active)
	unset(&a.NoCreateOrganization, form.AllowCreateOrganization)
	if form.MaxRepoCreation != nil {
		a.MaxRepoCreation = new(*form.MaxRepoCreation)
	}
}

// deleteUser with purge takes everything of the user's along, and every
// organisation that would be nobody's.
func (s *Server) deleteUser(c *call) answer {
	a := c.user
	switch {
	case a.org:
		return c.unprocessable(a.Login + " is an organization not a user")
	case a == c.doer:
		return c.unprocessable("you cannot delete yourself")
	case c.flag("purge"):
		s.purge(a)
	case len(s.reposOf(a)) > 0:
		return c.unprocessable("user still has ownership of repositories " + uid(a.ID))
	case len(s.orgsWhere(a.memberOf)) > 0:
		return c.unprocessable("user still has membership of organizations " + uid(a.ID))
	case len(s.packagesOf(a)) > 0:
		return c.unprocessable("user still has ownership of packages " + uid(a.ID))
	}
	s.removeAccount(a)
	return noContent()
}

func (s *Server) purge(a *account) {
	for _, o := range s.orgsWhere(a.memberOf) {
		if o.lastOwner(a) {
			s.purge(o)
			s.removeAccount(o)
			continue
		}
		for _, t := range o.teams {
			t.members = without(t.members, a)
		}
	}
	for _, r := range s.reposOf(a) {
		s.removeRepo(r)
	}
	for _, p := range s.packagesOf(a) {
		s.packages = without(s.packages, p)
	}
}
