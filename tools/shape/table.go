package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const head = "| package | lines | share % | exported | documented % | comments % " +
	"| file lines | function lines | widest interface |\n" +
	"|---|---|---|---|---|---|---|---|---|\n"

// table writes a row for each package and one for all. Sizes are median / 90th
// percentile / largest.
func table(shapes []*shape) string {
	all := sum(shapes)
	var b strings.Builder
	b.WriteString(head)
	for _, p := range append(slices.Clone(shapes), all) {
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s | %s | %s | %s |\n",
			p.name, p.lines, percent(p.lines, all.lines),
			p.exported, percent(p.exported-len(p.undocumented), p.exported), percent(p.comments, p.lines),
			spread(p.files), spread(p.funcs), widest(p.interfaces))
	}
	return b.String()
}

func percent(part, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100*float64(part)/float64(of))
}

func spread(items []item) string {
	if len(items) == 0 {
		return "–"
	}
	return fmt.Sprintf("%d / %d / %d", percentile(items, 50), percentile(items, 90), percentile(items, 100))
}

// percentile returns the smallest size that n % of the items do not exceed; of no
// items 0.
func percentile(items []item, n int) int {
	if len(items) == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(items), bySize)
	return sorted[(n*len(sorted)+99)/100-1].size
}

func bySize(a, b item) int { return cmp.Compare(a.size, b.size) }

func widest(interfaces []item) string {
	if len(interfaces) == 0 {
		return "–"
	}
	w := slices.MaxFunc(interfaces, bySize)
	return fmt.Sprintf("%d (%s)", w.size, w.name[strings.LastIndexByte(w.name, '.')+1:])
}

// A limit is the most that a package, or a part of one, may have of something.
type limit struct {
	what string
	most int
	of   func(p, all *shape) []item
}

// limits are the goals for this code.
var limits = []limit{
	{"% of all lines", 20, share},
	{"lines of a package", 6000, lines},
	{"lines of this package", 3300, linesOfTenancy},
	{"lines of a file", 500, func(p, _ *shape) []item { return p.files }},
	{"lines of a function, 90th percentile", 40, ninetieth},
	{"methods of an interface", 25, func(p, _ *shape) []item { return p.interfaces }},
	{"exported names without a comment", 0, func(p, _ *shape) []item { return p.undocumented }},
}

// share is rounded up, so that no breach is rounded away.
func share(p, all *shape) []item { return []item{{p.name, (100*p.lines + all.lines - 1) / all.lines}} }

func lines(p, _ *shape) []item { return []item{{p.name, p.lines}} }

func linesOfTenancy(p, all *shape) []item {
	if p.name != "tenancy" {
		return nil
	}
	return lines(p, all)
}

func ninetieth(p, _ *shape) []item { return []item{{p.name, percentile(p.funcs, 90)}} }

// breaches lists what exceeds a limit.
func breaches(shapes []*shape, limits []limit) []string {
	all := sum(shapes)
	var found []string
	for _, l := range limits {
		for _, p := range shapes {
			for _, i := range l.of(p, all) {
				if i.size > l.most {
					found = append(found, fmt.Sprintf("%s: %s: %d, limit %d", i.name, l.what, i.size, l.most))
				}
			}
		}
	}
	return found
}
