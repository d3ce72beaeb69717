package coolify

import (
	"context"
	"encoding/base64"
	"strings"
	"time"
)

// A Service holds the fields of a service that vibn-mcp reads: containers that Coolify
// runs from one compose file, in a Docker network whose name is the service's UUID. The
// compose file is never read, as it is shown to tokens that see secrets only.
type Service struct {
	ID          int // 0 in a list of the team's and in the answer about one service
	UUID        UUID
	Name        string // not unique
	Description string
	ServerUUID  UUID // zero if Coolify did not report it

	// Status is a state, or state:health, for example "running:unknown". It lags: Coolify
	// looks at its servers once a minute, and until then a service that has just been
	// started is "exited".
	Status string

	CreatedAt time.Time // UTC, zero if Coolify did not report it
}

// Running reports whether Coolify has seen the service's containers run.
func (s Service) Running() bool { return strings.HasPrefix(s.Status, "running") }

type wireService struct {
	ID          number `json:"id"`
	UUID        uid    `json:"uuid"`
	Name        text   `json:"name"`
	Description text   `json:"description"`
	Status      text   `json:"status"`
	CreatedAt   moment `json:"created_at"`
	Server      part[struct {
		UUID uid `json:"uuid"`
	}] `json:"server"`
}

func (w *wireService) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireService) service() Service {
	return Service{
		ID: int(w.ID), UUID: w.UUID.UUID, Name: string(w.Name), Description: string(w.Description),
		ServerUUID: w.Server.Value.UUID.UUID, Status: string(w.Status), CreatedAt: w.CreatedAt.Time,
	}
}

func services(w list[wireService]) []Service {
	all := make([]Service, 0, len(w))
	for i := range w {
		all = append(all, w[i].service())
	}
	return all
}

// Services lists the services of the token's team, of all projects.
//
//api:op GET /services
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	var w list[wireService]
	if err := c.do(ctx, newRequest("GET", "/services"), &w); err != nil {
		return nil, err
	}
	return services(w), nil
}

// wireServices is the detail of an environment.
type wireServices struct {
	UUID     uid               `json:"uuid"`
	Services list[wireService] `json:"services"`
}

// check refuses an answer in which the list is missing, which must not be read as an
// empty list.
func (w *wireServices) check(asked []UUID) error {
	if w.Services == nil {
		return errAnswer
	}
	return same(w.UUID, asked[1])
}

// Services lists the services of an environment. Coolify first reads the id as a name, so
// an answer about an environment that has the id as its name is an error.
//
//api:op GET /projects/{uuid}/{environment_name_or_uuid}
func (p ProjectClient) Services(ctx context.Context, environment UUID) ([]Service, error) {
	var w wireServices
	if err := p.environment(ctx, environment, &w); err != nil {
		return nil, err
	}
	return services(w.Services), nil
}

// environment reads the detail of an environment, of which a caller takes its part.
func (p ProjectClient) environment(ctx context.Context, id UUID, part checker) error {
	return p.c.do(ctx, newRequest("GET", "/projects/{uuid}/{environment_name_or_uuid}", p.id, id), part)
}

// NewService describes a service to be created.
type NewService struct {
	Environment UUID // of the project; Coolify first reads the id as a name
	Server      UUID
	// Destination is as in [NewApplication]. The service belongs to it, but its containers
	// are in a network of their own.
	Destination UUID

	Name          string // not unique; at most 255 characters
	Description   string // at most 255 characters
	Compose       string // the compose file
	InstantDeploy bool   // start it at once
}

type wireNewService struct {
	Project       string `json:"project_uuid"`
	Environment   string `json:"environment_uuid"`
	Server        string `json:"server_uuid"`
	Destination   string `json:"destination_uuid,omitempty"`
	Name          string `json:"name,omitempty"`
	Description   string `json:"description,omitempty"`
	InstantDeploy bool   `json:"instant_deploy"`
	Compose       string `json:"docker_compose_raw"`
}

// encoded returns a compose file as Coolify takes it.
func encoded(compose string) string { return base64.StdEncoding.EncodeToString([]byte(compose)) }

// CreateService creates a service in the project. [ErrNotFound] if the project, the
// server or the environment does not exist. A second call creates a second service.
//
//api:op POST /services
func (p ProjectClient) CreateService(ctx context.Context, n NewService) (UUID, error) {
	r := newRequest("POST", "/services")
	r.needs = []UUID{p.id, n.Environment, n.Server}
	r.body = wireNewService{
		Project: p.id.s, Environment: n.Environment.s, Server: n.Server.s, Destination: n.Destination.s, Name: n.Name,
		Description: n.Description, InstantDeploy: n.InstantDeploy, Compose: encoded(n.Compose),
	}
	var w created
	err := p.c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// Get returns a service.
//
//api:op GET /services/{uuid}
func (s ServiceClient) Get(ctx context.Context) (Service, error) {
	var w wireService
	if err := s.c.do(ctx, newRequest("GET", "/services/{uuid}", s.id), &w); err != nil {
		return Service{}, err
	}
	return w.service(), nil
}

// SetCompose replaces a service's compose file. The next start uses it.
//
//api:op PATCH /services/{uuid}
func (s ServiceClient) SetCompose(ctx context.Context, compose string) error {
	r := newRequest("PATCH", "/services/{uuid}", s.id)
	r.body = struct {
		Compose string `json:"docker_compose_raw"`
	}{encoded(compose)}
	return s.c.do(ctx, r, &created{})
}

// Start queues a start of a service, which makes its network and connects the proxy to
// that. A service that Coolify has seen run is not an error. What goes wrong at the start
// is reported nowhere.
//
//api:op POST /services/{uuid}/start
func (s ServiceClient) Start(ctx context.Context) error {
	return already("Service", s.c.do(ctx, newRequest("POST", "/services/{uuid}/start", s.id), &acknowledged{}))
}

// Delete queues the deletion of a service, which stops its containers whatever its status
// says. Until the deletion is done, the service exists and its project is in use;
// afterwards it is [ErrNotFound]. Coolify does not report what it cannot remove from the
// server.
//
//api:op DELETE /services/{uuid}
func (s ServiceClient) Delete(ctx context.Context, o DeleteOptions) error {
	r := newRequest("DELETE", "/services/{uuid}", s.id)
	r.query = o.query()
	return s.c.do(ctx, r, &acknowledged{})
}
