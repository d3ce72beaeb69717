package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/vibnai/vibn-mcp/secret"
)

// A Folder is connected to a workspace, or taken apart from it, as the script of
// [Setup.Script] does it, to the byte. It is for machines without a POSIX shell
// and for people who have the program anyway.
type Folder struct {
	Setup
	Key       secret.Text
	Dir       string                    // the project's folder
	Home      string                    // the person's home directory; empty = there is none
	Clients   []string                  // names; empty = those that are used here
	DryRun    bool                      // change nothing, and show on Out what would be
	Uninstall bool                      // take out what was put in
	Has       func(program string) bool // whether a program can be run
	Out       io.Writer
	Words     io.Writer // for people: what was done, and what not and why

	changes, lefts int
}

// Connect does it. It reports whether all was done; what was not has been said on
// Words, with what to put into the file instead.
func (f *Folder) Connect(ctx context.Context) (complete bool) {
	if f.Uninstall {
		f.takeApart(ctx)
	} else {
		f.putTogether(ctx)
	}
	switch {
	case f.DryRun:
		f.say("This was a dry run: nothing was changed.")
	case f.changes == 0:
		f.say("Nothing had to be changed.")
	case !f.Uninstall:
		f.say(
			"This folder is connected to the workspace %s. Restart the editor, then ask its agent: what runs in my "+
				"workspace?",
			f.Slug,
		)
	}
	return f.lefts == 0
}

func (f *Folder) say(format string, args ...any) { _, _ = fmt.Fprintf(f.Words, format+"\n", args...) }

// A file is one that is written, below the project's folder or another.
type file struct {
	top, rel string
	shown    string // as people are told
	secret   bool   // holds the key
	paste    string // what to put into it instead; may be empty
	// make returns the new text. There may be no file: then old is empty.
	make func(old string, exists bool) (string, error)
}

func (f file) path() string { return filepath.Join(f.top, filepath.FromSlash(f.rel)) }

func (f *Folder) putTogether(ctx context.Context) {
	f.sweep()
	chosen := f.chosen()
	f.place(f.ignored(chosen))
	f.hold(ctx, f.env())
	for _, c := range chosen {
		if x, ok := f.configuration(c); ok {
			f.hold(ctx, x)
		}
	}
	for _, x := range f.prompts() {
		f.place(x)
	}
	f.connectGit(ctx)
}

func (f *Folder) takeApart(ctx context.Context) {
	for _, c := range All() {
		if len(f.Clients) > 0 && !slices.Contains(f.Clients, c.Name) {
			continue
		}
		if x, ok := f.configuration(c); ok && (len(f.Clients) > 0 || !c.InHome() || f.wrote(c, x)) {
			f.place(x)
		}
	}
	if len(f.Clients) > 0 {
		return
	}
	for _, x := range f.prompts() {
		f.place(x)
	}
	f.disconnectGit(ctx)
	f.place(f.env())
	f.sweep()
	if f.lefts == 0 { // the lines stay as long as a file may hold the key
		f.place(f.ignored(nil))
	}
}

// leftoverAge is how old a file that is being written must be to be taken for what
// a run that was killed has left.
const leftoverAge = time.Minute

