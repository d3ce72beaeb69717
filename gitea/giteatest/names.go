package giteatest

import (
	"strconv"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

type check = forms.Problem

// takeName looks whether a user or an organisation may have a name.
func (s *Server) takeName(name string) check {
	reserved := forms.ReservedUsers
	if !s.since(V126) {
		reserved = append([]string{"admin", "new"}, reserved...)
	}
	if why := forms.Usable(name, reserved, forms.UserPatterns); why != "" {
		return why
	}
	if s.account(name) != nil {
		return "user already exists [name: " + name + "]"
	}
	return ""
}

func (s *Server) noUser(name string) string {
	if !s.since(V126) {
		name += ", keyid: 0"
	}
	return "user does not exist [uid: 0, name: " + name + "]"
}

func noRedirect(name string) string { return "user redirect does not exist [name: " + name + "]" }

func uid(id int) string { return "[uid: " + strconv.Itoa(id) + "]" }
