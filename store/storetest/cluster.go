package storetest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// A cluster is a running PostgreSQL.
type cluster struct {
	base     url.URL        // of any database; url fills in the path
	database string         // one that is there already
	atEnd    []func() error // run last to first
}

// live is what running returned, for Main: the tests are over when it looks.
var live *cluster

// running starts the cluster, once, or takes the one that is named.
var running = sync.OnceValues(func() (c *cluster, err error) {
	if named := os.Getenv("VIBN_TEST_POSTGRES"); named != "" {
		c, err = namedCluster(named)
	} else {
		c, err = startCluster()
	}
	live = c
	return c, err
})

func (c *cluster) end() error {
	var errs []error
	for _, f := range slices.Backward(c.atEnd) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

func (c *cluster) url(database string) string {
	u := c.base
	u.Path = "/" + database
	return u.String()
}

func socketCluster(dir string) *cluster {
	query := url.Values{"host": {dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	return &cluster{base: url.URL{Scheme: "postgres", RawQuery: query.Encode()}, database: "postgres"}
}

func namedCluster(name string) (*cluster, error) {
	if filepath.IsAbs(name) {
		return socketCluster(name), nil
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("VIBN_TEST_POSTGRES is neither a postgres:// URL nor the directory of a socket")
	}
	return &cluster{base: *u, database: strings.TrimPrefix(u.Path, "/")}, nil
}

func startCluster() (*cluster, error) {
	initdb, err := find("initdb")
	if err != nil {
		return nil, err
	}
	ctl, err := find("pg_ctl")
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := newDir(as)
	if err != nil {
		return nil, err
	}
	stop, err := watch(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	options := "-c listen_addresses='' -c unix_socket_directories='" + dir + "' -c max_connections=200" +
		" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	err = run(as, dir, initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
	if err == nil {
		err = run(as, dir, ctl, "-D", data, "-l", filepath.Join(dir, "log"), "-o", options, "-w", "start")
	}
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	c := socketCluster(dir)
	c.atEnd = append(c.atEnd, stop)
	return c, nil
}

// find looks in PATH, and where Debian puts programs that it does not.
func find(program string) (string, error) {
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	const debian = "/usr/lib/postgresql/*/bin/"
	found, err := filepath.Glob(debian + program)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s is neither in PATH nor in %s", program, debian)
	}
	if err != nil {
		return "", err
	}
	return found[len(found)-1], nil
}

// unprivileged returns whom to run PostgreSQL as: it refuses to run as root. It
// is nil for other users, who run it themselves.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// newDir makes the directory of the cluster and gives it to as. It is in /tmp if
// others cannot pass through the temporary directory, or if its name is too long
// for a socket's (107 bytes on Linux).
func newDir(as *syscall.Credential) (string, error) {
	base := os.TempDir()
	if len(base) > 60 || as != nil && !openToAll(base) {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "vibn-pg-")
	if err != nil || as == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(as.Uid), int(as.Gid))
}

// openToAll reports whether every user may pass through dir.
func openToAll(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// afterwards waits for the end of its input, which comes when this process
// closes the pipe or ends in whatever way: a panic, a timeout, a kill. Then it
// stops the cluster in directory $1 at once, and removes it.
const afterwards = `
read -r _
if read -r pid <"$1/data/postmaster.pid"; then
	kill -QUIT "$pid"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -e "$1/data/postmaster.pid" ] || break
		sleep 0.2
	done
fi
rm -rf "$1"
`

// watch arranges for the end of the cluster in dir. The function that it returns
// brings that end, and waits for it.
func watch(dir string) (stop func() error, err error) {
	sh := exec.Command("sh", "-c", afterwards, "sh", dir)
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is not for it
	pipe, err := sh.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := sh.Start(); err != nil {
		return nil, err
	}
	return func() error {
		if err := pipe.Close(); err != nil {
			return err
		}
		return sh.Wait()
	}, nil
}

func run(as *syscall.Credential, dir, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir                                               // the current one may be closed to as
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // and nothing that begins with PG
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, out)
	}
	return nil
}
