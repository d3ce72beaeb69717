//go:build linux

package clients

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vibnai/vibn-mcp/secret"
)

// terminal opens a terminal: what a person types into, and what a program sees.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no terminal to be had here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// TestAsk runs the script that holds no key in a terminal: it asks, does not show
// what is typed, and takes nothing that is no key. Without a terminal it says so.
func TestAsk(t *testing.T) {
	script := setup().Script(secret.Text{})
	for _, name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sh := shell(t, name)
			for typed, status := range map[string]int{
				testKey: 0, "": 1, "vibn_sk_short": 1, testKey[:50] + "$(id)x;": 1, testKey + "x": 1, strings.Repeat("x", keyLength): 1, "vibn_sk_" + strings.Repeat("_", 49): 1,
			} {
				r := newRoom(t)
				r.path = toolbox(t, append([]string{"stty"}, tools...)...)
				if got, screen := r.ask(sh, script, typed); got != status || typed != "" && strings.Contains(screen, typed) || !strings.Contains(screen, "Key of the workspace alpha") {
					t.Errorf("%q: status %d, want %d; the terminal shows\n%s", typed, got, status, screen)
				}
				if holders := r.snapshot().holders(testKey); (len(holders) > 0) != (status == 0) {
					t.Errorf("%q: the key is in %v", typed, holders)
				}
			}
			r := newRoom(t)
			cmd := r.command(sh, script)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "no terminal") || len(r.snapshot()) != 2 {
				t.Errorf("without a terminal: %v\n%s", err, out)
			}
		})
	}
}

// ask runs the script with a terminal of its own, answers its question, and returns
// what the terminal shows. Afterwards the terminal shows again what is typed.
func (r *room) ask(sh []string, script, answer string) (status int, screen string) {
	r.t.Helper()
	t, ok := r.t.(*testing.T)
	if !ok {
		r.t.Fatal("only a test asks")
	}
	person, program := terminal(t)
	cmd := r.command(sh, script)
	cmd.Stdout, cmd.Stderr = program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	asked := make(chan struct{})
	go func() {
		var all bytes.Buffer
		buf := make([]byte, 4096)
		signal := asked
		for {
			n, err := person.Read(buf)
			all.Write(buf[:n])
			if signal != nil && bytes.Contains(all.Bytes(), []byte("not shown): ")) {
				close(signal)
				signal = nil
			}
			if err != nil {
				shown <- all.String()
				return
			}
		}
	}()
	<-asked
	if _, err := person.WriteString(answer + "\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the status says it
	modes, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || modes.Lflag&unix.ECHO == 0 {
		t.Errorf("the terminal does not show what is typed any more (%v)", err)
	}
	program.Close()
	return cmd.ProcessState.ExitCode(), <-shown
}
