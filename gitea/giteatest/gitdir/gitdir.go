// Package gitdir reads and writes a bare git repository on disk without git.
package gitdir

import (
	"bytes"
	"compress/zlib"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // git names its objects by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// A Dir is a bare repository on disk, out of which no name leads. What the
// API writes into it and reads from it needs no git: objects are loose, as the
// configuration asks of git for those that are pushed. Without a Root there is
// nothing in it yet.
type Dir struct{ *os.Root }

const gitConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	hooksPath = hooks
[gc]
	auto = 0
[receive]
	autogc = false
	unpackLimit = 1000000000
[transfer]
	unpackLimit = 1000000000
[uploadpack]
	allowAnySHA1InWant = true
`

// preReceive refuses the refs that DENIED_REFS names, or all of them.
const preReceive = `#!/bin/sh
while read -r old new ref; do
	case "$ref" in
	refs/for/*|refs/pull/*) echo "$ref cannot be pushed here" >&2; exit 1 ;;
	esac
	case " $DENIED_REFS " in
	*" all "*) echo "User permission denied for writing." >&2; exit 1 ;;
	*" $ref "*) echo "Not allowed to push to protected branch ${ref#refs/heads/}" >&2; exit 1 ;;
	esac
done
`

// New makes an empty repository below root.
func New(root *os.Root, name, branch string) (Dir, error) {
	if err := root.MkdirAll(name, 0o750); err != nil {
		return Dir{}, err
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return Dir{}, err
	}
	d := Dir{dir}
	return d, d.fill(branch)
}

func (d Dir) fill(branch string) error {
	for _, dir := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks"} {
		if err := d.MkdirAll(dir, 0o750); err != nil {
			return err
		}
	}
	if err := d.WriteFile("config", []byte(gitConfig), 0o600); err != nil {
		return err
	}
	if err := d.WriteFile("hooks/pre-receive", []byte(preReceive), 0o700); err != nil {
		return err
	}
	return d.SetDefault(branch)
}

// SetDefault makes a branch the one that is checked out.
func (d Dir) SetDefault(branch string) error {
	return d.Replace("HEAD", []byte("ref: refs/heads/"+branch+"\n"))
}

// Write stores an object and returns its name.
func (d Dir) Write(kind string, content []byte) (string, error) {
	raw := append(fmt.Appendf(nil, "%s %d\x00", kind, len(content)), content...)
	digest := sha1.Sum(raw) //nolint:gosec // git names its objects by it
	name := hex.EncodeToString(digest[:])
	file := path.Join("objects", name[:2], name[2:])
	if _, err := d.Stat(file); err == nil {
		return name, nil
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write(raw); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return name, d.Replace(file, packed.Bytes())
}

// Replace writes a file as a whole, so that no other process reads half of it.
func (d Dir) Replace(name string, content []byte) error {
	if err := d.MkdirAll(path.Dir(name), 0o750); err != nil {
		return err
	}
	temporary := name + "." + rand.Text()[:8]
	if err := d.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return d.Rename(temporary, name)
}

var errObject = errors.New("object does not exist")

// Read returns an object of a kind.
func (d Dir) Read(kind, name string) ([]byte, error) {
	if d.Root == nil || len(name) != 2*sha1.Size || strings.Trim(name, "0123456789abcdef") != "" {
		return nil, errObject
	}
	f, err := d.Open(path.Join("objects", name[:2], name[2:]))
	if err != nil {
		return nil, errObject
	}
	defer f.Close()
	z, err := zlib.NewReader(f)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	header, content, _ := bytes.Cut(raw, []byte{0})
	if !bytes.HasPrefix(header, []byte(kind+" ")) {
		return nil, errObject
	}
	return content, nil
}

const branches = "refs/heads"

// Heads are the branches and their commits.
func (d Dir) Heads() (map[string]string, error) {
	out := map[string]string{}
	return out, fs.WalkDir(d.FS(), branches, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, ".lock") {
			return err
		}
		content, err := d.ReadFile(name)
		out[strings.TrimPrefix(name, branches+"/")] = strings.TrimSpace(string(content))
		return err
	})
}

// SetHead moves a branch to a commit.
func (d Dir) SetHead(branch, commit string) error {
	return d.Replace(path.Join(branches, branch), []byte(commit+"\n"))
}

// A File of a tree.
type File struct {
	Mode string // 100644, 100755 or 120000
	SHA  string
}

// Files are those of a commit, by path.
func (d Dir) Files(commit string) (map[string]File, error) {
	out := map[string]File{}
	if commit == "" {
		return out, nil
	}
	c, err := d.Commit(commit)
	if err != nil {
		return nil, err
	}
	return out, d.readTree(c.Tree, "", out)
}

func (d Dir) readTree(name, under string, out map[string]File) error {
	content, err := d.Read("tree", name)
	if err != nil {
		return err
	}
	for len(content) > 0 {
		head, rest, _ := bytes.Cut(content, []byte{0})
		mode, entry, _ := strings.Cut(string(head), " ")
		sha := hex.EncodeToString(rest[:sha1.Size])
		content = rest[sha1.Size:]
		if mode != "40000" {
			out[under+entry] = File{mode, sha}
		} else if err := d.readTree(sha, under+entry+"/", out); err != nil {
			return err
		}
	}
	return nil
}

// WriteTree stores the tree of files and returns its name.
func (d Dir) WriteTree(files map[string]File) (string, error) {
	entries, below := map[string]File{}, map[string]map[string]File{}
	for name, f := range files {
		dir, rest, nested := strings.Cut(name, "/")
		if !nested {
			entries[name] = f
			continue
		}
		if below[dir] == nil {
			below[dir] = map[string]File{}
		}
		below[dir][rest] = f
	}
	for dir, inside := range below {
		sha, err := d.WriteTree(inside)
		if err != nil {
			return "", err
		}
		entries[dir] = File{"40000", sha}
	}
	return d.Write("tree", treeContent(entries))
}

func treeContent(entries map[string]File) []byte {
	key := func(name string) string { // git sorts directories as if a slash ended them
		if entries[name].Mode == "40000" {
			return name + "/"
		}
		return name
	}
	names := slices.SortedFunc(maps.Keys(entries), func(a, b string) int { return strings.Compare(key(a), key(b)) })
	var out bytes.Buffer
	for _, name := range names {
		sha, _ := hex.DecodeString(entries[name].SHA) // it is ours
		fmt.Fprintf(&out, "%s %s\x00%s", entries[name].Mode, name, sha)
	}
	return out.Bytes()
}

// A Commit as it stands in git.
type Commit struct {
	SHA, Tree         string
	Parents           []string
	Author, Committer Person
	Message           string
}

// A Person wrote a commit.
type Person struct {
	Name, Email string
	At          time.Time
}

// String returns the person as a line of a commit has it.
func (p Person) String() string {
	clean := strings.NewReplacer("\n", "", "<", "", ">", "", "\x00", "")
	return fmt.Sprintf("%s <%s> %d +0000", clean.Replace(p.Name), clean.Replace(p.Email), p.At.Unix())
}

// WriteCommit stores a commit and returns its name.
func (d Dir) WriteCommit(c Commit) (string, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "tree %s\n", c.Tree)
	for _, p := range c.Parents {
		fmt.Fprintf(&out, "parent %s\n", p)
	}
	fmt.Fprintf(&out, "author %s\ncommitter %s\n\n%s", c.Author, c.Committer, c.Message)
	return d.Write("commit", out.Bytes())
}

// Commit reads a commit by its name.
func (d Dir) Commit(name string) (Commit, error) {
	content, err := d.Read("commit", name)
	if err != nil {
		return Commit{}, err
	}
	c := Commit{SHA: name}
	header, message, _ := strings.Cut(string(content), "\n\n")
	c.Message = message
	for line := range strings.SplitSeq(header, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author = parsePerson(value)
		case "committer":
			c.Committer = parsePerson(value)
		}
	}
	return c, nil
}

func parsePerson(text string) Person {
	name, rest, _ := strings.Cut(text, " <")
	email, when, _ := strings.Cut(rest, "> ")
	var seconds int64
	_, _ = fmt.Sscan(when, &seconds) // a time that is none is 1970
	return Person{name, email, time.Unix(seconds, 0).UTC()}
}

// Log are the commits from one back to another, or to the first, newest first
// and along the first parents.
func (d Dir) Log(from, until string) []Commit {
	var out []Commit
	for from != "" && from != until {
		c, err := d.Commit(from)
		if err != nil {
			return out
		}
		out = append(out, c)
		from = ""
		if len(c.Parents) > 0 {
			from = c.Parents[0]
		}
	}
	return out
}

// History are a commit and all before it, along every parent.
func (d Dir) History(from string) map[string]Commit {
	out := map[string]Commit{}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		if _, seen := out[next[0]]; seen {
			continue
		}
		if c, err := d.Commit(next[0]); err == nil {
			out[c.SHA] = c
			next = append(next, c.Parents...)
		}
	}
	return out
}

// Changed compares a commit with its first parent.
func (d Dir) Changed(c Commit) (added, removed, modified []string) {
	now, err := d.Files(c.SHA)
	if err != nil {
		return nil, nil, nil
	}
	before := map[string]File{}
	if len(c.Parents) > 0 {
		before, _ = d.Files(c.Parents[0]) // what cannot be read counts as added
	}
	for name, f := range now {
		if old, there := before[name]; !there {
			added = append(added, name)
		} else if old != f {
			modified = append(modified, name)
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			removed = append(removed, name)
		}
	}
	slices.Sort(added)
	slices.Sort(removed)
	slices.Sort(modified)
	return added, removed, modified
}
