package dockertest

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

func namedEngine(host string) (*Engine, error) {
	a, err := newAPI(host)
	if err == nil {
		err = a.ping()
	}
	if err != nil {
		return nil, err
	}
	return &Engine{a, func() error { return nil }}, nil
}

// daemon runs a Docker engine in directory $1 and says on its output when that answers,
// or why it does not. Its input ends when this process closes the pipe or ends in whatever
// way: a panic, a timeout, a kill. Then it ends the engine, and removes the directory.
const daemon = `
cd "$1" || exit
echo '{}' >config
exec 3>&1
dockerd --config-file "$1/config" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" -H "unix://$1/sock" \
	--bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --shutdown-timeout 1 \
	>"$1/log" 2>&1 3>&- &
engine=$!
( while kill -0 $engine 2>/dev/null && ! grep -q 'API listen on' "$1/log"; do sleep 0.1; done
if kill -0 $engine 2>/dev/null; then echo ready; else tail -n 3 "$1/log"; fi >&3 ) &
waiter=$!
exec 3>&-
exec >/dev/null
read -r _
kill $engine 2>/dev/null
wait $engine $waiter
cd /
sed -n "s,^[^ ]* [^ ]* [^ ]* [^ ]* \($1/[^ ]*\) " +
	".*,\1,p" /proc/self/mountinfo | sort -r | while read -r mount; do umount -l "$mount"; done
rm -rf "$1"
`

func startEngine() (*Engine, error) {
	if os.Getuid() != 0 {
		return nil, errors.New("VIBN_TEST_DOCKER is not set, and starting an engine takes root")
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		return nil, errors.New("VIBN_TEST_DOCKER is not set, and there is no dockerd: install docker.io")
	}
	dir, err := os.MkdirTemp("/tmp", "vibn-docker-") // a short name, as sockets need
	if err != nil {
		return nil, err
	}
	stop, err := runDaemon(dir)
	if err != nil {
		return nil, err
	}
	e, err := namedEngine("unix://" + filepath.Join(dir, "sock"))
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	e.atEnd = stop
	return e, nil
}

// runDaemon starts the engine in dir and waits until it answers. The function that it
// returns ends the engine, and waits for that.
func runDaemon(dir string) (stop func() error, err error) {
	sh := exec.Command("sh", "-c", daemon, "sh", dir)
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is not for it
	in, err := sh.StdinPipe()
	if err != nil {
		return nil, err
	}
	said, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer said.Close()
	sh.Stdout = out
	err = sh.Start()
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	stop = func() error { return errors.Join(in.Close(), sh.Wait()) }
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(said); err != nil {
		return nil, errors.Join(err, stop())
	}
	if text.String() != "ready\n" {
		return nil, errors.Join(fmt.Errorf("dockerd does not start: %s", text), stop())
	}
	return stop, nil
}

// busyboxTar returns the file tree of an image: busybox, and a link for each program that
// scripts of tests use.
func busyboxTar() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, errors.New("there is no busybox: install busybox-static")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	binary, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(binary.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, fmt.Errorf("%s is not static: install busybox-static", path)
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range []*tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
	} {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	for _, name := range []string{"sh", "cat", "echo", "sleep", "httpd", "wget"} {
		h := &tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}
