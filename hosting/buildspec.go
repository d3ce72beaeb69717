package hosting

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// BuildPacks returns the build packs that an app may be created with, where its host
// allows them.
func BuildPacks() []string { return []string{"static", "dockerfile", "nixpacks", "railpack"} }

// A BuildSpec says how an app is built. A nil field is not set.
type BuildSpec struct {
	Branch           *string
	Build            *string // one of [BuildPacks]
	Port             *int    // that the app listens on
	BaseDirectory    *string // where the build begins; "" is the repository's root
	PublishDirectory *string // the part of the build's result that is served, if not all of it
	Dockerfile       *string // path of the Dockerfile in the base directory; "" is Coolify's default
	HealthCheck      *string // page that answers once the app is up, as /healthz; "" is none
}

// branchForm matches the branch names that Coolify accepts. branchBars matches the names
// among them that git or Coolify rejects.
var (
	branchForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$`)
	branchBars = regexp.MustCompile(`\.\.|//|/\.|\.lock(?:/|$)|[./]$|^HEAD$`)
)

// healthCheckForm matches the pages that a health check may ask for. The path becomes part
// of a shell command in the container.
var healthCheckForm = regexp.MustCompile(`^/[A-Za-z0-9._~/-]{0,199}$`)

// clean validates a spec and returns it in the form in which Coolify stores it.
func (b BuildSpec) clean() (BuildSpec, error) {
	if b.Branch != nil && (!branchForm.MatchString(*b.Branch) || branchBars.MatchString(*b.Branch)) {
		return b, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this is not a branch name that can be deployed",
			Hint: "it has letters, digits, and . _ - / between them, as in main or feature/login",
		}
	}
	if b.Build != nil && !slices.Contains(BuildPacks(), *b.Build) {
		return b, &tenancy.Error{Code: tenancy.Invalid, Msg: "build is one of " + strings.Join(BuildPacks(), ", ")}
	}
	if b.Port != nil && (*b.Port < 1 || *b.Port > 65_535) {
		return b, &tenancy.Error{Code: tenancy.Invalid, Msg: "port must be between 1 and 65535"}
	}
	for name, path := range map[string]**string{
		"base_directory": &b.BaseDirectory, "publish_directory": &b.PublishDirectory, "dockerfile": &b.Dockerfile,
	} {
		if *path == nil {
			continue
		}
		clean, ok := cleanPath(**path)
		if !ok {
			return b, &tenancy.Error{
				Code: tenancy.Invalid, Msg: name + " is not a plain path inside the repository",
				Hint: "use names of letters, digits and . _ + - separated by /, with @ only in front; none " +
					"may be .. or begin with a hyphen",
			}
		}
		*path = &clean
	}
	if b.HealthCheck != nil && *b.HealthCheck != "" && !healthCheckForm.MatchString(*b.HealthCheck) {
		return b, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "health_check is not a path of the app",
			Hint: "give a path that begins with / and has letters, digits and . _ ~ / -, as in /healthz; \"\" " +
				"ends the check",
		}
	}
	if b.Dockerfile != nil && *b.Dockerfile == "/" {
		b.Dockerfile = new("")
	}
	if b.PublishDirectory != nil && *b.PublishDirectory == "/" {
		b.PublishDirectory = new("")
	}
	return b, nil
}

// cleanPath returns the path with a leading / and without empty and "." parts. ok is
// false if a part is ".." or not plain, or if the path is too long.
func cleanPath(path string) (clean string, ok bool) {
	parts := []string{}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." {
			continue
		}
		if part == ".." || !plainPart.MatchString(part) {
			return "", false
		}
		parts = append(parts, part)
	}
	clean = "/" + strings.Join(parts, "/")
	return clean, len(clean) <= maxPath
}

const maxPath = 200

// update returns the spec as a change of an application.
func (b BuildSpec) update() coolify.ApplicationUpdate {
	u := coolify.ApplicationUpdate{
		Branch: b.Branch, BuildPack: b.Build, BaseDirectory: b.BaseDirectory, PublishDirectory: b.PublishDirectory,
		DockerfileLocation: b.Dockerfile,
	}
	if b.Port != nil {
		u.Ports = new(fmt.Sprint(*b.Port))
	}
	if b.HealthCheck != nil {
		u.HealthCheck = new(*b.HealthCheck != "")
		if *b.HealthCheck != "" {
			u.HealthCheckPath = b.HealthCheck
		}
	}
	return u
}

// applyTo returns the application with the spec's fields set.
func (b BuildSpec) applyTo(to coolify.Application) coolify.Application {
	u := b.update()
	for field, value := range map[*string]*string{
		&to.GitBranch: u.Branch, &to.BuildPack: u.BuildPack, &to.PortsExposes: u.Ports,
		&to.BaseDirectory: u.BaseDirectory, &to.PublishDirectory: u.PublishDirectory,
		&to.DockerfileLocation: u.DockerfileLocation,
	} {
		if value != nil {
			*field = *value
		}
	}
	if b.HealthCheck != nil {
		to.HealthCheckPath = *b.HealthCheck
	}
	return to
}

// mismatch names the first field in which an application differs from the spec; "" if it
// matches.
func (b BuildSpec) mismatch(app coolify.Application) string {
	want := b.applyTo(app)
	for _, f := range []struct{ name, want, got string }{
		{"branch", want.GitBranch, app.GitBranch},
		{"build", want.BuildPack, app.BuildPack},
		{"port", want.PortsExposes, app.PortsExposes},
		{"base_directory", want.BaseDirectory, app.BaseDirectory},
		{"publish_directory", want.PublishDirectory, app.PublishDirectory},
		{"dockerfile", want.DockerfileLocation, app.DockerfileLocation},
		{"health_check", want.HealthCheckPath, app.HealthCheckPath},
	} {
		if f.want != f.got && (f.want != "" || f.got != "/" && f.got != "/Dockerfile") {
			return f.name
		}
	}
	return ""
}
