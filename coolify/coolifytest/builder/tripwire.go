package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// trip writes down what a build did. A caller holds b.mu.
func (b *Builder) trip(a Build, format string, args ...any) {
	b.tripped = append(b.tripped, "application "+a.App+": "+fmt.Sprintf(format, args...))
}

// judge looks at what a build left: its trace, the mark, and what docker saw.
func (b *Builder) judge(a Build, s *site, output string, code int) error {
	trace, err := os.ReadFile(s.trace)
	if err != nil {
		return fmt.Errorf("builder: %w", err)
	}
	reached := b.judgeTrace(a, s, string(trace))
	if _, err := os.Stat(b.Mark()); err == nil {
		b.trip(a, "something made the mark")
		if err := os.Remove(b.Mark()); err != nil {
			return fmt.Errorf("builder: %w", err)
		}
	}
	record, err := os.ReadFile(s.record)
	switch {
	case err == nil:
		b.judgeEnvironment(a, s, string(record))
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("builder: %w", err)
	case code == tooBig && strings.Contains(output, "Argument list too long"):
		// no program can start with so large an environment
	case reached:
		b.trip(a, "the docker that ran was not the genuine one")
	}
	return nil
}

const tooBig = 126 // exit code of a command that could not be started

// name is what bash takes for the name of a variable. An assignment to anything
// else is a command to it: KEY.X=./y runs the program y in the folder "KEY.X=.".
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// judgeTrace trips for each command that is neither of the script nor a line of
// ours, and reports whether docker was reached.
func (b *Builder) judgeTrace(a Build, s *site, trace string) (reached bool) {
	expected := map[string]bool{}
	for step := range strings.SplitSeq(s.script, " && ") {
		expected["0 "+step] = true
	}
	for _, line := range s.lines {
		if key, _, _ := strings.Cut(line, "="); name.MatchString(key) {
			expected["0 "+printable(line)] = true
		}
	}
	for command := range strings.SplitSeq(strings.TrimSuffix(trace, "\x00"), "\x00") {
		if strings.HasPrefix(command, "0 docker ") {
			reached = true
		}
		if command != "" && !expected[printable(command)] {
			b.trip(a, "bash ran %q", command)
		}
	}
	return reached
}

// printable drops the bytes that bash itself drops or doubles.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 || r == 1 || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// obeyed are the variables that the loader, a shell, docker, its plug-ins or git
// take orders from.
var (
	obeyedPrefixes = []string{"LD_", "DYLD_", "BASH_", "DOCKER_", "BUILDX_", "BUILDKIT_", "COMPOSE_", "GIT_CONFIG"}
	obeyed         = strings.Fields(`SHELLOPTS BASHOPTS PS4 GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH
		HOSTALIASES RESOLV_HOST_CONF LOCALDOMAIN RES_OPTIONS GODEBUG GOTRACEBACK SSL_CERT_FILE SSL_CERT_DIR
		SSH_AUTH_SOCK SSH_ASKPASS XDG_CONFIG_HOME EXPERIMENTAL_BUILDKIT_SOURCE_POLICY
		GIT_DIR GIT_WORK_TREE GIT_EXEC_PATH GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_PAGER GIT_EDITOR GIT_EXTERNAL_DIFF
		GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY`)
	proxies = strings.Fields("HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY") // in any case
)

// judgeEnvironment writes down what reached docker, and trips for what steers it.
func (b *Builder) judgeEnvironment(a Build, s *site, record string) {
	ours := b.environ(s)
	b.env = map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(record, "\x00"), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		b.env[key] = value
		if slices.Contains(ours, pair) {
			continue
		}
		overridden := slices.ContainsFunc(ours, func(p string) bool { return strings.HasPrefix(p, key+"=") })
		if overridden || steers(key) {
			b.trip(a, "docker saw %s", key)
		}
	}
}

func steers(key string) bool {
	return slices.Contains(obeyed, key) || slices.Contains(proxies, strings.ToUpper(key)) ||
		slices.ContainsFunc(obeyedPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// hostile are options of a compose file that hand over the machine.
var hostile = regexp.MustCompile(`(?im)\bprivileged\s*:\s*["']?true|docker\.sock|\b(network_mode|pid|ipc|userns_mode|uts|cgroup)\s*:\s*["']?host\b|` +
	`\bcap_add\s*:|\bdevices\s*:|\bsecurity_opt\s*:|-\s*["']?/[^\n:]*:/|\bsource\s*:\s*["']?/`)

// judgeCompose trips when a tenant's compose file asks for the machine: Coolify
// would start it as it is.
func (b *Builder) judgeCompose(a Build) {
	for _, path := range slices.Sorted(maps.Keys(a.Files)) {
		content := a.Files[path]
		isCompose := strings.HasSuffix(path, ".yml") || strings.HasSuffix(path, ".yaml")
		if found := hostile.FindString(content); isCompose && found != "" {
			b.trip(a, "%s says %q", path, found)
		}
	}
}
