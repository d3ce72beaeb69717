package hosting

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// keptValues are the values that an app's variables have and had, as they are kept. A
// write adds to them before Coolify is asked, and ends those that it replaced after. So
// whatever becomes of the write, logs show neither.
type keptValues struct {
	app  *App
	all  []keptValue
	ends []KeptValue // not told to the database yet
}

// A keptValue is a value that is kept, opened.
type keptValue struct {
	KeptValue
	key   string
	plain secret.Text
}

// openValues returns the values that are kept of an app.
func openValues(ctx context.Context, s tenancy.Inside, app string) ([]keptValue, error) {
	rows, err := db(s.Scope).KeptValues(ctx, s.Workspace().ID, app)
	if err != nil {
		return nil, tenancy.StoreError("read the values that were", err)
	}
	values := make([]keptValue, 0, len(rows))
	for _, row := range rows {
		plain, err := s.Box().Open(row.Sealed, EnvValuePlace(row.ID))
		if err != nil {
			return nil, unsealValueError(err)
		}
		key, value, _ := strings.Cut(plain.Reveal(), "=")
		values = append(values, keptValue{row, key, secret.NewText(value)})
	}
	return values, nil
}

func unsealValueError(err error) error {
	return &tenancy.Error{
		Code: tenancy.Unavailable, Msg: "a value that must not be shown is stored, and cannot be opened",
		Hint: "only the platform's operator can fix this: set the key that sealed it in VIBN_SECRETS_KEY_OLD", Err: err,
	}
}

// keepValues keeps values of the app's variables. Those that no log would hide are left out.
func (a *App) keepValues(ctx context.Context, values []coolify.EnvValue) (*keptValues, error) {
	s := inside(a.scope)
	all, err := openValues(ctx, s, a.UUID())
	if err != nil {
		return nil, err
	}
	k := &keptValues{app: a, all: all}
	var fresh []KeptValue
	for _, v := range values {
		if !untrusted.Hides(v.Key, v.Value) {
			continue
		}
		row, isNew, err := k.begin(v)
		if err != nil {
			return nil, err
		}
		if isNew {
			fresh = append(fresh, row)
		}
	}
	if len(fresh) == 0 {
		return k, nil
	}
	if err := db(a.scope).KeepValues(ctx, s.Workspace().ID, a.UUID(), fresh); err != nil {
		return nil, tenancy.StoreError("keep the value, so that logs do not show it", err)
	}
	return k, nil
}

// begin returns the row of a value that a variable has or gets; false if it is kept so.
func (k *keptValues) begin(v coolify.EnvValue) (row KeptValue, isNew bool, err error) {
	for i := range k.all {
		old := &k.all[i]
		if old.key == v.Key && old.Preview == v.Preview && old.plain.Equal(v.Value.Reveal()) {
			isNew, old.Ended = old.Ended != nil, nil
			return old.KeptValue, isNew, nil
		}
	}
	s := inside(k.app.scope)
	row = KeptValue{ID: uuid.Must(uuid.NewV7()).String(), Preview: v.Preview, At: s.Now()}
	if row.Sealed, err = s.Box().Seal(secret.NewText(v.Key+"="+v.Value.Reveal()), EnvValuePlace(row.ID)); err != nil {
		return row, false, err
	}
	k.all = append(k.all, keptValue{row, v.Key, v.Value})
	return row, true, nil
}

// end ends the values of a variable but for the one that it has now; the zero Text is
// none.
func (k *keptValues) end(key string, preview bool, now secret.Text) {
	at := inside(k.app.scope).Now()
	for i := range k.all {
		v := &k.all[i]
		if v.key == key && v.Preview == preview && v.Ended == nil && !v.plain.Equal(now.Reveal()) {
			v.Ended = &at
			k.ends = append(k.ends, v.KeptValue)
		}
	}
}

// close writes down which values have ended. If that fails, they are kept for longer.
func (k *keptValues) close(ctx context.Context) {
	if len(k.ends) == 0 {
		return
	}
	s := inside(k.app.scope)
	if err := db(s.Scope).KeepValues(ctx, s.Workspace().ID, k.app.UUID(), k.ends); err != nil {
		s.Log().WarnContext(
			ctx, "values that ended are kept on", "workspace", s.Workspace().Slug, "err", s.ForLog(err),
		)
	}
}
