package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

const intro = `vibn-mcp gives each tenant of a Coolify platform a key that is safe to hand to
an agent.

Usage: vibn-mcp COMMAND [arguments] [flags]

`

// help prints help about all commands, the commands that begin with a word, one command,
// or the configuration.
func (p *program) help(args []string) error {
	if len(args) == 0 {
		return errors.Join(p.printf("%s", intro), p.listCommands(commands(), [][]string{
			{"help configuration", "the environment variables and flags"}, {"help COMMAND", "one command"},
		}))
	}
	if args[0] == "configuration" {
		return p.printf("%s", configurationHelp())
	}
	if cmd, rest, ok := find(args); ok {
		if cmd.name == callCommand.name {
			cmd = forTool(cmd, rest)
		}
		return p.helpCommand(cmd)
	}
	if list := within(args[0]); len(args) == 1 && len(list) > 0 {
		return p.listCommands(list, nil)
	}
	return unknown(args)
}

// listCommands prints a line for each command, and further lines.
func (p *program) listCommands(list []command, more [][]string) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, c := range list {
		_, _ = fmt.Fprintf(w, "  %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.about) // Flush returns the error
	}
	for _, line := range more {
		_, _ = fmt.Fprintf(w, "  %s\n", strings.Join(line, "\t"))
	}
	return w.Flush()
}

// helpCommand prints one command, its own flags and the variables that it reads.
func (p *program) helpCommand(c command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: vibn-mcp %s [flags]\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	own := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	if c.flags != nil {
		c.flags(own)
	}
	if c.waits {
		own.Bool("wait", false, waitAbout)
	}
	if own.HasFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsages())
	}
	if len(c.needs) > 0 {
		fmt.Fprintf(&b, "\nNeeds: %s\n", strings.Join(c.needs, ", "))
	}
	if c.name == callCommand.name || c.name == stdioCommand.name {
		fmt.Fprintf(&b, "    or: VIBN_URL, %s\n", strings.Join(bridgeCommand.needs, ", "))
	}
	if len(c.reads) > 0 {
		fmt.Fprintf(&b, "\nReads: %s\n", strings.Join(c.reads, ", "))
	}
	if c.name == callCommand.name && c.args == callCommand.args {
		b.WriteString("\nTools, of which \"vibn-mcp help call TOOL\" shows one:\n" + toolTitles())
	}
	b.WriteString("\n\"vibn-mcp help configuration\" says what the variables mean and which are flags too.\n")
	return p.printf("%s", b.String())
}

// configurationHelp returns the table of variables as plain text.
func configurationHelp() string {
	var b strings.Builder
	b.WriteString("Each variable that is not secret is a flag too; a secret NAME is also read from\nthe file that " +
		"NAME_FILE names. Nothing is read from the current folder.\n\n")
	for _, v := range variables() {
		b.WriteString(v.name)
		if f := v.flag(); f != "" {
			b.WriteString("  --" + f)
		}
		b.WriteString("\n    " + v.about)
		if v.def != "" {
			b.WriteString(" (default " + v.def + ")")
		}
		b.WriteString("\n")
	}
	return strings.ReplaceAll(b.String(), "`", "")
}

// configurationTable returns the table of variables in the README's form.
func configurationTable() string {
	var b strings.Builder
	b.WriteString("| variable | flag | default | meaning |\n|---|---|---|---|\n")
	for _, v := range variables() {
		name, flag, def := "`"+v.name+"`", "", v.def
		if v.secret {
			name += ", `" + v.name + "_FILE`"
		}
		if f := v.flag(); f != "" {
			flag = "`--" + f + "`"
		}
		b.WriteString("| " + name + " | " + flag + " | " + def + " | " + v.about + " |\n")
	}
	return b.String()
}

var versionCommand = command{
	name: "version", about: "print the version", reads: []string{},
	run: func(_ context.Context, p *program) error { return p.printf("vibn-mcp %s\n", version()) },
}

// version returns the module's version, or "devel" with the commit if that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
