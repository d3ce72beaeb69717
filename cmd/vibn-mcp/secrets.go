package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
)

var rotateSecretsCommand = command{
	name: "secrets rotate",
	about: "seal every stored secret with VIBN_SECRETS_KEY, opening what VIBN_SECRETS_KEY_OLD sealed; may run beside " +
		"serve",
	reads: slices.Concat(databaseVariables, []string{"VIBN_SECRETS_KEY", "VIBN_SECRETS_KEY_OLD"}),
	needs: []string{"VIBN_SECRETS_KEY"},
	run:   operator(rotateSecrets),
}

func rotateSecrets(ctx context.Context, p *program, op *people.Operator) error {
	box, err := secret.NewBox(p.cfg.secretsKey, p.cfg.oldSecretsKeys...)
	if err != nil {
		return err
	}
	resealed, shut, err := op.ResealSecrets(ctx, box)
	if err != nil {
		return err
	}
	p.sayf("sealed anew: %d\n", resealed)
	if shut > 0 {
		return hinted{
			fmt.Errorf("%d values do not open with any key that was given", shut),
			"give the key that sealed them in VIBN_SECRETS_KEY_OLD; if it is lost, \"vibn-mcp workspace rotate\" " +
				"makes new tokens",
		}
	}
	return nil
}
