package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Since Coolify 4.3.8 a destination is a row, and nothing makes its Docker network but
// the start of a service, which also lets the proxy into the network at once. So one tiny
// container of the platform's, which does nothing, holds the network of each workspace.
// Tenants neither see nor reach it: it is no app and no database, and has no port.

// DefaultNetworkImage is the image of the container that holds a workspace's network:
// the pause container of Kubernetes, made to do nothing and to end when it is told. It
// has under a megabyte, for all processors, and the registry needs no account and sets no
// limit on pulls. A tag of it is never moved.
const DefaultNetworkImage = "registry.k8s.io/pause:3.10"

// imageReference is the form of an image's name, with nothing in it that a compose file
// could take for more.
var imageReference = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`)

// ParseNetworkImage returns the reference of an image that may hold networks. It has at
// most 255 letters, digits and ._/:@- and begins with a letter or digit.
func ParseNetworkImage(s string) (string, error) {
	if !imageReference.MatchString(s) {
		return "", errors.New("is no reference of an image")
	}
	return s, nil
}

// networkCompose is the compose file of the service; %s is the image. The restart policy
// keeps the container running, the rest keeps it small.
const networkCompose = `services:
  network:
    image: '%s'
    restart: always
    mem_limit: 16m
    cpus: 0.1
    pids_limit: 16
    read_only: true
    cap_drop:
      - ALL
