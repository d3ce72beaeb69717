package hosting

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// On a shared host one Docker daemon builds for all workspaces, and a program that can
// reach that daemon controls the host. Coolify builds by sourcing the build-time
// variables with bash, in the tenant's checkout, in a container that holds the Docker
// socket. So on a shared host vibn-mcp refuses a build pack that lets the repository
// choose how containers start, and a variable that chooses which program runs.

// sharedBuildPacks are the build packs whose input stays inside the build.
var sharedBuildPacks = []string{"static", "dockerfile"}

// refuseDeploy says why this app, as Coolify reports it now, may not be built where the
// workspace is placed; nil if it may.
func refuseDeploy(p tenancy.Placement, app coolify.Application, envs []coolify.Env) error {
	if !sharesBuildHost(p, app) {
		return nil
	}
	if err := refusePack(app.BuildPack); err != nil {
		return err
	}
	if err := refuseDirectories(app); err != nil {
		return err
	}
	for _, e := range envs {
		if err := refuseBuildRow(e); err != nil {
			return err
		}
	}
	return nil
}

// refuseBuildRow checks an existing variable, no matter who set it.
func refuseBuildRow(e coolify.Env) error {
	if !e.BuildTime {
		return nil
	}
	name, scope := fmt.Sprintf("%q", cleanKey(e.Key)), ""
	if e.Preview {
		name, scope = name+" of previews", " with scope preview"
	}
	if reason := refuseBuildKey(e.Key); reason != "" {
		return sharedHostError("the build-time variable "+name+" "+reason,
			"remove it with envs_delete"+scope+", or set it again"+scope+" with build_time false")
	}
	if !e.Literal {
		return sharedHostError(
			"the build-time variable "+name+" is not literal, so the build's shell would evaluate its value",
			"set it again"+scope+" with envs_upsert, which makes build-time variables literal, or with build_time "+
				"false")
	}
	return nil
}

// isShared reports whether the rules for shared hosts apply. They apply to every trust
// except the two that lift them, so also to an unknown one.
func isShared(p tenancy.Placement) bool {
	return p.Trust != tenancy.Dedicated && p.Trust != tenancy.Trusted
}

// sharesBuildHost reports whether an app is built beside those of other workspaces. A workspace's
// own host is the server that its placement names. An app that Coolify has on another
// server shares that one, whatever the workspace's trust.
func sharesBuildHost(p tenancy.Placement, app coolify.Application) bool {
	if p.Trust == tenancy.Dedicated {
		return p.Server == "" || app.ServerUUID.String() != p.Server
	}
	return isShared(p)
}

func sharedHostError(what, hint string) error {
	return &tenancy.Error{
		Code: tenancy.Forbidden, Msg: "this workspace shares its host with others, and " + what,
		Hint: hint + "; or ask the operator for a dedicated host",
	}
}

func refusePack(pack string) error {
	if slices.Contains(sharedBuildPacks, pack) {
		return nil
	}
	return sharedHostError(fmt.Sprintf("the build pack %q could reach the host", cleanKey(pack)),
		"use one of: "+strings.Join(sharedBuildPacks, ", "))
}

// plainPart matches a part of a path, as web, or @acme of npm, that shells and programs read as a name and nothing
// more.
var plainPart = regexp.MustCompile(`^@?[A-Za-z0-9._+][A-Za-z0-9._+-]*$`)

// refuseDirectories refuses a path that leaves the checkout: it would point into the
// container that builds. Coolify puts the path into commands without quotes.
func refuseDirectories(app coolify.Application) error {
	for _, d := range []struct{ name, path string }{
		{"base_directory", app.BaseDirectory},
		{"publish_directory", app.PublishDirectory},
		{"dockerfile_location", app.DockerfileLocation},
	} {
		for part := range strings.SplitSeq(d.path, "/") {
			if part != "" && (part == ".." || !plainPart.MatchString(part)) {
				return sharedHostError(
					"the app's "+d.name+" leaves the repository or is no plain path", "ask the operator to correct it",
				)
			}
		}
	}
	return nil
}

