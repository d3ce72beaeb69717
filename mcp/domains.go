package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addDomains(r *Registry) {
	Add(r, Tool{
		Name: "domains.list", Route: "GET /domains", Needs: tenancy.Read, Title: "List domains",
		Description: "List the domains of the workspace's apps, or of one app, and the names that can be used " +
			"without " +
			"proof.",
	}, listDomains)
	Add(r, Tool{
		Name: "domains.set", Route: "PATCH /apps/{app}/domain", Needs: tenancy.Write, Title: "Set an app's domain",
		Idempotent: true, Destructive: true, Target: "app", Keep: []string{"domain"},
		Description: "Replace an app's domains by one, or remove them. The change takes effect with the next " +
			"deployment. Your own domain needs a DNS record as proof first: the answer says which.",
	}, setDomain)
}

type listDomainsIn struct {
	App string `json:"app,omitempty" jsonschema:"only of this app (uuid, name or domain)" max:"255"`
}

type domainsOut struct {
	Domains []hosting.DomainInfo `json:"domains"`
	// form of the names that need no proof; NAME stands for the chosen part
	Free      string `json:"free,omitempty"`
	Truncated bool   `json:"truncated"`
}

func listDomains(ctx context.Context, s *tenancy.Scope, in listDomainsIn) (domainsOut, error) {
	domains, err := hosting.Domains(ctx, s, in.App)
	if err != nil {
		return domainsOut{}, err
	}
	shown := fit(domains, maxPage)
	return domainsOut{shown, hosting.FreeDomains(s), len(shown) < len(domains)}, nil
}

type setDomainIn struct {
	App    string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Domain string `json:"domain" jsonschema:"host name alone, as shop.example.com; empty takes the domain away" required:"true" max:"253"`
}

type setDomainOut struct {
	hosting.DomainInfo
	Next []string `json:"next"`
}

func setDomain(ctx context.Context, s *tenancy.Scope, in setDomainIn) (setDomainOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return setDomainOut{}, err
	}
	info, err := app.SetDomain(ctx, in.Domain)
	if err != nil {
		return setDomainOut{}, err
	}
	out := setDomainOut{info, []string{"apps_deploy brings it into effect"}}
	if info.Kind == "custom" {
		out.Next = append(out.Next, "the domain's DNS has to point at the host of the apps")
	}
	return out, nil
}
