package coolify

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/vibnai/vibn-mcp/secret"
)

// An Env is an environment variable of an application, without its value. Coolify allows
// several with the same key.
type Env struct {
	UUID      UUID
	Key       string
	Preview   bool // for previews, not for production
	Literal   bool // Coolify quotes the value, so that no shell evaluates it
	Multiline bool
	ShownOnce bool // locked: Coolify never shows its value
	BuildTime bool // true also if Coolify did not report it
	Runtime   bool // true also if Coolify did not report it
	Comment   string

	BuildpackControl bool // controls the build pack, for example NIXPACKS_NODE_VERSION
	Coolify          bool // Coolify's own, for example SERVICE_FQDN

	CreatedAt time.Time // UTC; zero if Coolify did not report it
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
		UUID: w.UUID.UUID, Key: string(w.Key), Preview: bool(w.Preview), Literal: bool(w.Literal),
		Multiline: bool(w.Multiline),
		ShownOnce: bool(w.ShownOnce), BuildTime: w.BuildTime.OrTrue(), Runtime: w.Runtime.OrTrue(),
		Comment:          string(w.Comment),
		BuildpackControl: bool(w.BuildpackControl), Coolify: bool(w.Coolify),
		CreatedAt: w.CreatedAt.Time, UpdatedAt: w.UpdatedAt.Time,
	}
}

// Envs lists an application's environment variables: first those of production, then
// those of previews. It never reads values.
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

// NewEnv describes an environment variable to be created. Coolify trims the value and
// treats an empty one as null. It also replaces {{team.X}} and {{server.X}} with secrets
// of the whole team: the caller has to refuse those.
type NewEnv struct {
	Key       string // letters, digits, underscores, dots; 1 to 255
	Value     secret.Text
	Preview   bool
	Literal   bool
	Multiline bool
	ShownOnce bool
	BuildTime bool
	Runtime   bool
	Comment   *string // at most 256 characters; nil = none, or unchanged
}

// An EnvUpdate replaces the variable with its Key and Preview: the value and all flags
// are set to those given. Only a nil Comment leaves the comment unchanged.
type EnvUpdate NewEnv

// wireNewEnv sends every flag. Coolify reads an absent one as false or as true, or
// answers 500 where null is not allowed.
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

// writeEnv sends a variable. It drops Coolify's error text, which may repeat the value.
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

// CreateEnv creates an environment variable; [ErrConflict] if one with that Key and
// Preview exists. With a variable for production, Coolify also creates one for previews
// if there is none, with the same value and never locked.
//
//api:op POST /applications/{uuid}/envs
func (a AppClient) CreateEnv(ctx context.Context, e NewEnv) (UUID, error) {
	return a.writeEnv(ctx, "POST", e)
}

// UpdateEnv replaces an environment variable; [ErrNotFound] if none has that Key and
// Preview. If several have, it replaces the first.
//
//api:op PATCH /applications/{uuid}/envs
func (a AppClient) UpdateEnv(ctx context.Context, u EnvUpdate) error {
	_, err := a.writeEnv(ctx, "PATCH", NewEnv(u))
	return err
}

// DeleteEnv deletes an environment variable of an application. A variable of another
// application is [ErrNotFound].
//
//api:op DELETE /applications/{uuid}/envs/{env_uuid}
func (a AppClient) DeleteEnv(ctx context.Context, env UUID) error {
	return a.c.do(ctx, newRequest("DELETE", "/applications/{uuid}/envs/{env_uuid}", a.id, env), &acknowledged{})
}
