package giteatest

import (
	"bytes"
	"compress/zlib"
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

// A gitDir is a bare repository on disk, out of which no name leads. What the
// API writes into it and reads from it needs no git: objects are loose, as the
// configuration asks of git for those that are pushed. Without a Root there is
// nothing in it yet.
type gitDir struct{ *os.Root }

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

// newGitDir makes an empty repository below root.
func newGitDir(root *os.Root, name, branch string) (gitDir, error) {
	if err := root.MkdirAll(name, 0o750); err != nil {
		return gitDir{}, err
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return gitDir{}, err
	}
	d := gitDir{dir}
	return d, d.fill(branch)
}

func (d gitDir) fill(branch string) error {
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
	return d.setDefault(branch)
}

// setDefault makes a branch the one that is checked out.
func (d gitDir) setDefault(branch string) error {
	return d.replace("HEAD", []byte("ref: refs/heads/"+branch+"\n"))
}

// write stores an object and returns its name.
func (d gitDir) write(kind string, content []byte) (string, error) {
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
	return name, d.replace(file, packed.Bytes())
}

// replace writes a file as a whole, so that nobody reads half of it.
func (d gitDir) replace(name string, content []byte) error {
	if err := d.MkdirAll(path.Dir(name), 0o750); err != nil {
		return err
	}
	temporary := name + "." + random(8)
	if err := d.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return d.Rename(temporary, name)
}

var errObject = errors.New("object does not exist")

// read returns an object of a kind.
func (d gitDir) read(kind, name string) ([]byte, error) {
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

// heads are the branches and their commits.
func (d gitDir) heads() (map[string]string, error) {
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

func (d gitDir) setHead(branch, commit string) error {
	return d.replace(path.Join(branches, branch), []byte(commit+"\n"))
}

// A file of a tree.
type file struct {
	mode string // 100644, 100755 or 120000
	sha  string
}

// files are those of a commit, by path.
func (d gitDir) files(commit string) (map[string]file, error) {
	out := map[string]file{}
	if commit == "" {
		return out, nil
	}
	c, err := d.commit(commit)
	if err != nil {
		return nil, err
	}
	return out, d.readTree(c.tree, "", out)
}

func (d gitDir) readTree(name, under string, out map[string]file) error {
	content, err := d.read("tree", name)
	if err != nil {
		return err
	}
	for len(content) > 0 {
		head, rest, _ := bytes.Cut(content, []byte{0})
		mode, entry, _ := strings.Cut(string(head), " ")
		sha := hex.EncodeToString(rest[:sha1.Size])
		content = rest[sha1.Size:]
		if mode != "40000" {
			out[under+entry] = file{mode, sha}
		} else if err := d.readTree(sha, under+entry+"/", out); err != nil {
			return err
		}
	}
	return nil
}

// writeTree stores the tree of files and returns its name.
func (d gitDir) writeTree(files map[string]file) (string, error) {
	entries, below := map[string]file{}, map[string]map[string]file{}
	for name, f := range files {
		dir, rest, nested := strings.Cut(name, "/")
		if !nested {
			entries[name] = f
			continue
		}
		if below[dir] == nil {
			below[dir] = map[string]file{}
		}
		below[dir][rest] = f
	}
	for dir, inside := range below {
		sha, err := d.writeTree(inside)
		if err != nil {
			return "", err
		}
		entries[dir] = file{"40000", sha}
	}
	return d.write("tree", treeContent(entries))
}

func treeContent(entries map[string]file) []byte {
	key := func(name string) string { // git sorts directories as if a slash ended them
		if entries[name].mode == "40000" {
			return name + "/"
		}
		return name
	}
	names := slices.SortedFunc(maps.Keys(entries), func(a, b string) int { return strings.Compare(key(a), key(b)) })
	var out bytes.Buffer
	for _, name := range names {
		sha, _ := hex.DecodeString(entries[name].sha) // it is ours
		fmt.Fprintf(&out, "%s %s\x00%s", entries[name].mode, name, sha)
	}
	return out.Bytes()
}

// A commit as it stands in git.
type commit struct {
	sha, tree         string
	parents           []string
	author, committer person
	message           string
}

type person struct {
	name, email string
	at          time.Time
}

func (p person) String() string {
	clean := strings.NewReplacer("\n", "", "<", "", ">", "", "\x00", "")
	return fmt.Sprintf("%s <%s> %d +0000", clean.Replace(p.name), clean.Replace(p.email), p.at.Unix())
}

func (d gitDir) writeCommit(c commit) (string, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&out, "parent %s\n", p)
	}
	fmt.Fprintf(&out, "author %s\ncommitter %s\n\n%s", c.author, c.committer, c.message)
	return d.write("commit", out.Bytes())
}

func (d gitDir) commit(name string) (commit, error) {
	content, err := d.read("commit", name)
	if err != nil {
		return commit{}, err
	}
	c := commit{sha: name}
	header, message, _ := strings.Cut(string(content), "\n\n")
	c.message = message
	for line := range strings.SplitSeq(header, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parsePerson(value)
		case "committer":
			c.committer = parsePerson(value)
		}
	}
	return c, nil
}

func parsePerson(text string) person {
	name, rest, _ := strings.Cut(text, " <")
	email, when, _ := strings.Cut(rest, "> ")
	var seconds int64
	_, _ = fmt.Sscan(when, &seconds) // a time that is none is 1970
	return person{name, email, time.Unix(seconds, 0).UTC()}
}

// log are the commits from one back to another, or to the first, newest first
// and along the first parents.
func (d gitDir) log(from, until string) []commit {
	var out []commit
	for from != "" && from != until {
		c, err := d.commit(from)
		if err != nil {
			return out
		}
		out = append(out, c)
		from = ""
		if len(c.parents) > 0 {
			from = c.parents[0]
		}
	}
	return out
}

// history are a commit and all before it, along every parent.
func (d gitDir) history(from string) map[string]commit {
	out := map[string]commit{}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		if _, seen := out[next[0]]; seen {
			continue
		}
		if c, err := d.commit(next[0]); err == nil {
			out[c.sha] = c
			next = append(next, c.parents...)
		}
	}
	return out
}

// changed compares a commit with its first parent.
func (d gitDir) changed(c commit) (added, removed, modified []string) {
	now, err := d.files(c.sha)
	if err != nil {
		return nil, nil, nil
	}
	before := map[string]file{}
	if len(c.parents) > 0 {
		before, _ = d.files(c.parents[0]) // what cannot be read counts as added
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
