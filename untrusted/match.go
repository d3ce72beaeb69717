package untrusted

import "slices"

// A pattern is what a matcher looks for. A short skeleton alone would be found
// where no secret is, so the text is compared once more if whole is set.
type pattern struct {
	skeleton string
	whole    string // the secret in one line, without what stands around it
	alone    bool   // it must stand as a word by itself
}

// at reports whether p, whose skeleton begins at byte i of v and ends before j,
// is really there.
func (p *pattern) at(v *view, i, j int) bool {
	return (p.whole == "" || v.holds(i, p.whole)) && (!p.alone || v.alone(i, j))
}

// with returns a pattern that finds what p and q find, which have one skeleton.
func (p *pattern) with(q *pattern) pattern {
	if len(q.whole) < len(p.whole) {
		p, q = q, p
	}
	out := pattern{p.skeleton, p.whole, p.alone && q.alone}
	longer := joined(q.whole)
	if _, index := skeleton(longer.b); len(index) > 0 && !longer.holds(int(index[0]), p.whole) {
		out.whole = "" // neither is the other in quotes
	}
	return out
}

// A matcher finds many patterns at once, in a time that depends on the length
// of the text and not on the patterns (Aho and Corasick, 1975). It does not
// change once built.
type matcher struct {
	nodes    []node
	patterns []pattern
	start    [256]int    // edges of node 0, which most bytes of a text take
	edges    map[int]int // the other edges; see edge
}

// A node stands for a prefix of a pattern. Node 0 is the empty one.
type node struct {
	fail  int // the longest proper suffix of this prefix that is a prefix too
	found int // the longest suffix, itself counted, that is a skeleton; 0 = none
	is    int // if it is a skeleton: the index of its pattern, else -1
}

func edge(from int, c byte) int { return from<<8 | int(c) }

// newMatcher builds a matcher. It lays the patterns out by depth, so that the
// suffixes of a prefix, which are shorter, are there before it.
func newMatcher(patterns []pattern) *matcher {
	m := &matcher{nodes: []node{{is: -1}}, patterns: patterns, edges: map[int]int{}}
	slices.SortFunc(patterns, func(a, b pattern) int { return len(b.skeleton) - len(a.skeleton) })
	at := make([]int, len(patterns))
	for depth, left := 0, len(patterns); left > 0; depth++ {
		for left > 0 && len(patterns[left-1].skeleton) == depth {
			left--
			m.nodes[at[left]].is = left
		}
		for i := range left {
			at[i] = m.grow(at[i], patterns[i].skeleton[depth])
		}
	}
	for i := 1; i < len(m.nodes); i++ {
		n := &m.nodes[i]
		n.found = m.nodes[n.fail].found
		if n.is >= 0 {
			n.found = i
		}
	}
	return m
}

// grow returns the child of a node, a new one if need be.
func (m *matcher) grow(from int, c byte) int {
	if to := m.child(from, c); to != 0 {
		return to
	}
	n := node{is: -1}
	if from != 0 {
		n.fail = m.step(m.nodes[from].fail, c)
	}
	to := len(m.nodes)
	m.nodes = append(m.nodes, n)
	if from == 0 {
		m.start[c] = to
	} else {
		m.edges[edge(from, c)] = to
	}
	return to
}

func (m *matcher) child(from int, c byte) int {
	if from == 0 {
		return m.start[c]
	}
	return m.edges[edge(from, c)]
}

// step returns the node after state when c is read.
func (m *matcher) step(state int, c byte) int {
	for {
		if to := m.child(state, c); to != 0 || state == 0 {
			return to
		}
		state = m.nodes[state].fail
	}
}

// find appends to hits where in the text the view shows a pattern.
func (m *matcher) find(v *view, kept []byte, index []int32, hits []span) []span {
	state := 0
	for k, c := range kept {
		state = m.step(state, c)
		for found := m.nodes[state].found; found != 0; found = m.nodes[m.nodes[found].fail].found {
			p := &m.patterns[m.nodes[found].is]
			i, j := int(index[k+1-len(p.skeleton)]), int(index[k])+1
			if p.at(v, i, j) {
				hits = hit(hits, span{v.at[i].from, v.at[j-1].to})
				break // the others are shorter
			}
		}
	}
	return hits
}

// hit appends s to hits, or stretches the last one if they touch: a text full of
// matches has few.
func hit(hits []span, s span) []span {
	if len(hits) == 0 {
		return append(hits, s)
	}
	last := &hits[len(hits)-1]
	if s.from > last.to || s.to < last.from {
		return append(hits, s)
	}
	last.from, last.to = min(last.from, s.from), max(last.to, s.to)
	return hits
}
