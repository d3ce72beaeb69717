package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mayHold refuses a file that git tracks, or would add.
func (f *Folder) mayHold(ctx context.Context, x file) error {
	if !f.Has("git") {
		if underGit(x.top) {
			return errors.New("it would hold the key, and without git vibn-mcp cannot check whether git tracks it")
		}
		return nil
	}
	inside, err := git(ctx, x.top, "rev-parse", "--is-inside-work-tree")
	if err != nil {
		if underGit(x.top) {
			return errors.New(`it would hold the key, and git cannot read this repository: "git status" says why`)
		}
		return nil
	}
	if inside != "true\n" {
		return nil
	}
	if _, err := git(ctx, x.top, "ls-files", "--error-unmatch", "--", x.rel); err == nil {
		return fmt.Errorf("it would hold the key, and git tracks it: \"git rm --cached %s\" ends that", x.rel)
	}
	if f.DryRun && x.top == f.Dir {
		return nil // the lines that ignore it are not there yet
	}
	if _, err := git(ctx, x.top, "check-ignore", "-q", "--", x.rel); err != nil {
		return errors.New("it would hold the key, and git does not ignore it")
	}
	return nil
}

// git runs git in a folder and returns what it prints.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments of ours
	cmd.Dir = dir
	out, err := cmd.Output()
	return string(out), err
}

// underGit reports whether a folder or one above it has a .git.
func underGit(dir string) bool {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return true
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}

// connectGit has git ask vibn-mcp for what opens the workspace's repositories. The
// settings are a file of their own beside git's, so that both are whole at every
// moment.
func (f *Folder) connectGit(ctx context.Context) {
	dir, ok := f.gitFolder(ctx)
	if !ok || f.Gitea == nil {
		return
	}
	f.place(f.gitFile(dir, gitKeyFile, f.Key.Reveal()+"\n", true))
	f.place(f.gitFile(dir, gitConfigFile, f.gitConfig(), false))
	if !f.included(ctx) {
		f.setGit(ctx, "would add "+gitConfigFile+" to .git/config", "--add", "include.path", gitConfigFile)
	}
}

func (f *Folder) disconnectGit(ctx context.Context) {
	dir, ok := f.gitFolder(ctx)
	if !ok {
		return
	}
	if f.included(ctx) && !f.setGit(
		ctx, "would take "+gitConfigFile+" out of .git/config", "--unset-all", "include.path",
		"^"+regexp.QuoteMeta(gitConfigFile)+"$",
	) {
		return
	}
	f.place(f.gitFile(dir, gitConfigFile, "", false))
	f.place(f.gitFile(dir, gitKeyFile, "", true))
}

// setGit changes git's own settings of the repository.
func (f *Folder) setGit(ctx context.Context, would string, args ...string) bool {
	if f.DryRun {
		f.changes++
		f.say("%s", would)
		return true
	}
	if _, err := git(ctx, f.Dir, append([]string{"config", "--local"}, args...)...); err != nil {
		f.left(file{shown: ".git/config"}, errors.New("git config cannot write it"))
		return false
	}
	f.changes++
	f.say("wrote .git/config")
	return true
}

func (f *Folder) included(ctx context.Context) bool {
	out, _ := git(ctx, f.Dir, "config", "--local", "--get-all", "include.path") // it fails if there is none
	return slices.Contains(strings.Split(out, "\n"), gitConfigFile)
}

// gitFolder is where git keeps what belongs to the repository, whichever work tree
// this is.
func (f *Folder) gitFolder(ctx context.Context) (string, bool) {
	if !f.Has("git") {
		return "", false
	}
	out, err := git(ctx, f.Dir, "rev-parse", "--git-common-dir")
	if err != nil {
		return "", false
	}
	dir := filepath.FromSlash(strings.TrimSuffix(out, "\n"))
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(f.Dir, dir)
	}
	return dir, true
}

// gitFile is a file that is wholly ours.
func (f *Folder) gitFile(dir, name, text string, holdsKey bool) file {
	return file{top: dir, rel: name, shown: ".git/" + name, secret: holdsKey, make: func(string, bool) (string, error) {
		if f.Uninstall {
			return "", errNothing
		}
		return text, nil
	}}
}