// sweep removes what a run that was killed has left half written.
func (f *Folder) sweep() {
	if f.DryRun {
		return
	}
	dirs := []string{f.Dir, filepath.Join(f.Dir, ".git"), filepath.Join(f.Dir, ".cursor", "rules")}
	for _, c := range All() {
		if rest, ok := strings.CutPrefix(c.File, "~/"); !ok {
			dirs = append(dirs, filepath.Join(f.Dir, filepath.FromSlash(path.Dir(c.File))))
		} else if f.Home != "" {
			dirs = append(dirs, filepath.Join(f.Home, filepath.FromSlash(path.Dir(rest))))
		}
	}
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir) // none if there is no such folder
		for _, e := range entries {
			info, err := e.Info()
			if err == nil && strings.HasPrefix(e.Name(), tmpPrefix) && info.Mode().IsRegular() &&
				time.Since(info.ModTime()) > leftoverAge {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// chosen are the clients that are set up always, those that were asked for, and
// without these those that are used here.
func (f *Folder) chosen() []Client {
	return slices.DeleteFunc(All(), func(c Client) bool {
		return !c.Always && !slices.Contains(f.Clients, c.Name) && (len(f.Clients) > 0 || !f.uses(c))
	})
}

func (f *Folder) uses(c Client) bool {
	if slices.ContainsFunc(c.Commands, f.Has) {
		return true
	}
	return slices.ContainsFunc(c.Folders, func(name string) bool {
		top := f.Dir
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			if f.Home == "" {
				return false
			}
			top, name = f.Home, rest
		}
		info, err := os.Stat(filepath.Join(top, filepath.FromSlash(name)))
		return err == nil && info.IsDir()
	})
}

// configuration is a client's file; false if there is no home directory for it.
func (f *Folder) configuration(c Client) (file, bool) {
	x := file{top: f.Dir, rel: c.File, shown: c.File, secret: true, paste: c.Example(Endpoint(f.URL))}
	if rest, ok := strings.CutPrefix(c.File, "~/"); ok {
		if f.Home == "" {
			f.left(x, errors.New("there is no home directory"))
			return file{}, false
		}
		x.top, x.rel = f.Home, rest
	}
	entry := c.Entry(Endpoint(f.URL), f.Key.Reveal())
	if c.Container == "" {
		x.make = f.lines(
			block{hashBegin, hashEnd, true}, nil,
			slices.Concat([]string{hashBegin}, strings.Split(entry, "\n"), []string{hashEnd}),
		)
		return x, true
	}
	x.make = func(old string, exists bool) (string, error) {
		switch {
		case !exists && f.Uninstall:
			return "", errNothing
		case f.Uninstall:
			return editJSON(old, c.Container, "")
		}
		text, err := editJSON(old, c.Container, entry)
		if !exists {
			text += "\n"
		}
		return text, err
	}
	return x, true
}

// lines returns what makes a file in which lines of ours stand, below a head if
// there is no file yet.
func (f *Folder) lines(b block, head, body []string) func(string, bool) (string, error) {
	return func(old string, exists bool) (string, error) {
		if !exists {
			if f.Uninstall {
				return "", errNothing
			}
			return strings.Join(slices.Concat(head, body, []string{""}), "\n"), nil
		}
		text, err := b.edit(old, body, f.Uninstall)
		if err == nil && f.Uninstall && head != nil && text == strings.Join(head, "\n")+"\n" {
			return "", errNothing
		}
		return text, err
	}
}

func (f *Folder) env() file {
	return file{
		top: f.Dir, rel: envFile, shown: envFile, secret: true,
		make: f.lines(block{}, nil, strings.Split(f.variables(f.Key.Reveal()), "\n")),
	}
}

// prompts are the files that hold the prompt: a rule of Cursor's, and one for
// everybody else.
func (f *Folder) prompts() []file {
	b, body := block{markdownBegin, markdownEnd, false}, promptBlock(f.Prompt)
	return []file{
		{top: f.Dir, rel: rulesFile, shown: rulesFile, make: f.lines(b, strings.Split(rulesHead, "\n"), body)},
		{top: f.Dir, rel: agentsFile, shown: agentsFile, make: f.lines(b, nil, body)},
	}
}

// ignored has git ignore the files that hold the key, and those that are being
// written. A file that an earlier run has listed stays listed.
func (f *Folder) ignored(chosen []Client) file {
	b := block{hashBegin, hashEnd, false}
	before, _ := os.ReadFile(filepath.Join(f.Dir, ignoreFile)) // if it cannot be read, place says so
	body := []string{hashBegin}
	for _, name := range keyFiles() {
		needed := name == envFile || slices.ContainsFunc(chosen, func(c Client) bool { return c.File == name })
		if needed || b.holds(string(before), "/"+name) {
			body = append(body, "/"+name)
		}
	}
	body = append(body, tmpPrefix+"*", hashEnd)
	return file{top: f.Dir, rel: ignoreFile, shown: ignoreFile, make: f.lines(b, nil, body)}
}

// wrote reports whether a file in the home directory is what this folder's
// connection has written: another folder may be connected to another workspace.
func (f *Folder) wrote(c Client, x file) bool {
	old, err := os.ReadFile(x.path())
	if err != nil {
		return false
	}
	text, err := editJSON(string(old), c.Container, c.Entry(Endpoint(f.URL), f.Key.Reveal()))
	return err == nil && text == string(old)
}

// hold writes a file that holds the key, if git neither tracks it nor would add it.
func (f *Folder) hold(ctx context.Context, x file) {
	if err := f.mayHold(ctx, x); err != nil {
		f.left(x, err)
		return
	}
	f.place(x)
}

// place makes a file what it should be. It is the old one or the new one at every
// moment.
func (f *Folder) place(x file) {
	old, exists, err := x.read()
	text := ""
	if err == nil {
		text, err = x.make(old, exists)
	}
	switch {
	case errors.Is(err, errNothing):
		f.discard(x, old, exists)
	case err != nil:
		if !f.Uninstall || x.hasOurs(old, f.Key) {
			f.left(x, err)
		}
	case exists && text == old:
		if x.secret && !f.DryRun && !f.Uninstall {
			_ = os.Chmod(x.path(), 0o600) // it is ours, or git would not let us
		}
	case f.DryRun:
		f.changes++
		f.say("would write %s", x.shown)
		f.difference(old, text)
	default:
		if err := x.write(text, exists); err != nil {
			f.left(x, errors.New("it cannot be written"))
			return
		}
		f.changes++
		f.say("wrote %s", x.shown)
	}
}

// read returns the file's text. Links are not followed: in a folder that somebody
// else made they may lead anywhere, and to replace one is not what its owner wants.
func (f file) read() (text string, exists bool, err error) {
	at := f.top
	parts := strings.Split(f.rel, "/")
	for i, part := range parts {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", false, nil
		case err != nil:
			return "", false, errors.New("it cannot be read")
		case info.Mode()&fs.ModeSymlink != 0:
			return "", false, errors.New("it is a symbolic link, or in a folder that is one")
		case i < len(parts)-1 && !info.IsDir():
			return "", false, errors.New("its parent is not a folder")
		case i == len(parts)-1 && !info.Mode().IsRegular():
			return "", false, errors.New("it is not a file, or cannot be read")
		}
	}
	raw, err := os.ReadFile(at) //nolint:gosec // a path of ours
	if err != nil {
		return "", false, errors.New("it is not a file, or cannot be read")
	}
	return string(raw), true, nil
}

