package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// An object is a JSON object that keeps its fields in the order of the answer, which
// starts with the most important ones.
type object []field

type field struct {
	name  string
	value any // nil, bool, json.Number, string, []any or object
}

func (o object) get(name string) any {
	for _, f := range o {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// decode reads the next JSON value.
func decode(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	case json.Delim('{'):
		o := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(dec)
			if err != nil {
				return nil, err
			}
			o = append(o, field{fmt.Sprint(name), v})
		}
		_, err := dec.Token()
		return o, err
	}
	return token, nil
}

// showAnswer prints an answer as JSON, or as words and tables for people.
func (p *program) showAnswer(raw json.RawMessage) error {
	if p.wantsJSON() {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, raw, "", "  "); err != nil {
			return err
		}
		return p.printf("%s\n", pretty.String())
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := decode(dec)
	answer, ok := v.(object)
	if err != nil || !ok {
		return errors.New("the answer is not a JSON object")
	}
	return p.showFields("", answer)
}

// showFields prints the fields of an object. It prints a list of objects as a table,
// multi-line text as lines, an object with its own fields below, and anything else on one
// line.
func (p *program) showFields(indent string, o object) error {
	for _, f := range o {
		if f.name == "truncated" && f.value == false {
			continue // false is the usual case
		}
		if err := p.showField(indent, f); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) showField(indent string, f field) error {
	title := strings.ReplaceAll(untrusted.Clean(f.name), "_", " ")
	switch v := f.value.(type) {
	case object:
		if err := p.printf("%s%s:\n", indent, title); err != nil {
			return err
		}
		return p.showFields(indent+"  ", v)
	case []any:
		if len(v) > 0 {
			if _, ok := v[0].(object); ok {
				return p.showTable(v)
			}
		}
	case string:
		if !strings.Contains(v, "\n") {
			break
		}
		for _, line := range untrusted.CleanLines(v) {
			if err := p.printf("%s%s\n", indent, line); err != nil {
				return err
			}
		}
		return nil
	}
	return p.printf("%s%s: %s\n", indent, title, cell(f.value))
}

// showTable prints objects as rows, with a column for each field that any of them has.
func (p *program) showTable(list []any) error {
	var columns []string
	for _, item := range list {
		row, _ := item.(object)
		for _, f := range row {
			if !slices.Contains(columns, f.name) {
				columns = append(columns, f.name)
			}
		}
	}
	titles := make([]string, len(columns))
	for i, name := range columns {
		titles[i] = strings.ToUpper(strings.ReplaceAll(untrusted.Clean(name), "_", " "))
	}
	var rows [][]string
	for _, item := range list {
		row, _ := item.(object)
		cells := make([]string, len(columns))
		for i, name := range columns {
			cells[i] = cell(row.get(name))
		}
		rows = append(rows, cells)
	}
	return p.show(nil, titles, rows)
}

// cell returns a value as text for a line or a table, cleaned.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return untrusted.Clean(v)
	case []any:
		parts := make([]string, 0, len(v))
		for _, item := range v {
			parts = append(parts, cell(item))
		}
		if len(parts) == 0 {
			return "none"
		}
		return strings.Join(parts, ", ")
	case object:
		parts := make([]string, 0, len(v))
		for _, f := range v {
			parts = append(parts, untrusted.Clean(f.name)+" "+cell(f.value))
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
