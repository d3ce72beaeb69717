package coolifytest

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"strings"
	"unicode/utf8"
)

// required makes rules of fields that must be there.
func required(fields ...string) []rule {
	var out []rule
	for _, f := range fields {
		out = append(out, rule{field: f, required: true, kind: "string"})
	}
	return out
}

// createDeployKeyApplication makes an application, its name taken or not, with
// any key of the team. Domains are looked at before the key.
func (s *Server) createDeployKeyApplication(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(
		append(
			required("project_uuid", "server_uuid"), limited("name", columnWidth, false),
			boolean("autogenerate_domain"),
		)...,
	)
	if bad.extra(c, creatable...); len(bad) > 0 {
		return invalid(bad)
	}
	env, missing := s.chosenEnvironment(c, message(http.StatusNotFound, "Environment not found."))
	if env == nil {
		return missing
	}
	dest, missing := s.chosenDestination(c)
	if dest == nil {
		return missing
	}
	bad = c.check(
		append(append(required("git_branch", "build_pack", "private_key_uuid"), appRules...), repositoryRule)...,
	)
	if len(bad) > 0 {
		return invalid(bad)
	}
	if c.text("build_pack") == "dockercompose" && c.has("domains") {
		return composeDomains()
	}
	domains := c.text("domains")
	if c.has("domains") && !dest.host.NoProxy {
		var refusal answer
		var refused bool
		if domains, refusal, refused = s.checkDomains(c, nil); refused {
			return refusal
		}
	}
	key := s.teamKey(c, c.text("private_key_uuid"))
	if key == nil {
		return message(http.StatusNotFound, "Private Key not found.")
	}
	if utf8.RuneCountInString(c.text("description")) > columnWidth { // validation lets it through, the column does not
		return c.serverError()
	}
	a := s.insertCreated(c, env, dest, key, domains)
	return reply(http.StatusCreated, object{"uuid": a.UUID, "domains": orNull(a.FQDN)})
}

func (s *Server) insertCreated(c *call, env *environment, dest *destination, key *privateKey, domains string) *app {
	if key.ServerKey {
		s.Violate(c.operation() + ": with the key of the servers")
	}
	repository := c.text("git_repository")
	name := strings.ToLower(fmt.Sprintf("%s:%s-%s", path.Base(repository), c.text("git_branch"), random(24)))
	a := s.addApp(env, dest, key, App{Name: cmp.Or(c.text("name"), name), BuildPack: c.text("build_pack")})
	s.applyUpdate(c, a, domains)
	a.fill()
	a.proxyPort = a.PortsExposes
	if generate := !c.has("autogenerate_domain") || c.flag("autogenerate_domain"); generate && a.FQDN == "" {
		a.FQDN = fmt.Sprintf("http://%s.%s.sslip.io", a.UUID, dest.host.IP)
	}
	if c.flag("instant_deploy") {
		s.queue(a, order{})
	}
	return a
}
