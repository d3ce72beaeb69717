package tenancy

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/vibnai/vibn-mcp/coolify"
)

// runningDeployments are the queued and running deployments of all tenants, as of the
// last request. All callers share the requests.
type runningDeployments struct {
	coolify *coolify.Client // on the reserve, as no single tenant causes the request
	every   time.Duration   // how old an answer may be
	looking singleflight.Group

	mu   sync.Mutex
	last map[coolify.UUID]coolify.DeploymentStatus
	at   time.Time
}

// runningLookTime bounds a request, even if the caller that began it disconnects.
const runningLookTime = 10 * time.Second

// look asks Coolify; concurrent calls share one request.
func (r *runningDeployments) look(ctx context.Context) (map[coolify.UUID]coolify.DeploymentStatus, error) {
	v, err, _ := r.looking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runningLookTime)
		defer cancel()
		began := time.Now()
		list, err := r.coolify.RunningDeployments(ctx)
		if err != nil {
			return nil, err
		}
		running := make(map[coolify.UUID]coolify.DeploymentStatus, len(list))
		for _, d := range list {
			running[d.UUID] = d.Status
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last, r.at = running, began
		return running, nil
	})
	running, _ := v.(map[coolify.UUID]coolify.DeploymentStatus)
	return running, err
}

// recent returns an answer at most one poll interval old.
func (r *runningDeployments) recent(ctx context.Context) (map[coolify.UUID]coolify.DeploymentStatus, error) {
	r.mu.Lock()
	running, fresh := r.last, time.Since(r.at) < r.every
	r.mu.Unlock()
	if fresh {
		return running, nil
	}
	return r.look(ctx)
}
