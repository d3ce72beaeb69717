package clients

import (
	"bytes"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// testKey has the form of a key.
const testKey = "vibn_sk_Kk0123456789012345678901234567890123456789abcdefg"

// shells are those that people have.
var shells = []string{"dash", "bash", "busybox", "zsh", "ksh", "mksh"}

// shell returns the command line of a shell; the test is skipped where there is no
// such shell, and fails in CI.
func shell(t testing.TB, name string) []string {
	t.Helper()
	line := []string{need(t, name)}
	if name == "busybox" {
		line = append(line, "ash")
	}
	return line
}

// appletsFirst reports whether a shell has programs of its own that it runs whatever
// PATH says, as some builds of busybox do: Debian's static one, and Alpine's.
func appletsFirst(t testing.TB, shell []string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "-c", "command -v awk")...)
	cmd.Env = []string{"PATH=/nowhere"}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return err == nil
}

// need returns the path of a program that the test cannot do without.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is required here; scripts/install-test-tools.sh installs it", program)
	}
	t.Skipf("there is no %s here", program)
	return ""
}

// tools are all the programs that the script runs. Printf is one where the shell
// has none built in.
var tools = []string{"awk", "chmod", "cmp", "cp", "diff", "git", "grep", "mkdir", "mv", "printf", "rm", "rmdir", "sed", "tail", "tr"}

// toolbox makes a folder that a PATH can consist of, with these programs in it.
func toolbox(t testing.TB, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		if err := os.Symlink(need(t, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onPath returns a script that has a shell run what is in the room's PATH and nothing
// else. Most do as it is; one whose applets come first obeys functions.
func (r *room) onPath(shell []string, script string) string {
	r.t.Helper()
	if !appletsFirst(r.t, shell) {
		return script
	}
	functions := "command() { [ \"$1\" = -v ] && [ -x '" + r.path + "'/\"$2\" ]; }\n"
	for _, name := range tools {
		path := filepath.Join(r.path, name)
		if _, err := os.Lstat(path); err == nil {
			functions += name + "() { '" + path + "' \"$@\"; }\n"
		}
	}
	return functions + script
}

func setup() Setup {
	w := Workspace{Slug: "alpha", Name: untrusted.New("Alpha & Sons"), Org: "vibn-alpha", Projects: []untrusted.Text{untrusted.New("vibn-alpha/web")}}
	return setupOf(w)
}

func setupOf(w Workspace) Setup {
	return Setup{URL: &url.URL{Scheme: "https", Host: "vibn.example.com"}, Slug: w.Slug, Prompt: w.Prompt()}
}

// A room is where the script is run: a project's folder and a home directory.
type room struct {
	t         testing.TB
	dir, home string
	path      string // PATH
	env       []string
	uid       uint32 // 0 = as the test
}

func newRoom(t testing.TB) *room {
	t.Helper()
	top := t.TempDir()
	r := &room{t: t, dir: filepath.Join(top, "project"), home: filepath.Join(top, "home"), path: toolbox(t, tools...)}
	r.mkdir(r.dir)
	r.mkdir(r.home)
	return r
}

func (r *room) mkdir(dir string) {
	r.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// write writes a file below the project's folder.
func (r *room) write(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.dir, name)
	r.mkdir(filepath.Dir(name))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) read(name string) string {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(raw)
}

// git runs git in the project's folder and returns what it prints.
func (r *room) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), need(r.t, "git"), args...)
	cmd.Dir, cmd.Env = r.dir, r.environ()
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return string(out)
}

func (r *room) environ() []string {
	return append([]string{"PATH=" + r.path, "HOME=" + r.home, "TMPDIR=" + filepath.Dir(r.home), "GIT_CONFIG_NOSYSTEM=1"}, r.env...)
}

// An outcome is how a run ended.
type outcome struct {
	status      int
	out, errout string
}

// command is a run of the script, which comes to the shell through a pipe.
func (r *room) command(shell []string, script string, args ...string) *exec.Cmd {
	line := append(append(append([]string{}, shell[1:]...), "-s", "--"), args...)
	cmd := exec.CommandContext(r.t.Context(), shell[0], line...)
	cmd.Dir, cmd.Env, cmd.Stdin = r.dir, r.environ(), strings.NewReader(script)
	if r.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: r.uid, Gid: r.uid}}
	}
	return cmd
}

func (r *room) run(shell []string, script string, args ...string) outcome {
	r.t.Helper()
	var out, errout bytes.Buffer
	cmd := r.command(shell, script, args...)
	cmd.Stdout, cmd.Stderr = &out, &errout
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		r.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errout.String()}
}

// install runs the script for all clients; it must end well.
func (r *room) install(shell []string, script string, args ...string) outcome {
	r.t.Helper()
	o := r.run(shell, script, args...)
	if o.status != 0 {
		r.t.Fatalf("%s %s: status %d\n%s%s", shell, args, o.status, o.out, o.errout)
	}
	return o
}

// folder returns a [Folder] for the same place.
func (r *room) folder(s Setup, clients ...string) (*Folder, *bytes.Buffer) {
	words := &bytes.Buffer{}
	return &Folder{
		Setup: s, Key: secret.NewText(testKey), Dir: r.dir, Home: r.home, Clients: clients, Out: words, Words: words,
		Has: func(name string) bool { _, err := os.Stat(filepath.Join(r.path, name)); return err == nil },
	}, words
}

// A snapshot is every file of a room by its name: mode and text. A folder has a
// slash at the end of its name.
type snapshot map[string]string

func (r *room) snapshot() snapshot {
	r.t.Helper()
	s := snapshot{}
	for _, top := range []string{r.dir, r.home} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(filepath.Dir(r.home), path)
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			switch {
			case d.IsDir() && d.Name() == ".git":
				r.gitSnapshot(s, name, path)
				return fs.SkipDir
			case d.IsDir():
				s[name+"/"] = ""
			case d.Type() == fs.ModeSymlink:
				to, err := os.Readlink(path)
				s[name] = "-> " + to
				return err
			default:
				raw, err := os.ReadFile(path)
				s[name] = info.Mode().String() + " " + string(raw)
				return err
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return s
}

// gitSnapshot takes of git's own folder what the script may write there.
func (r *room) gitSnapshot(s snapshot, name, path string) {
	for _, file := range []string{"config", gitKeyFile, gitConfigFile} {
		raw, err := os.ReadFile(filepath.Join(path, file))
		if err == nil {
			s[name+"/"+file] = string(raw)
		}
	}
	leftover, err := filepath.Glob(filepath.Join(path, tmpPrefix+"*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range leftover {
		s[name+"/"+filepath.Base(file)] = "left over"
	}
}

// holders are the files that hold a text, by their names in the snapshot.
func (s snapshot) holders(text string) []string {
	var names []string
	for name, is := range s {
		if strings.Contains(is, text) {
			names = append(names, name)
		}
	}
	return names
}
