package main

import (
	"context"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// giteaCommands change what a workspace has in Gitea.
var giteaCommands = []command{
	{
		name: "workspace rename-in-gitea", args: "SLUG",
		about: "give a workspace's organisation and bot names that nobody can guess; old addresses redirect",
		reads: databaseVariables, waits: true,
		flags: func(fs *pflag.FlagSet) { fs.Bool("cancel", false, "take the order back") },
		run:   operator(renameInGitea),
	},
	{
		name: "workspace allow", args: "SLUG",
		about: "leave a key, webhook, collaborator or mirror of your own on a repository alone",
		reads: databaseVariables, waits: true,
		flags: func(fs *pflag.FlagSet) {
			fs.Int64("repository-id", 0, "id of the repository in Gitea; 0 = a webhook of the organisation")
			fs.String("kind", "", "deploy_key, hook, collaborator or push_mirror")
			fs.String("ref", "", "id of the key or webhook, login of the collaborator, name of the mirror")
			fs.Bool("remove", false, "allow it no more")
		},
		run: operator(allowAccess),
	},
}

func renameInGitea(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	cancel, _ := p.flags.GetBool("cancel") // the command itself defines the flag
	if err := op.RenameInGitea(ctx, w, !cancel); err != nil {
		return err
	}
	if cancel {
		p.sayf("the names of workspace %s stay as they are\n", w.Slug)
		return nil
	}
	p.sayf("workspace %s is to be renamed in Gitea; its apps get the new address\n"+
		"old addresses of repositories lead to the new ones in Gitea, so clones go on working, and whoever knows an "+
		"old name is told the new one\n", w.Slug)
	return p.settle(ctx, op, w)
}

func allowAccess(ctx context.Context, p *program, op *people.Operator) error {
	w, err := op.Workspace(ctx, p.args[0])
	if err != nil {
		return err
	}
	id, _ := p.flags.GetInt64("repository-id") // the command itself defines the flags
	remove, _ := p.flags.GetBool("remove")
	a := tenancy.RepositoryAccess{RepositoryID: id, Kind: tenancy.AccessKind(p.text("kind")), Ref: p.text("ref")}
	if err := op.Allow(ctx, w, a, !remove); err != nil {
		return err
	}
	word := "allowed"
	if remove {
		word = "no longer allowed"
	}
	p.sayf("%s %s on repository %s is %s\n", a.Kind, a.Ref, strconv.FormatInt(id, 10), word)
	return p.settle(ctx, op, w)
}