// cleanKey returns at most 64 bytes of a key or build pack, with "?" for each character
// that cannot occur in one.
func cleanKey(s string) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && r != '"' {
			return r
		}
		return '?'
	}, s)
	return s[:min(len(s), 64)]
}

// buildKey matches what bash accepts as a variable's name. Coolify also allows dots, but
// bash runs a line "a.b=…" as a command of that name.
var buildKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reservedKeys are the names, in upper case, of variables that change which program a
// build runs or which host it connects to: those of the loader, the shell, search paths,
// git, proxies, Docker and its tools, and Coolify. A trailing * matches any suffix.
var reservedKeys = []string{
	// loader and C library
	"LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR", "LOCPATH", "MUSL_*", "NLSPATH", "TEXTDOMAIN*",
	"MALLOC_*", "HOSTALIASES",
	"LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*", "TZDIR", "NSS_*", "OPENSSL_*", "SSL_*", "GODEBUG", "GOTRACEBACK",
	"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOCOVERDIR",
	// shell
	"BASH*", "ENV", "IFS", "PS0", "PS1", "PS2", "PS3", "PS4", "PROMPT_*", "SHELL*", "SHLVL", "CDPATH", "GLOBIGNORE",
	"GLOBSORT", "FIGNORE",
	"EXECIGNORE", "POSIXLY_CORRECT", "HIST*", "INPUTRC", "MAIL", "MAILCHECK", "MAILPATH", "OPT*", "PIPESTATUS", "PWD",
	"OLDPWD", "UID", "EUID", "PPID", "GROUPS", "DIRSTACK", "FUNCNAME",
	"FUNCNEST", "RANDOM", "SRANDOM", "SECONDS", "EPOCH*", "LINENO", "TMOUT", "TIMEFORMAT", "COMP_*", "COMPREPLY",
	"COPROC*", "MAPFILE", "READLINE_*", "REPLY", "_",
	"HOME", "USER", "LOGNAME", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "OSTYPE", "TERM*", "XDG_*", "TMPDIR", "TEMP", "TMP",
	"CHILD_MAX", "INSIDE_EMACS", "IGNOREEOF",
	// search paths and the programs that others start
	"PATH", "FPATH", "MANPATH", "INFOPATH", "PKG_CONFIG*", "PYTHON*", "PERL*", "RUBYOPT", "RUBYLIB", "EDITOR", "VISUAL",
	"PAGER", "LESS*", "BROWSER",
	"TAR_OPTIONS", "TAPE", "GZIP", "XZ_*", "GREP_*", "CURL_*", "WGETRC", "SYSTEM_WGETRC", "NOTIFY_SOCKET", "LISTEN_*",
	"JQ_*",
	// git and ssh
	"GIT_*", "GIT", "SSH_*", "GNUPG*", "GPG_*",
	// proxies between the build and Docker
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY", "RSYNC_*", "SOCKS_*", "GRPC_*", "OTEL_*",
	"TRACEPARENT", "TRACESTATE",
	// Docker and its tools, Coolify
	"DOCKER*", "BUILDKIT*", "BUILDX*", "BUILDCTL*", "COMPOSE*", "EXPERIMENTAL_*", "CONTAINERD*", "MOBY*", "PODMAN*",
	"REGISTRY_*", "DEPOT_*", "CNI_*", "RUNC_*",
	"NIXPACKS_*", "RAILPACK_*", "COOLIFY*", "SERVICE_*",
}

// refuseBuildKey says what is wrong with a build-time key on a shared host; "" if it is
// valid. It ignores letter case.
func refuseBuildKey(key string) string {
	if !buildKey.MatchString(key) {
		return "is not a plain name of letters, digits and underscores"
	}
	upper := strings.ToUpper(key)
	for _, r := range reservedKeys {
		prefix, wild := strings.CutSuffix(r, "*")
		if upper == prefix || (wild && strings.HasPrefix(upper, prefix)) {
			return "has a name that changes how the build's own programs work"
		}
	}
	return ""
}
