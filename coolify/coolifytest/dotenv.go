package coolifytest

import (
	"maps"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest/composeenv"
)

// dotEnv is the file of an application's variables for its container, as Coolify
// writes it. The rows have the shared variables already put in.
func dotEnv(a App, rows []Env) string {
	lines := []string{"COOLIFY_URL=" + a.FQDN, "COOLIFY_BRANCH=" + a.GitBranch, "COOLIFY_RESOURCE_UUID=" + a.UUID}
	for _, e := range rows {
		if e.Runtime {
			lines = append(lines, e.Key+"="+quoted(e, e.Value))
		}
	}
	port, _, _ := strings.Cut(a.PortsExposes, ",")
	for _, add := range []Env{{Key: "PORT", Value: port}, {Key: "HOST", Value: "0.0.0.0"}} {
		if !slices.ContainsFunc(rows, func(e Env) bool { return e.Key == add.Key }) {
			lines = append(lines, add.Key+"="+add.Value)
		}
	}
	return strings.Join(lines, "\n")
}

// containerEnv is what docker compose makes of an application's file of variables. It
// fails where docker compose does, which reads the file twice: for itself, where its own
// environment wins, and for the container.
func (s *Server) containerEnv(a *app, preview bool) (map[string]string, error) {
	file := dotEnv(a.App, s.resolvedRows(a, preview))
	own := map[string]string{"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "COOLIFY_URL": a.FQDN}
	project, err := composeenv.Read(file, composeenv.In(own))
	if err != nil {
		return nil, err
	}
	maps.Copy(project, own)
	env, err := composeenv.Read(file, composeenv.In(project))
	if value, nameless := env[""]; nameless {
		return nil, daemonError("invalid environment variable: =" + value)
	}
	return env, err
}

// A daemonError is what the engine refuses after docker compose has read all files, such
// as a line that begins with an equals sign.
type daemonError string

func (e daemonError) Error() string { return "Error response from daemon: " + string(e) }

// DotEnv returns the file of variables that Coolify would write for a container of the
// application if it were deployed now, or for a preview. An unknown application panics.
func (s *Server) DotEnv(appUUID string, preview bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := must(s.app(appUUID), "application", appUUID)
	return dotEnv(a.App, s.resolvedRows(a, preview))
}

// ContainerEnv returns the variables that a container of the application would get if
// it were deployed now, or for a preview. An error is why that deployment would fail.
// An unknown application panics.
func (s *Server) ContainerEnv(appUUID string, preview bool) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.containerEnv(must(s.app(appUUID), "application", appUUID), preview)
}
