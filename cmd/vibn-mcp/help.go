package main

import (
	"context"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

const intro = `vibn-mcp gives each tenant of a Coolify platform a key that is safe to hand to
an agent.

Usage: vibn-mcp COMMAND [flags] [arguments]

`

// help shows all commands, or one, or the configuration.
func (p *program) help(args []string) error {
	if len(args) == 0 {
		_ = p.printf("%s", intro)
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		for _, c := range commands() {
			_, _ = w.Write([]byte("  " + strings.TrimSpace(c.name+" "+c.args) + "\t" + c.about + "\n"))
		}
		_, _ = w.Write([]byte("  help configuration\tthe environment variables and flags\n  help COMMAND\tone command\n"))
		return w.Flush()
	}
	if args[0] == "configuration" {
		return p.printf("%s", configurationHelp())
	}
	cmd, _, ok := find(args)
	if !ok {
		return usagef("there is no command %q", strings.Join(args, " "))
	}
	p.helpCommand(cmd)
	return nil
}

// helpCommand shows one command and the flags of its own.
func (p *program) helpCommand(c command) {
	_ = p.printf("Usage: vibn-mcp %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.about)
	own := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	if c.flags != nil {
		c.flags(own)
	}
	if own.HasFlags() {
		_ = p.printf("\nFlags:\n%s", own.FlagUsages())
	}
	if len(c.needs) > 0 {
		_ = p.printf("\nNeeds: %s\n", strings.Join(c.needs, ", "))
	}
	_ = p.printf("\n\"vibn-mcp help configuration\" shows the variables and flags that every command takes.\n")
}

// configurationHelp is the table of variables as plain text.
func configurationHelp() string {
	var b strings.Builder
	b.WriteString("Each variable that is not secret is a flag too; a secret NAME is also read from\nthe file that NAME_FILE names. Nothing is read from the current folder.\n\n")
	for _, v := range variables() {
		b.WriteString(v.name)
		if f := v.flag(); f != "" {
			b.WriteString("  --" + f)
		}
		b.WriteString("\n    " + v.about)
		if v.def != "" {
			b.WriteString(" (default " + strings.ReplaceAll(v.def, "`", "") + ")")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// configurationTable is the table of variables as the README has it.
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
	name: "version", about: "print the version",
	run: func(_ context.Context, p *program) error { return p.printf("vibn-mcp %s\n", version()) },
}

// version is the module's version, or "devel" and the commit.
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
