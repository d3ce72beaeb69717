package hosting

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// scrubberFor returns a scrubber that knows all that must not be shown of an app, in
// whatever it or its builds print: the platform's secrets, the addresses of the
// workspace's databases, the values that were given to the app's variables, and, if this
// server may read them, the values that they have. The note says what it does not know, and
// set are the rows that it read, nil without such a token. If reading any of them fails, it
// returns an error, so that nothing is shown.
func scrubberFor(
	ctx context.Context, s tenancy.Inside, app tenancy.FoundApp,
) (scrubber *untrusted.Scrubber, set []coolify.Env, note string, err error) {
	scrubber = s.Scrubber()
	if err := addAddresses(ctx, s, scrubber); err != nil {
		return nil, nil, "", err
	}
	kept, err := openValues(ctx, s, app.UUID.String())
	if err != nil {
		return nil, nil, "", err
	}
	for _, v := range kept {
		scrubber.Add(v.key, v.plain)
	}
	if app.Values == nil {
		return scrubber, nil, noteNoValues, nil
	}
	values, err := app.Values.EnvValues(ctx)
	if err != nil {
		return nil, nil, "", tenancy.UpstreamError("read what must not be shown", err)
	}
	set = []coolify.Env{}
	for _, v := range values {
		scrubber.Add(v.Key, v.Value)
		scrubber.Add(v.Key, v.RealValue)
		set = append(set, v.Env)
	}
	return scrubber, set, "", nil
}

// addAddresses tells a scrubber the addresses of the workspace's databases.
func addAddresses(ctx context.Context, s tenancy.Inside, scrubber *untrusted.Scrubber) error {
	records, err := databaseRecords(ctx, s.Scope)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.URLSealed == "" {
			continue
		}
		address, err := s.Box().Open(r.URLSealed, tenancy.DatabaseURLPlace(r.ID))
		if err != nil {
			return unsealValueError(err)
		}
		scrubber.Add("DATABASE_URL", address)
	}
	return nil
}
