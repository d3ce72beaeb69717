package giteatest

import (
	"cmp"
	"net/http"
)

func (s *Server) version(*call) answer {
	return reply(http.StatusOK, object{"version": cmp.Or(s.cfg.Version, versions[s.cfg.Behaviour])})
}

func (s *Server) apiSettings(*call) answer {
	return reply(http.StatusOK, object{
		"max_response_items": maxPage, "default_paging_num": defaultPage, "default_git_trees_per_page": 1000,
		"default_max_blob_size": 10485760, "default_max_response_size": 104857600,
	})
}

func (s *Server) health(*call) answer {
	ok := []object{{"status": "pass", "time": stamp(s.cfg.Now())}}
	return typed(http.StatusOK, "application/json", encode(object{
		"status": "pass", "description": "Gitea: Git with a cup of tea", "checks": object{
			"cache:ping":    ok,
			"database:ping": ok,
		},
	}))
}

// signUp is the page that says whether anybody may register.
func (s *Server) signUp(*call) answer {
	form := "<p>Registration is disabled. Please contact your site administrator.</p>"
	if s.cfg.OpenRegistration {
		form = `<label for="user_name">Username</label><input id="user_name" type="text" name="user_name" required>` +
			`<label for="email">Email Address</label><input id="email" name="email" type="email" required>`
	}
	return typed(http.StatusOK, typeHTML, []byte("<!DOCTYPE html>\n<html><head><title>Register</title></head><body>"+
		`<form class="ui form" action="/user/sign_up" method="post">`+form+"</form></body></html>\n"))
}