// hasOurs reports whether there is something in the file that should be taken out.
func (f file) hasOurs(text string, key secret.Text) bool {
	if f.secret {
		return strings.Contains(text, key.Reveal())
	}
	return strings.Contains(text, markdownBegin) || strings.Contains(text, hashBegin)
}

func (f file) write(text string, exists bool) (err error) {
	dir := filepath.Dir(f.path())
	if exists && !writable(f.path()) {
		return fs.ErrPermission
	}
	if err := os.MkdirAll(dir, 0o777); err != nil { //nolint:gosec // as the umask says: the folder itself is no secret
		return err
	}
	mode := fs.FileMode(0o666) // as the umask says
	if f.secret {
		mode = 0o600
	}
	name := filepath.Join(dir, fmt.Sprintf("%s%d", tmpPrefix, os.Getpid()))
	tmp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	_, err = tmp.WriteString(text)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if exists && !f.secret {
		if err := sameMode(f.path(), name); err != nil {
			return err
		}
	}
	return os.Rename(name, f.path())
}

// writable reports whether a file may be written: one that may not is meant to stay,
// though it could be replaced.
func writable(name string) bool {
	file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // a path of ours
	return err == nil && file.Close() == nil
}

// sameMode gives one file the permissions of another.
func sameMode(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.Chmod(to, info.Mode().Perm())
}

// discard removes a file, and the folders that are empty without it.
func (f *Folder) discard(x file, old string, exists bool) {
	if !exists {
		return
	}
	if f.DryRun {
		f.changes++
		f.say("would remove %s", x.shown)
		f.difference(old, "")
		return
	}
	if err := os.Remove(x.path()); err != nil {
		f.left(x, errors.New("it cannot be removed"))
		return
	}
	f.changes++
	f.say("removed %s", x.shown)
	for dir := path.Dir(x.rel); dir != "."; dir = path.Dir(dir) {
		if err := os.Remove(filepath.Join(x.top, filepath.FromSlash(dir))); err != nil {
			return // it is not empty
		}
	}
}

// left says that a file is left alone, why, and what to do.
func (f *Folder) left(x file, why error) {
	f.lefts++
	f.say("left %s alone: %v", x.shown, why)
	if x.paste != "" && !f.Uninstall {
		f.say(
			"Put this into it yourself; the client reads the key from where this says:\n%s",
			strings.TrimSuffix(x.paste, "\n"),
		)
	}
}

var wholeKey = regexp.MustCompile(`(vibn_sk_[0-9A-Za-z]{4})[0-9A-Za-z]*([0-9A-Za-z]{4})`)

// difference shows which lines would go and come. Of keys it shows as much as
// people need to tell them apart.
func (f *Folder) difference(old, text string) {
	mask := func(s string) []byte { return wholeKey.ReplaceAll([]byte(s), []byte("$1...$2")) }
	for i, line := range bytes.SplitAfter(diff.Diff("old", mask(old), "new", mask(text)), []byte("\n")) {
		if i > 2 && len(line) > 0 && (line[0] == '-' || line[0] == '+') {
			_, _ = f.Out.Write(line)
		}
	}
}
