package places_test

import (
	"fmt"
	"testing"

	"github.com/vibnai/vibn-mcp/internal/places"
)

var (
	leaked = places.Caller{Name: "key:leaked"}
	other  = places.Caller{Name: "key:other"}
	person = places.Caller{Name: "member:owner", Reserved: true}
)

// count says how often try succeeds in a hundred times.
func count(try func() bool) (n int) {
	for range 100 {
		if try() {
			n++
		}
	}
	return n
}

// TestPlaces: one key has a part of the places, all keys together leave some, and what is
// left is enough for people.
func TestPlaces(t *testing.T) {
	p := places.New(places.Rules{Places: 24, PerMinute: 1, Burst: 1})
	var leaves []func()
	enter := func(c places.Caller) func() bool {
		return func() bool {
			leave, ok := p.Enter(c)
			if ok {
				leaves = append(leaves, leave)
			}
			return ok
		}
	}
	for _, x := range []struct {
		c    places.Caller
		want int
	}{{leaked, 12}, {other, 8}, {places.Caller{Name: "key:third"}, 0}, {person, 4}} {
		if got := count(enter(x.c)); got != x.want {
			t.Errorf("%s has %d places, want %d", x.c.Name, got, x.want)
		}
	}
	for _, leave := range leaves {
		leave()
	}
	if got := count(enter(leaked)); got != 12 {
		t.Errorf("%d places when all are free again, want 12", got)
	}
}

// TestRates: one key uses up a part of the calls, and none of the people's.
func TestRates(t *testing.T) {
	p := places.New(places.Rules{Places: 1, PerMinute: 1, Burst: 40})
	admit := func(c places.Caller) func() bool { return func() bool { return p.Admit(c) } }
	for _, x := range []struct {
		c    places.Caller
		want int
	}{{leaked, 30}, {other, 10}, {person, 30}} {
		if got := count(admit(x.c)); got != x.want {
			t.Errorf("%s has %d calls, want %d", x.c.Name, got, x.want)
		}
	}
	if p.Idle() {
		t.Error("places whose rates are used up are idle")
	}
}

// TestBodies: bodies take no places, and one caller sends few at the same time.
func TestBodies(t *testing.T) {
	p := places.New(places.Rules{Places: 24, PerMinute: 1, Burst: 1})
	var done func()
	if got := count(func() bool {
		d, ok := p.Read(leaked)
		if ok {
			done = d
		}
		return ok
	}); got != 24 {
		t.Errorf("%d bodies at the same time, want 24", got)
	}
	if _, ok := p.Enter(leaked); !ok {
		t.Error("bodies take places")
	}
	if _, ok := p.Read(other); !ok {
		t.Error("bodies of one key keep another from sending")
	}
	done()
	if _, ok := p.Read(leaked); !ok {
		t.Error("a body that was read still counts")
	}
}

// TestPartsAreDropped: callers that come once leave nothing behind.
func TestPartsAreDropped(t *testing.T) {
	p := places.New(places.Rules{Places: 24, PerMinute: 1, Burst: 1})
	for i := range 10_000 {
		leave, ok := p.Enter(places.Caller{Name: fmt.Sprint(i)})
		if !ok {
			t.Fatal("a place that was given back is not free")
		}
		leave()
	}
	if !p.Idle() {
		t.Error("the places are not idle")
	}
	if n := p.Parts(); n > 64 {
		t.Errorf("%d parts are kept", n)
	}
}
