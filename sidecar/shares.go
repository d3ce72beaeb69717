package sidecar

import (
	"io"
	"sync"
)

// shares divides a number of slots, or bytes, among addresses. One address gets a quarter.
// A quarter is kept for known addresses.
type shares struct {
	most int

	mu    sync.Mutex
	taken int
	by    map[string]int // by address
}

func newShares(most int) *shares { return &shares{most: most, by: map[string]int{}} }

// take takes n, and reports whether so many were free for the address.
func (s *shares) take(address string, n int, known bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.most
	if !known {
		most -= s.most / 4
	}
	if s.taken+n > most || s.by[address]+n > s.most/4 {
		return false
	}
	s.taken += n
	s.by[address] += n
	return true
}

func (s *shares) give(address string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= n
	if s.by[address] -= n; s.by[address] <= 0 {
		delete(s.by, address)
	}
}

// metered is a body whose bytes count as they arrive.
type metered struct {
	io.ReadCloser

	of      *shares
	address string
	known   bool
	n       int
}

// Read implements [io.Reader]. It fails with errHookBusy if there is no memory left.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if !m.of.take(m.address, n, m.known) {
		return 0, errHookBusy
	}
	m.n += n
	return n, err
}

// missed are the workspaces whose deliveries were refused.
type missed struct {
	mu    sync.Mutex
	slugs map[string]bool
}

// maxMissed bounds the workspaces that strangers can name; known addresses name more.
const maxMissed = 64

// add adds a workspace, and reports whether it is the first one since the last drain.
func (m *missed) add(slug string, known bool) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.slugs) >= maxMissed && !known || len(m.slugs) >= 8*maxMissed {
		return false
	}
	if m.slugs == nil {
		m.slugs, first = map[string]bool{}, true
	}
	m.slugs[slug] = true
	return first
}

// drain returns the workspaces, and forgets them.
func (m *missed) drain() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	slugs := m.slugs
	m.slugs = nil
	return slugs
}