`

func (r *run) compose() string {
	return fmt.Sprintf(networkCompose, cmp.Or(r.dangers.NetworkImage, DefaultNetworkImage))
}

// ensureService makes the service that holds the workspace's network exist on a server.
// Its UUID is the network's name, so the recorded destination names the recorded service.
func (r *run) ensureService(
	ctx context.Context, server coolify.UUID, list []coolify.Destination,
) (coolify.Service, error) {
	recorded := ""
	if i := slices.IndexFunc(list, func(d coolify.Destination) bool {
		return d.UUID.String() == r.state.Destination
	}); i >= 0 {
		recorded = list[i].Network
	}
	isRecorded := func(s coolify.Service) bool { return s.UUID.String() == recorded }
	service, _, err := once.Thing[coolify.Service]{
		Find: func(ctx context.Context) ([]coolify.Service, error) {
			return r.findServices(ctx, func(s coolify.Service) bool {
				return isRecorded(s) || r.ownsService(s) && (s.ServerUUID == server || s.ServerUUID.IsZero())
			})
		},
		Create:   func(ctx context.Context) error { return r.createService(ctx, server, list) },
		Recorded: isRecorded,
		Record: func(_ context.Context, s coolify.Service) error { // with its destination; see ensureDestination
			recorded = s.UUID.String()
			return nil
		},
		Drop: func(ctx context.Context, twin coolify.Service) error {
			_, err := r.removeService(ctx, twin)
			return err
		},
	}.Ensure(ctx)
	return service, err
}

// ownsService reports whether vibn-mcp made a service for this workspace.
func (r *run) ownsService(s coolify.Service) bool { return s.Name == networkName(r.state) }

// environments returns the environments of the workspace's project, which a run reads once;
// none if the project is gone.
func (r *run) environments(ctx context.Context) ([]coolify.Environment, error) {
	if r.envs != nil {
		return r.envs, nil
	}
	project, err := r.coolifyProject()
	if err != nil || project.UUID().IsZero() {
		return nil, err
	}
	envs, err := project.Environments(ctx)
	if errors.Is(err, coolify.ErrNotFound) {
		return nil, nil
	}
	r.envs = envs
	return envs, err
}

// findServices returns the services in the workspace's project that are meant, the oldest
// first.
func (r *run) findServices(ctx context.Context, meant func(coolify.Service) bool) ([]coolify.Service, error) {
	envs, err := r.environments(ctx)
	if err != nil || len(envs) == 0 {
		return nil, err
	}
	project, err := r.coolifyProject()
	if err != nil {
		return nil, err
	}
	var all []coolify.Service
	for _, e := range envs {
		some, err := project.Services(ctx, e.UUID)
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(some, func(s coolify.Service) bool { return !meant(s) })...)
	}
	slices.SortFunc(all, func(a, b coolify.Service) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.UUID.String(), b.UUID.String()))
	})
	return all, nil
}

func (r *run) createService(ctx context.Context, server coolify.UUID, list []coolify.Destination) error {
	if len(list) == 0 {
		return &tenancy.PartError{
			Part: tenancy.PartNetwork, Platform: true,
			Why: "the workspace's server has no destination on Coolify, without which nothing can be made there",
			Fix: "add one in Coolify under Destinations; then have it provisioned again",
		}
	}
	project, err := r.coolifyProject()
	if err != nil {
		return err
	}
	env, err := r.serviceEnvironment(ctx)
	if err != nil {
		return err
	}
	belongs, ok := serversOwn(list) // a formality: the container is in its own network alone
	if !ok {
		belongs = list[0]
	}
	_, err = project.CreateService(ctx, coolify.NewService{
		Environment: env, Server: server, Destination: belongs.UUID, Name: networkName(r.state),
		Description: "Holds the network of the workspace " + r.state.Slug + " and has to keep running",
		Compose:     r.compose(), InstantDeploy: true,
	})
	return err
}

// serviceEnvironment returns the environment production of the workspace's project, or
// else its first.
func (r *run) serviceEnvironment(ctx context.Context) (coolify.UUID, error) {
	envs, err := r.environments(ctx)
	if err != nil {
		return coolify.UUID{}, err
	}
	if len(envs) == 0 {
		return coolify.UUID{}, &tenancy.PartError{
			Part: tenancy.PartNetwork, Why: "the workspace's project on Coolify has no environment",
			Fix: "make the environment production in it; then have it provisioned again",
		}
	}
	i := slices.IndexFunc(envs, func(e coolify.Environment) bool { return e.Name == "production" })
	return envs[max(i, 0)].UUID, nil
}

const (
	// startTime is the age up to which a service may not have been seen running, as
	// Coolify looks at its servers once a minute.
	startTime = 3 * time.Minute
	// serviceLooks bounds how often one run looks whether the service runs. A later run
	// goes on.
	serviceLooks = 4
)

// awaitService waits a while until Coolify has seen the service run, and starts one that
// has been stopped. networks is how many Coolify knows of on its server.
func (r *run) awaitService(ctx context.Context, s coolify.Service, networks int) error {
	fresh := r.now().Sub(s.CreatedAt) < startTime
	calls := r.coolify.Service(s.UUID)
	if !s.Running() && !fresh {
		if err := errors.Join(calls.SetCompose(ctx, r.compose()), calls.Start(ctx)); err != nil {
			return err
		}
	}
	for i := 0; i < serviceLooks && !s.Running(); i++ {
		if i > 0 {
			if err := r.pause(ctx); err != nil {
				return err
			}
		}
		var err error
		if s, err = calls.Get(ctx); errors.Is(err, coolify.ErrNotFound) {
			return &tenancy.PartError{
				Part: tenancy.PartNetwork, Again: true, Err: err,
				Why: "the service that keeps the workspace's network was deleted just now",
				Fix: "wait; it is created again",
			}
		} else if err != nil {
			return err
		}
	}
	switch {
	case s.Running():
		return nil
	case fresh:
		return &tenancy.PartError{
			Part: tenancy.PartNetwork, Again: true,
			Why: "Coolify has not reported yet that the workspace's network exists",
			Fix: "wait; Coolify looks at its servers once a minute, and then this is checked again",
		}
	}
	return &tenancy.PartError{
		Part: tenancy.PartNetwork, Again: true, Platform: true,
		Why: fmt.Sprintf(
			"the service %s, which keeps the workspace's network, does not run; Coolify knows %d networks on its server",
			s.UUID, networks,
		),
		Fix: "if the server cannot pull the service's image, set VIBN_NETWORK_IMAGE to one that it can pull; if Docker " +
			"has no addresses left for another network (by default they last for about thirty), set " +
			"default-address-pools in the server's daemon.json, see docs/networks.md. The service is started again",
	}
}

// pause waits until the next look at what takes Coolify up to a minute.
func (p *Provisioner) pause(ctx context.Context) error {
	t := time.NewTimer(2 * p.pollEvery)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// removeServices deletes the services of a deleted workspace: those that bear its mark,
// and those that its destinations name.
func (r *run) removeServices(ctx context.Context, list []coolify.Destination) error {
	services, err := r.findServices(ctx, func(s coolify.Service) bool {
		return r.ownsService(s) || slices.ContainsFunc(
			list, func(d coolify.Destination) bool { return d.Network == s.UUID.String() },
		)
	})
	if err != nil {
		return err
	}
	for _, s := range services {
		gone, err := r.removeService(ctx, s)
		if err != nil {
			return err
		}
		if !gone {
			return &tenancy.PartError{
				Part: tenancy.PartNetwork, Why: "Coolify is still deleting what holds the workspace's network",
				Fix: "wait; it is checked again", Again: true,
			}
		}
	}
	return nil
}

// removeService asks Coolify to delete a service with its network, and checks whether it
// is gone.
func (r *run) removeService(ctx context.Context, s coolify.Service) (gone bool, err error) {
	calls := r.coolify.Service(s.UUID)
	err = calls.Delete(ctx, coolify.DeleteOptions{Volumes: true, Networks: true, Configurations: true})
	if err == nil {
		_, err = calls.Get(ctx)
	}
	if errors.Is(err, coolify.ErrNotFound) {
		return true, nil
	}
	return false, err
}
