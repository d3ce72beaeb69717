# Puts lines into a file, in place of those that were put there before, or with
# remove=1 takes them out. Every other byte of the file stays as it is. Exit
# status: 0 with the new text on standard output; 3 if something of the same
# name is there that is not ours; 4 if nothing is left, so that the file can go;
# 5 if the markers are not one pair.
#
# Input: part=1 the lines, with their markers; part=2 the file; nl=1 if it ends
# with a newline, which is so again afterwards. Ours are the lines from "begin"
# to "end"; without these, those that set the variables VIBN_*. toml=1 looks for
# a table of ours elsewhere. keep=1 prints the file as awk has read it.
#
# clients/edit.go does the same in Go, and a test holds the two together.
part == 1 { body[++bodies] = $0; next }
{ line[++lines] = $0 }

function emit(s) {
	print (shown++ ? "\n" : "") s
}

function emit_body(   i) {
	for (i = 1; i <= bodies; i++) emit(body[i])
}

function ours(s) {
	if (begin == "") return s ~ /^(export[ \t]+)?VIBN_(URL|WORKSPACE|API_KEY)=/
	if (s == begin) {
		if (pairs++ || inside) exit 5
		inside = 1
		return 1
	}
	if (s == end) {
		if (!inside) exit 5
		inside = 0
		return 1
	}
	return inside
}

# A line of TOML that defines what our lines define.
function taken(s) {
	return s ~ /^[ \t]*\[*[ \t]*["\047]?mcp_servers["\047]?[ \t]*\.[ \t]*["\047]?vibn["\047]?[ \t]*[].=]/ ||
		s ~ /^[ \t]*["\047]?mcp_servers["\047]?[ \t]*=/ ||
		s ~ /^[ \t]*["\047]?vibn["\047]?[ \t]*[.=]/
}

END {
	ORS = ""
	for (i = 1; i <= lines; i++) {
		s = line[i]
		sub(/\r$/, "", s)
		own[i] = !keep && ours(s)
		if (toml && !remove && !own[i] && taken(s)) exit 3
	}
	if (inside) exit 5
	for (i = 1; i <= lines; i++) {
		if (!own[i]) emit(line[i])
		else if (!remove && !done++) emit_body()
	}
	if (!remove && !keep && !done) emit_body()
	if (shown && nl) print "\n"
	if (!shown && nl) exit 4
}
