package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
)

const (
	// dockerNetworks is about how many networks the address pools that Docker comes with
	// are enough for. A server that has more has other pools.
	dockerNetworks = 31
	// networksToSpare is how many of them are left when doctor begins to warn.
	networksToSpare = 6
)

// poolsFix says how a server gets addresses for more networks.
const poolsFix = "set default-address-pools in the server's daemon.json, as docs/networks.md says, before the next " +
	"workspaces come; or place them on another server"

// networks counts the Docker networks of each server on which workspaces may run, as far
// as Coolify knows them. A destination of an earlier version of vibn-mcp is not counted,
// as it may have no network.
func (e *examination) networks(ctx context.Context) Check {
	list, err := e.coolify.Destinations(ctx)
	if errors.Is(err, coolify.ErrRouteMissing) {
		return ok("this Coolify does not list networks")
	}
	if err != nil {
		return failed("list its destinations", err)
	}
	var counts, full []string
	for _, s := range e.servers {
		n := len(slices.DeleteFunc(slices.Clone(list), func(d coolify.Destination) bool {
			return d.Server != s.UUID || someWorkspaces.MatchString(d.Network)
		}))
		counts = append(counts, fmt.Sprintf("%s has %d networks", s.Name, n))
		if n > dockerNetworks-networksToSpare && n <= dockerNetworks {
			full = append(full, counts[len(counts)-1])
		}
	}
	switch {
	case len(full) > 0:
		return warn(strings.Join(full, "; ")+
			fmt.Sprintf(", and Docker as it comes has addresses for about %d", dockerNetworks), poolsFix)
	case len(counts) == 0:
		return ok("no server of workspaces is known yet")
	}
	return ok("%s", strings.Join(counts, "; "))
}
