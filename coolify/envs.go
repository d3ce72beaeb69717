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
	return envs(w), nil
}

func envs(w list[wireEnv]) []Env {
	all := make([]Env, 0, len(w))
	for i := range w {
		all = append(all, w[i].env())
	}
	return all
}

// An EnvUpdate creates the variable with its Key and Preview, or replaces it: the value
// and all flags are set to those given. Only a nil Comment leaves the comment unchanged.
// Coolify trims the value and treats an empty one as null. It also replaces {{team.X}} and
// {{server.X}} with secrets of the whole team: the caller has to refuse those.
type EnvUpdate struct {
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

// wireEnvUpdate sends every flag. Coolify reads an absent one as false or as true, or
// answers 500 where null is not allowed.
type wireEnvUpdate struct {
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

// SetEnvs creates or replaces environment variables in one request, and returns their rows
// in the same order. With a new variable for production, Coolify also creates one for
// previews if there is none, with the same value and never locked; its row is not returned.
// Of several rows with one Key and Preview it replaces the first; a key that is new and
// given twice becomes two rows. It is not atomic: after an error the first variables may
// be written, and after [ErrInvalid] those before the bad one are. The error never holds
// Coolify's text, which may repeat a value.
//
//api:op PATCH /applications/{uuid}/envs/bulk
func (a AppClient) SetEnvs(ctx context.Context, updates []EnvUpdate) ([]Env, error) {
	r := newRequest("PATCH", "/applications/{uuid}/envs/bulk", a.id)
	r.secret = true
	rows := make([]wireEnvUpdate, 0, len(updates))
	for _, u := range updates {
		if !utf8.ValidString(u.Value.Reveal()) {
			return nil, a.c.conn.server.Refuse(r.op, r.op.Path, ErrInvalid, errUTF8)
		}
		rows = append(rows, wireEnvUpdate{
			Key: u.Key, Value: u.Value.Reveal(), Preview: u.Preview, Literal: u.Literal, Multiline: u.Multiline,
			ShownOnce: u.ShownOnce, BuildTime: u.BuildTime, Runtime: u.Runtime, Comment: u.Comment,
		})
	}
	r.body = map[string]any{"data": rows}
	w := wireEnvs{asked: len(rows)}
	if err := a.c.do(ctx, r, &w); err != nil {
		return nil, err
	}
	return envs(w.list), nil
}

type wireEnvs struct {
	list[wireEnv]
	asked int
}

// check refuses an answer in which a row is missing.
func (w *wireEnvs) check([]UUID) error {
	if len(w.list) != w.asked {
		return errAnswer
	}
	return nil
}

// DeleteEnv deletes an environment variable of an application. A variable of another
// application is [ErrNotFound].
//
//api:op DELETE /applications/{uuid}/envs/{env_uuid}
func (a AppClient) DeleteEnv(ctx context.Context, env UUID) error {
	return a.c.do(ctx, newRequest("DELETE", "/applications/{uuid}/envs/{env_uuid}", a.id, env), &acknowledged{})
}
