# Puts the member "vibn" into the object that a JSON file has under the name in
# "container", or with remove=1 takes it out. Every other byte of the file stays
# as it is, comments and commas at the end of a list too. Exit status: 0 with the
# new text on standard output; 3 if the file is not JSON that this can be done
# to; 4 if nothing is left, so that the file can go.
#
# Input: part=1 the value of "vibn"; part=2 the file; nl=1 if the file ends with
# a newline. keep=1 prints the file as awk has read it.
#
# clients/edit.go does the same in Go, and a test holds the two together. How a
# new member is set apart tells, when it is taken out, what was there before.
part == 1 { entry = entry (parts++ ? "\n" : "") $0; next }
{ text = text (lines++ ? "\n" : "") $0 }

function bad() { exit 3 }

# Steps over white space and comments, and returns the next character.
function skip(   c, q) {
	for (;;) {
		c = substr(text, p, 1)
		if (c == " " || c == "\t" || c == "\n" || c == "\r") { p++; continue }
		if (c != "/") return c
		c = substr(text, p + 1, 1)
		q = index(substr(text, p + 2), c == "*" ? "*/" : "\n")
		if (c == "*" && q) p += q + 3
		else if (c == "/") p = q ? p + q + 2 : size + 1
		else bad()
	}
}

# Steps over a string and returns what is between its quotes.
function str(   from, c) {
	from = ++p
	for (; p <= size; p++) {
		c = substr(text, p, 1)
		if (c == "\\") p++
		else if (c == "\"") return substr(text, from, p++ - from)
		else if (c == "\n") bad()
	}
	bad()
}

function value(   c) {
	c = substr(text, p, 1)
	if (c == "{") object(0)
	else if (c == "[") array()
	else if (c == "\"") str()
	else {
		if (c !~ /[-0-9a-zA-Z]/) bad()
		while (substr(text, p, 1) ~ /[-+.0-9a-zA-Z]/) p++
	}
}

function array(   c, more) {
	p++
	for (more = 1; skip() != "]"; ) {
		if (!more) bad()
		value()
		more = 0
		if (skip() == ",") { more = 1; p++ }
	}
	p++
}

# Steps over an object. Of the root (role 1) and the container (role 2) it
# notes where they open, how many members they have, and of the one that is
# looked for where it starts, its value starts and ends, what follows what is
# before it, and the commas around it.
function object(role,   c, key, start, from, last, comma, n) {
	last = ++p
	if (role) opens[role] = p
	for (comma = 0; (c = skip()) != "}"; n++) {
		if (c != "\"" || (n && !comma)) bad()
		start = p
		key = str()
		if (role && index(key, "\\u")) bad()
		if (skip() != ":") bad()
		p++
		c = skip()
		from = p
		if (role && key == (role == 1 ? container : "vibn")) {
			if (found[role]++ || (role == 1 && c != "{")) bad()
			if (role == 1) object(2)
			else value()
			starts[role] = start; from_[role] = from; ends[role] = p
			after[role] = last; before[role] = comma; next_[role] = 0
			c = skip()
			if (c == ",") next_[role] = p
		} else {
			value()
			c = skip()
		}
		comma = 0
		if (c == ",") { comma = p++; last = p }
		else if (c != "}") bad()
	}
	p++
	if (role) { count[role] = n + 0; closes[role] = p - 1 }
}

# The white space before a member, as far as nothing else is there.
function lead(role,   s) {
	s = substr(text, after[role], starts[role] - after[role])
	return s ~ /[^ \t\r\n]/ ? "" : s
}

# The text without a member.
function cut(role,   start) {
	start = starts[role] - length(lead(role))
	if (next_[role])
		return substr(text, 1, start - 1) substr(text, ends[role], next_[role] - ends[role]) substr(text, next_[role] + 1)
	if (before[role])
		return substr(text, 1, before[role] - 1) substr(text, before[role] + 1, start - before[role] - 1) substr(text, ends[role])
	return substr(text, 1, start - 1) substr(text, ends[role])
}

function take_out(   rest) {
	if (!found[2]) return text
	rest = substr(text, ends[2], closes[2] - ends[2])
	if (count[2] > 1 || lead(2) != "\n    " || rest != "\n  ") return cut(2)
	rest = substr(text, ends[1])
	if (opens[1] == 2 && count[1] == 1 && lead(1) == "\n  ") {
		if (rest == "\n}\n") exit 4
		if (rest == "\n}") return ""
	}
	return cut(1)
}

function put(at, role, space, member) {
	member = count[role] ? space member "," : " " member
	return substr(text, 1, at - 1) member substr(text, at)
}

END {
	ORS = ""
	member = "\"vibn\": " entry
	whole = "\"" container "\": {\n    " member "\n  }"
	if (!lines) {
		if (!remove && !keep) print "{\n  " whole "\n}" (nl ? "\n" : "")
		exit 0
	}
	if (nl) text = text "\n"
	if (keep) { print text; exit 0 }
	size = length(text)
	p = substr(text, 1, 3) == "\357\273\277" ? 4 : 1
	if (skip() != "{") bad()
	object(1)
	if (skip() != "") bad()
	if (remove) print take_out()
	else if (found[2]) print substr(text, 1, from_[2] - 1) entry substr(text, ends[2])
	else if (found[1]) print put(opens[2], 2, "\n    ", member)
	else print put(opens[1], 1, "\n  ", whole)
}
