package documenttest

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// An Exchange is a request and its answer.
type Exchange struct {
	Method string
	Target string // below the API's base, with the query
	Body   string // "" = none

	Status int
	Header http.Header // of the answer
	Answer string
}

// Problems returns the ways in which an exchange is not as published: "no
// operation", "no status 418", "request: reason", and of the answer's body
// "/place: reason". A request that the server refused may be a bad one.
func (d *Document) Problems(tb testing.TB, e Exchange) []string {
	tb.Helper()
	in, err := d.input(d.NewRequest(tb, e.Method, e.Target, e.Body))
	if err != nil {
		return []string{"no operation"}
	}
	in.Options.MultiError, in.Options.IncludeResponseStatus = true, true
	var out []string
	if err := openapi3filter.ValidateRequest(tb.Context(), in); err != nil && e.Status < http.StatusBadRequest {
		out = append(out, "request: "+err.Error())
	}
	if in.Route.Operation.Responses.Status(e.Status) == nil {
		return append(out, "no status "+strconv.Itoa(e.Status))
	}
	if d.AnyFailure && e.Status >= http.StatusBadRequest {
		return out
	}
	err = openapi3filter.ValidateResponse(tb.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Options: in.Options,
		Status: e.Status, Header: e.Header, Body: io.NopCloser(strings.NewReader(e.Answer)),
	})
	return append(out, flatten(err)...)
}

// flatten lists the schema errors in err as "/place: reason".
func flatten(err error) []string {
	var multi openapi3.MultiError
	if schema, ok := errors.AsType[*openapi3.SchemaError](err); ok && !errors.As(err, &multi) {
		place := ""
		if at := schema.JSONPointer(); len(at) > 0 {
			place = "/" + strings.Join(at, "/")
		}
		return []string{place + ": " + schema.Reason}
	}
	if errors.As(err, &multi) {
		var out []string
		for _, e := range multi {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Allowances are where a real server is not as its published document says, and
// why. Operation and Problem are patterns.
type Allowances []struct{ Operation, Problem, Why string }

// A Judge holds exchanges against a document, but for what it allows.
type Judge struct {
	document *Document
	allowed  Allowances
	needed   []bool
}

// NewJudge returns a judge that allows no more than is in allowed.
func NewJudge(d *Document, allowed Allowances) *Judge {
	return &Judge{document: d, allowed: allowed, needed: make([]bool, len(allowed))}
}

// Check fails the test if an exchange of that operation has a problem that is not
// allowed.
func (j *Judge) Check(tb testing.TB, operation string, e Exchange) {
	tb.Helper()
	for _, problem := range j.document.Problems(tb, e) {
		if !j.allows(operation, problem) {
			tb.Errorf("%s: %s %s %s = %d: %s", operation, e.Method, e.Target, e.Body, e.Status, problem)
		}
	}
}

func (j *Judge) allows(operation, problem string) bool {
	for i, a := range j.allowed {
		if matches(a.Operation, operation) && matches(a.Problem, problem) {
			j.needed[i] = true
			return true
		}
	}
	return false
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// CheckNeeded fails the test for each allowance that no exchange needed so far.
func (j *Judge) CheckNeeded(tb testing.TB) {
	tb.Helper()
	for i, a := range j.allowed {
		if !j.needed[i] {
			tb.Errorf("nothing needs the allowance %s %s (%s)", a.Operation, a.Problem, a.Why)
		}
	}
}
