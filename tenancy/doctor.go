package tenancy

import (
	"context"
	"time"
)

// dangers remembers what stands against making anything for tenants.
type dangers struct {
	accepted []string
}

// dangersFresh is how long a look at the dangers is good for.
const dangersFresh = 10 * time.Minute

func (r *run) refuseDangers(ctx context.Context) error { return nil }
