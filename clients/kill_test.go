package clients

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/secret"
)

// fatalTool stands for a program of the toolbox: it counts the runs of all of them,
// and before a certain one it kills the script and whatever runs for it.
const fatalTool = `#!/bin/sh
read -r n <"$RUNS"
echo "$((n + 1))" >"$RUNS"
if [ "$((n + 1))" -eq "$FATAL" ]; then kill -9 0; fi
exec %s "$@"
`

// writers are the programs that write, one way or another.
var writers = []string{"mv", "awk", "cp", "chmod", "mkdir", "rm", "rmdir"}

// TestKilled kills the script before each program that writes for it: every file
// is the old one or the new one, nothing that git would add holds the key, and the
// next run brings it to its end.
func TestKilled(t *testing.T) {
	s := setup()
	s.Gitea = &url.URL{Scheme: "https", Host: "git.example.com"}
	script := s.Script(secret.NewText(testKey))
	for i, name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &killing{t: t, sh: shell(t, name), script: script}
			before, after := k.whole()
			for turn := range (k.runs + len(shells) - 1 - i) / len(shells) { // the shells share the moments
				n := 1 + i + turn*len(shells)
				k.kill(before, after, n, turn%5 == 0, nil)
				if turn%5 == 1 {
					k.kill(after, before, n, turn%2 == 0, []string{"--uninstall"})
				}
			}
		})
	}
}

type killing struct {
	t      *testing.T
	sh     []string
	script string
	runs   int // of the programs, in a whole run
}

// room is one with the files of three forms, in which the programs are fatal.
func (k *killing) room() *room {
	r := newRoom(k.t)
	r.git("init", "-q")
	furnish(r)
	for _, name := range []string{".vscode", ".gemini", ".zed"} {
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			k.t.Fatal(err)
		}
	}
	for _, name := range writers {
		path := filepath.Join(r.path, name)
		real, err := os.Readlink(path)
		if err != nil {
			k.t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			k.t.Fatal(err)
		}
		k.write(path, fmt.Sprintf(fatalTool, real))
	}
	k.write(filepath.Join(r.path, "vibn-mcp"), "#!/bin/sh\n")
	return r
}

func (k *killing) write(path, text string) {
	k.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		k.t.Fatal(err)
	}
}

