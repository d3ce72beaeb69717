package coolify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// An envelope is the body of a refusal by Coolify.
type envelope struct {
	Message *text    `json:"message"` // nil = the answer is not from Coolify
	Docs    *text    `json:"docs"`    // set if the route does not exist
	Error   text     `json:"error"`
	Errors  problems `json:"errors"`
}

func readEnvelope(body []byte) envelope {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return envelope{}
	}
	return e
}

// String returns all messages in the body, or "".
func (e envelope) String() string {
	if e.Message == nil {
		return ""
	}
	said := []string{string(*e.Message)}
	if e.Error != "" {
		said = append(said, string(e.Error))
	}
	return strings.Join(append(said, e.Errors...), "; ")
}

// problems are the details of a 422. Coolify sends them in four shapes: an object of
// lists, an object of strings, a list of sentences, or a list of field names.
type problems []string

// UnmarshalJSON accepts any JSON.
func (p *problems) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	p.add("", v)
	return nil
}

func (p *problems) add(prefix string, v any) {
	switch v := v.(type) {
	case string:
		*p = append(*p, prefix+v)
	case []any:
		for _, e := range v {
			p.add(prefix, e)
		}
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(v)) {
			p.add(field+": ", v[field])
		}
	}
}
