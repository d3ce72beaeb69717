package coolify

import "context"

// Contents are what an environment has.
type Contents struct {
	Applications []Application
	Databases    []Database // as [ProjectClient.Databases] lists them
}

type wireContents struct {
	wireDatabases
	Applications list[wireApplication] `json:"applications"`
}

// Contents lists the applications and the databases of an environment in one request.
// Coolify first reads the id as a name, so an answer about an environment that has the id
// as its name is an error.
//
//api:op GET /projects/{uuid}/{environment_name_or_uuid}
func (p ProjectClient) Contents(ctx context.Context, environment UUID) (Contents, error) {
	var w wireContents
	r := newRequest("GET", "/projects/{uuid}/{environment_name_or_uuid}", p.id, environment)
	if err := p.c.do(ctx, r, &w); err != nil {
		return Contents{}, err
	}
	c := Contents{Databases: w.databases()}
	for i := range w.Applications {
		a := w.Applications[i].application()
		a.EnvironmentName = string(w.Name)
		c.Applications = append(c.Applications, a)
	}
	return c, nil
}