// run runs the script in a process group of its own, which dies at the n-th program.
func (k *killing) run(r *room, fatal int, args []string) (killed bool, runs int) {
	k.t.Helper()
	counter := filepath.Join(filepath.Dir(r.home), "runs")
	k.write(counter, "0\n")
	r.env = []string{"RUNS=" + counter, "FATAL=" + strconv.Itoa(fatal)}
	if len(args) == 0 {
		args = []string{"--client", "claude-code,codex,windsurf"}
	}
	cmd := r.command(k.sh, r.onPath(k.sh, k.script), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		k.t.Fatal(err)
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	if !killed && status.ExitStatus() != 0 {
		k.t.Fatalf("status %d\n%s", status.ExitStatus(), out)
	}
	r.env[1] = "FATAL=-1"
	runs, err = strconv.Atoi(strings.TrimSpace(k.read(counter)))
	if err != nil {
		k.t.Fatal(err)
	}
	return killed, runs
}

func (k *killing) read(path string) string {
	k.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(raw)
}

// whole runs the script to its end, and returns what was before it and after.
func (k *killing) whole() (before, after snapshot) {
	r := k.room()
	before = r.snapshot()
	_, k.runs = k.run(r, -1, nil)
	if after = r.snapshot(); k.runs < 20 || len(after.holders(testKey)) < 6 {
		k.t.Fatalf("a whole run starts %d programs, and leaves the key in %v", k.runs, after.holders(testKey))
	}
	return before, after
}

// kill kills a run at the n-th program, looks at what is there, and on demand runs it
// again, to its end.
func (k *killing) kill(from, to snapshot, n int, again bool, args []string) {
	k.t.Helper()
	r := k.room()
	if args != nil {
		k.run(r, -1, nil)
	}
	killed, _ := k.run(r, n, args)
	if !killed && args == nil {
		k.t.Errorf("the run had its end before program %d of %d", n, k.runs)
	}
	got := r.snapshot()
	for name, is := range got {
		if !strings.Contains(name, tmpPrefix) && is != from[name] && is != to[name] && !sameText(is, from[name], to[name]) {
			k.t.Errorf("%s, killed at %d: %s is neither the old nor the new one:\n%s", args, n, name, is)
		}
	}
	for name := range from {
		if _, ok := got[name]; !ok && to[name] != "" {
			k.t.Errorf("%s, killed at %d: %s is gone", args, n, name)
		}
	}
	checkNothingAdded(k.t, r)
	if !again {
		return
	}
	k.run(r, -1, args)
	if diff := cmp.Diff(to.plain(), r.snapshot().plain()); diff != "" {
		k.t.Errorf("%s, killed at %d, and run again (-want +got)\n%s", args, n, diff)
	}
}

// sameText compares without the permissions: a file that held the key stays closed
// to others.
func sameText(is string, others ...string) bool {
	return slices.ContainsFunc(others, func(other string) bool {
		_, a, ok := strings.Cut(is, " ")
		_, b, ok2 := strings.Cut(other, " ")
		return ok && ok2 && a == b
	})
}

// TestGitAsksVibn: after the script git asks the program for what opens the
// workspace's repositories, with the key from a file, and asks it for no other host.
func TestGitAsksVibn(t *testing.T) {
	s := setup()
	s.Gitea = &url.URL{Scheme: "https", Host: "git.example.com:8443"}
	script := s.Script(secret.NewText(testKey))
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.dir = filepath.Join(r.dir, "it's \"$(touch pwned)\"\n")
			r.mkdir(r.dir)
			r.git("init", "-q")
			before := r.snapshot()
			asked := filepath.Join(filepath.Dir(r.home), "asked")
			helper := "#!/bin/sh\nexec 3>>'" + asked + "'\necho \"$1 $2 $VIBN_URL ${VIBN_API_KEY:-none}\" >&3\n/bin/cat \"$VIBN_API_KEY_FILE\" >&3\n" +
				"[ \"$2\" != get ] || printf 'username=bot\\npassword=token\\n'\n"
			if err := os.WriteFile(filepath.Join(r.path, "vibn-mcp"), []byte(helper), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(need(t, "sh"), filepath.Join(r.path, "sh")); err != nil {
				t.Fatal(err)
			}
			r.git("config", "--local", "credential.helper", "!echo password=wrong; echo username=other #")
			r.env = []string{"VIBN_API_KEY=another", "GIT_TERMINAL_PROMPT=0"}
			sh := shell(t, name)
			r.install(sh, script)
			r.mkdir(filepath.Join(r.dir, "below"))
			fill := func(dir, question string) string {
				cmd := exec.CommandContext(t.Context(), need(t, "git"), "credential", "fill")
				cmd.Dir, cmd.Env, cmd.Stdin = filepath.Join(r.dir, dir), r.environ(), strings.NewReader(question)
				out, _ := cmd.Output() // it fails if nobody knows
				return string(out)
			}
			for _, dir := range []string{".", "below"} {
				if got := fill(dir, "protocol=https\nhost=git.example.com:8443\n"); !strings.Contains(got, "username=bot\npassword=token\n") {
					t.Errorf("in %s git gets %q", dir, got)
				}
			}
			for _, question := range []string{"protocol=https\nhost=git.example.com\n", "protocol=http\nhost=git.example.com:8443\n", "protocol=https\nhost=git.example.com.evil.example:8443\n"} {
				if got := fill(".", question); strings.Contains(got, "password=token") {
					t.Errorf("%q gets %q", question, got)
				}
			}
			line := "git-credential get https://vibn.example.com none\n" + testKey + "\n"
			if raw, err := os.ReadFile(asked); err != nil || string(raw) != line+line {
				t.Errorf("the helper was run as %q (%v), want twice %q", raw, err, line)
			}
			if o := r.install(sh, script); !strings.Contains(o.errout, "Nothing had to be changed") {
				t.Errorf("the second run says\n%s", o.errout)
			}
			f, words := r.folder(s)
			if !f.Connect(t.Context()) || !strings.Contains(words.String(), "Nothing had to be changed") {
				t.Errorf("Go says\n%s", words)
			}
			r.install(sh, script, "--uninstall")
			r.git("config", "--local", "--unset", "credential.helper")
			if err := os.Remove(filepath.Join(r.dir, "below")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, r.snapshot()); diff != "" {
				t.Errorf("taken out (-before +after)\n%s", diff)
			}
		})
	}
}

// TestGitSettingsOfBefore: over settings that an older version wrote, without the
// line that has git forget its other helpers, a run writes today's, and uninstall
// takes these out.
func TestGitSettingsOfBefore(t *testing.T) {
	s := setup()
	s.Gitea = &url.URL{Scheme: "https", Host: "git.example.com:8443"}
	script := s.Script(secret.NewText(testKey))
	today := s.gitConfig()
	older := strings.Replace(today, "\thelper =\n", "", 1)
	if older == today {
		t.Fatalf("today's settings do not reset the helpers:\n%s", today)
	}
	for _, by := range append(slices.Clone(shells), "Go") {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			r.git("init", "-q")
			before := r.snapshot()
			if err := os.Symlink(need(t, "true"), filepath.Join(r.path, "vibn-mcp")); err != nil {
				t.Fatal(err)
			}
			r.write(".git/"+gitConfigFile, older)
			r.write(".git/"+gitKeyFile, "vibn_sk_of_before\n")
			r.git("config", "--local", "--add", "include.path", gitConfigFile)
			run := func(uninstall bool) {
				t.Helper()
				if by != "Go" {
					r.install(shell(t, by), script, map[bool][]string{true: {"--uninstall"}}[uninstall]...)
					return
				}
				f, words := r.folder(s)
				f.Uninstall = uninstall
				if !f.Connect(t.Context()) {
					t.Fatalf("Go says\n%s", words)
				}
			}
			run(false)
			if got := r.read(".git/" + gitConfigFile); got != today {
				t.Errorf("the settings (-want +got)\n%s", cmp.Diff(today, got))
			}
			if got := r.git("config", "--local", "--get-all", "include.path"); got != gitConfigFile+"\n" {
				t.Errorf("included are %q", got)
			}
			run(true)
			if diff := cmp.Diff(before.plain(), r.snapshot().plain()); diff != "" {
				t.Errorf("taken out (-before +after)\n%s", diff)
			}
		})
	}
}
