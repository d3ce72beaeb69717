// Package builder is the vulnerable step of Coolify's build container, run for real: it
// shows what a variable or a file of a tenant can make a build do. The simulated Coolify
// uses it. It imports no package testing, as that ships in the binary.
package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Builder is the vulnerable step of Coolify's build container: it writes the
// checkout and the build-time variables of an application to files, sources the
// one in the folder of the other with bash, and runs docker. The docker is a
// stub that only writes its environment down. Whatever else runs trips a wire.
//
// It runs what the application says, with the rights of this process and no
// sandbox: give it nothing that you would not run yourself.
type Builder struct {
	// Dir is the scratch folder. Builds are made below it and removed again.
	Dir string

	mu      sync.Mutex
	tripped []string
	err     error
	env     map[string]string
}

const buildTimeout = 30 * time.Second

var errExit = errors.New("the build command failed")

// Check says why builds cannot be run here: there is no bash, or no [Builder.Dir].
func (b *Builder) Check() error {
	if b.Dir == "" {
		return errors.New("builder: no scratch folder")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		return fmt.Errorf("builder: %w", err)
	}
	return nil
}

// Mark is a file that no build makes. A program that ought not to run says that
// it did by making it; its path is in BUILDER_MARK too.
func (b *Builder) Mark() string { return filepath.Join(b.dir(), "mark") }

// dir is Dir in full: builds run in folders of their own.
func (b *Builder) dir() string {
	dir, err := filepath.Abs(b.Dir)
	if err != nil {
		return b.Dir
	}
	return dir
}

// Tripped returns what ran, or got through to docker, that should not have. It
// is empty as long as nothing did.
func (b *Builder) Tripped() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.tripped)
}

// Reset forgets what [Builder.Tripped] and [Builder.Err] tell.
func (b *Builder) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tripped, b.err = nil, nil
}

// Err returns the first reason why a build could not be judged, for example that
// there is no bash. Such a build fails; it never passes.
func (b *Builder) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Env returns the variables that docker saw in the last build that came to it.
func (b *Builder) Env() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.env)
}

// A Build is what is built.
type Build struct {
	App                               string // uuid of the application
	Pack                              string // as Coolify calls it
	BaseDirectory, DockerfileLocation string
	Files                             map[string]string // the checkout, by path
	Lines                             []string          // of the file of build-time variables
	// Broken is what a build of a Dockerfile prints whose variables do not parse; "" = they
	// do.
	Broken string
}

// Run builds an application. It returns what the build printed, and an error when
// it failed. See [Builder.Tripped] for what it did besides.
func (b *Builder) Run(a Build) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	output, err := b.run(a)
	if err != nil && !errors.Is(err, errExit) && b.err == nil {
		b.err = err
	}
	return output, err
}

// A site is where one build happens.
type site struct {
	dir, checkout, workdir         string
	envFile, trace, record, script string
	lines                          []string // of the file of variables
}

func (b *Builder) run(a Build) (string, error) {
	if err := b.Check(); err != nil {
		return "", err
	}
	if a.Pack == "dockerimage" {
		return "", nil // nothing is built
	}
	for field, path := range map[string]string{
		"base_directory": a.BaseDirectory, "dockerfile_location": a.DockerfileLocation,
	} {
		if !filepath.IsLocal(filepath.Clean("./" + path)) {
			b.trip(a, "%s %q leaves the checkout", field, path)
			return "", errExit
		}
	}
	if a.Pack == "dockercompose" {
		b.judgeCompose(a)
	}
	s, err := b.lay(a)
	if err != nil {
		return "", fmt.Errorf("builder: %w", err)
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	output, code, err := b.bash(s)
	if err != nil {
		return output, err
	}
	if err := b.judge(a, s, output, code); err != nil {
		return output, err
	}
	if code != 0 {
		return output, errExit
	}
	if a.Broken != "" && a.Pack == "dockerfile" {
		return output + a.Broken, errExit
	}
	return output, nil
}

// lay writes everything that the build finds.
func (b *Builder) lay(a Build) (*site, error) {
	if err := os.MkdirAll(b.dir(), 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir(), "build")
	if err != nil {
		return nil, err
	}
	s := &site{
		dir: dir, checkout: filepath.Join(dir, "checkout"), envFile: filepath.Join(dir, "build-time.env"),
		trace: filepath.Join(dir, "trace"), record: filepath.Join(dir, "record"), lines: a.Lines,
	}
	s.workdir = filepath.Join(s.checkout, a.BaseDirectory)
	s.script = s.commands(a.Pack)
	stub := "#!/bin/sh\nexec /usr/bin/env -0 > " + Quoted(s.record) + "\n"
	return s, errors.Join(
		os.MkdirAll(s.workdir, 0o700), // run has refused one that leaves the checkout
		os.Mkdir(filepath.Join(dir, "bin"), 0o700),
		os.WriteFile(filepath.Join(dir, "bin", "docker"), []byte(stub), 0o700), //nolint:gosec // a program
		os.WriteFile(s.envFile, []byte(strings.Join(s.lines, "\n")), 0o600),
		checkOut(s.checkout, a.Files),
	)
}

func checkOut(dir string, files map[string]string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for path, content := range files {
		mode := fs.FileMode(0o600)
		if strings.HasPrefix(content, "#!") {
			mode = 0o700
		}
		path = strings.TrimPrefix(path, "/")
		if err := errors.Join(
			root.MkdirAll(filepath.Dir(path), 0o700), root.WriteFile(path, []byte(content), mode),
		); err != nil {
			return err
		}
	}
	return nil
}

// commands is the script of a build pack. Coolify sources the variables for all
// packs but static and dockercompose.
func (s *site) commands(pack string) string {
	switch pack {
	case "static":
		return "docker build " + Quoted(s.workdir)
	case "dockercompose":
		return "docker compose --env-file " + Quoted(s.envFile) + " build --pull"
	}
	return "cd " + Quoted(s.workdir) + " && set -a && source " + Quoted(s.envFile) + " && set +a && docker build ."
}

// tracing makes bash write down each simple command, with the depth of the
// subshell it runs in, before it runs.
const tracing = `set -T; trap 'builtin printf "%s\0" "$BASH_SUBSHELL $BASH_COMMAND" >&3' DEBUG` + "\n"

// environ is what the build starts with.
func (b *Builder) environ(s *site) []string {
	return []string{"PATH=" + s.path(), "HOME=" + s.dir, "BUILDER_MARK=" + b.Mark()}
}

func (s *site) path() string {
	return strings.Join([]string{filepath.Join(s.dir, "bin"), "/usr/bin", "/bin"}, string(filepath.ListSeparator))
}

// bash runs the build and returns its output and exit code.
func (b *Builder) bash(s *site) (string, int, error) {
	trace, err := os.Create(s.trace)
	if err != nil {
		return "", 0, fmt.Errorf("builder: %w", err)
	}
	defer func() { _ = trace.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-c", tracing+s.script) //nolint:gosec // what it is for
	cmd.Env, cmd.Dir, cmd.ExtraFiles = b.environ(s), s.dir, []*os.File{trace}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &output, &output, time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return output.String(), 0, fmt.Errorf("builder: the build did not end in %v", buildTimeout)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return output.String(), 0, fmt.Errorf("builder: %w", err)
	}
	return output.String(), cmd.ProcessState.ExitCode(), nil
}

// Quoted quotes a text for bash.
func Quoted(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
