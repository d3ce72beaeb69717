package dockertest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gofrs/flock"
)

// composePackage is Docker Compose's program. tools/compose.mod pins its version.
const composePackage = "github.com/docker/compose/v2/cmd"

// composeProgram builds Docker Compose, unless a process did before: it takes two cores
// two minutes. The program stays in the user's cache, under what it is made of.
var composeProgram = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	madeOf := sha256.New()
	for _, name := range []string{"compose.mod", "compose.sum"} {
		text, err := os.ReadFile(filepath.Join(root, "tools", name))
		if err != nil {
			return "", err
		}
		madeOf.Write(text)
	}
	madeOf.Write([]byte(runtime.Version()))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "vibn-mcp-tests")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "compose-"+hex.EncodeToString(madeOf.Sum(nil))[:16])
	lock := flock.New(program + ".lock")
	if err := lock.Lock(); err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(program); !errors.Is(err, fs.ErrNotExist) {
		return program, err
	}
	build := exec.Command(
		"go", "build", "-modfile=tools/compose.mod", "-trimpath", "-ldflags=-s -w", "-o", program+".new", composePackage,
	)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Docker Compose: %w\n%s", err, out)
	}
	return program, os.Rename(program+".new", program)
})

// moduleRoot is the directory of this module's go.mod.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
}

// A Project is what one compose file has started.
type Project struct {
	program string
	name    string
	files   []string // arguments that name its directory and its file
	env     []string
}

// Up starts the containers of a compose file as Coolify does, with dotEnv as the .env file
// beside it and env as Compose's own environment. The error has what Compose said. They
// are removed at the end of the test.
func (e *Engine) Up(t testing.TB, composeFile, dotEnv string, env map[string]string) (*Project, error) {
	t.Helper()
	program, err := composeProgram()
	require(t, "Docker Compose", err)
	dir := t.TempDir()
	file := filepath.Join(dir, "docker-compose.yaml")
	for path, text := range map[string]string{file: composeFile, filepath.Join(dir, ".env"): dotEnv} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &Project{
		program, random(),
		[]string{"--project-directory", dir, "-f", file},
		[]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root", "DOCKER_HOST=" + e.api.host},
	}
	for key, value := range env {
		p.env = append(p.env, key+"="+value)
	}
	cleanup(t, func() error { return p.down() })
	_, err = p.run(p.files, "up", "--build", "-d")
	return p, err
}

// Environ returns the environment of the first process of a running service.
func (p *Project) Environ(t testing.TB, service string) map[string]string {
	t.Helper()
	text, err := p.run(p.files, "exec", "-T", service, "cat", "/proc/1/environ")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSuffix(text, "\x00"), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	return env
}

// down removes what the engine knows of the project. Compose may be unable to read its
// files.
func (p *Project) down() error {
	_, err := p.run(nil, "down", "--timeout", "0")
	return err
}

// run runs Compose and returns its output.
func (p *Project) run(files []string, args ...string) (string, error) {
	c := exec.Command(p.program, slices.Concat([]string{"--project-name", p.name}, files, args)...)
	c.Env = p.env
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("docker compose %s: %w: %s", args[0], err, warnings.ReplaceAllString(said.String(), ""))
	}
	return string(out), err
}

var warnings = regexp.MustCompile(`(?m)^time=.* level=warning .*\n`)
