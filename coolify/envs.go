package coolify

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/vibnai/vibn-mcp/secret"
)

// An Env is an environment variable of an application, without its value. A key
// may be there more than once, as nothing in Coolify forbids it.
type Env struct {
	UUID      UUID
	Key       string
	Preview   bool // for previews, not for production
	Literal   bool // Coolify quotes the value, so that no shell evaluates it
	Multiline bool
	ShownOnce bool // locked: its value is shown to nobody
	BuildTime bool // true also if Coolify did not tell
	Runtime   bool // true also if Coolify did not tell
	Comment   string

	BuildpackControl bool // steers the build pack, as NIXPACKS_NODE_VERSION
	Coolify          bool // Coolify's own, as SERVICE_FQDN

	CreatedAt time.Time // UTC; zero if Coolify did not tell
	UpdatedAt time.Time
}

// wireEnv leaves out "value" and "real_value".
type wireEnv struct {
	UUID             uid    `json:"uuid"`
	Key              text   `json:"key"`
	Preview          flag   `json:"is_preview"`
	Literal          flag   `json:"is_literal"`
	Multiline        flag   `json:"is_multiline"`
	ShownOnce        flag   `json:"is_shown_once"`
	BuildTime        *flag  `json:"is_buildtime"`
	Runtime          *flag  `json:"is_runtime"`
	Comment          text   `json:"comment"`
	BuildpackControl flag   `json:"is_buildpack_control"`
	Coolify          flag   `json:"is_coolify"`
	CreatedAt        moment `json:"created_at"`
	UpdatedAt        moment `json:"updated_at"`
}

func (w *wireEnv) env() Env {
	return Env{
		UUID: w.UUID.UUID, Key: string(w.Key), Preview: bool(w.Preview), Literal: bool(w.Literal), Multiline: bool(w.Multiline),
		ShownOnce: bool(w.ShownOnce), BuildTime: w.BuildTime.OrTrue(), Runtime: w.Runtime.OrTrue(), Comment: string(w.Comment),
		BuildpackControl: bool(w.BuildpackControl), Coolify: bool(w.Coolify),
		CreatedAt: w.CreatedAt.Time, UpdatedAt: w.UpdatedAt.Time,
	}
}

// Envs lists an application's environment variables, those of production, then
// those of previews. Values are never read.
//
//api:op GET /applications/{uuid}/envs
func (a AppClient) Envs(ctx context.Context) ([]Env, error) {
	var w list[wireEnv]
	if err := a.c.do(ctx, newRequest("GET", "/applications/{uuid}/envs", a.id), &w); err != nil {
		return nil, err
	}
	all := make([]Env, 0, len(w))
	for i := range w {
		all = append(all, w[i].env())
	}
	return all, nil
}

// NewEnv describes an environment variable to be made. Coolify trims the value,
// takes an empty one for null, and replaces {{team.X}} and {{server.X}} in it
// with secrets of the whole team: refusing those is up to the caller.
type NewEnv struct {
	Key       string // letters, digits, underscores, dots; 1 to 255
	Value     secret.Text
	Preview   bool
	Literal   bool
	Multiline bool
	ShownOnce bool
	BuildTime bool
	Runtime   bool
	Comment   *string // at most 256 characters; nil = none, or as it is
}

// An EnvUpdate replaces the variable that has its Key and Preview: the value and
// all flags become what they are here. Only a nil Comment leaves something.
type EnvUpdate NewEnv

// wireNewEnv sends every flag. Coolify takes an absent one for false, for true
// or, where null may not be, answers 500.
type wireNewEnv struct {
	Key       string  `json:"key"`
	Value     string  `json:"value"`
	Preview   bool    `json:"is_preview"`
	Literal   bool    `json:"is_literal"`
	Multiline bool    `json:"is_multiline"`
	ShownOnce bool    `json:"is_shown_once"`
	BuildTime bool    `json:"is_buildtime"`
	Runtime   bool    `json:"is_runtime"`
	Comment   *string `json:"comment,omitempty"`
}

var errUTF8 = errors.New("the value is not UTF-8, and JSON can carry nothing else")

// writeEnv sends a variable. Coolify's words are not kept: they may repeat it.
func (a AppClient) writeEnv(ctx context.Context, method string, e NewEnv) (UUID, error) {
	r := newRequest(method, "/applications/{uuid}/envs", a.id)
	if !utf8.ValidString(e.Value.Reveal()) {
		return UUID{}, a.c.conn.server.Refuse(r.op, r.op.Path, ErrInvalid, errUTF8)
	}
	r.secret = true
	r.body = wireNewEnv{
		Key: e.Key, Value: e.Value.Reveal(), Preview: e.Preview, Literal: e.Literal, Multiline: e.Multiline,
		ShownOnce: e.ShownOnce, BuildTime: e.BuildTime, Runtime: e.Runtime, Comment: e.Comment,
	}
	var w created
	err := a.c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// CreateEnv makes an environment variable; [ErrConflict] if there is one of that
// Key and Preview. With one for production Coolify also makes one for previews,
// with the same value and never locked, if there is none.
//
//api:op POST /applications/{uuid}/envs
func (a AppClient) CreateEnv(ctx context.Context, e NewEnv) (UUID, error) {
	return a.writeEnv(ctx, "POST", e)
}

// UpdateEnv replaces an environment variable; [ErrNotFound] if there is none of
// that Key and Preview. Of several, the first is replaced.
//
//api:op PATCH /applications/{uuid}/envs
func (a AppClient) UpdateEnv(ctx context.Context, u EnvUpdate) error {
	_, err := a.writeEnv(ctx, "PATCH", NewEnv(u))
	return err
}

// DeleteEnv deletes an environment variable of an application. One of another
// application is [ErrNotFound].
//
//api:op DELETE /applications/{uuid}/envs/{env_uuid}
func (a AppClient) DeleteEnv(ctx context.Context, env UUID) error {
	return a.c.do(ctx, newRequest("DELETE", "/applications/{uuid}/envs/{env_uuid}", a.id, env), &acknowledged{})
}
