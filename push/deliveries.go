package push

import (
	"context"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Deliveries remembers when webhooks were heard of, until [Pusher.Sweep] writes it down. The
// answer to a delivery does not wait for that: it would show by its time that there is a
// workspace. The zero Deliveries is ready for use, and a nil one remembers nothing.
type Deliveries struct {
	mu   sync.Mutex
	seen map[string]tenancy.Deliveries // by workspace
}

// note remembers one delivery to a workspace that has a webhook.
func (d *Deliveries) note(workspaceID string, good bool, at time.Time) {
	if d == nil || workspaceID == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]tenancy.Deliveries{}
	}
	was := d.seen[workspaceID]
	if good {
		was.Taken = &at
	} else {
		was.Refused = &at
	}
	d.seen[workspaceID] = was
}

// flush writes down what was remembered.
func (d *Deliveries) flush(ctx context.Context, db Store) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	seen := d.seen
	d.seen = nil
	d.mu.Unlock()
	for workspaceID, what := range seen {
		if err := db.NoteDeliveries(ctx, workspaceID, what); err != nil {
			return err
		}
	}
	return nil
}
