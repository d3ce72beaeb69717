say() { printf '%s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }

usage() {
	say "usage: sh bootstrap.sh [--client NAME|all] [--dry-run] [--uninstall]

Connects the editors and agents of this folder to a workspace of vibn.

  --client NAME  set up this one too; may be repeated. Without it those that are
                 used here. The names: $all
  --dry-run      show what would change, and change nothing
  --uninstall    take out what was put in; with --client, of these only

From a pipe: ... | sh -s -- --dry-run"
}

misused() {
	say "error: $1"
	usage
	exit 2
}

main() {
	# zsh reads words and options as a POSIX shell does only when told to.
	if [ -n "${ZSH_VERSION-}" ]; then emulate sh; fi
	set -euf
	LC_ALL=C
	export LC_ALL
	IFS=' 	
'
	unset vibn_key entry body tmp # so that none of them is exported
	data
	newline='
'
	wanted='' dry='' remove='' tmp='' scratch='' changes=0 lefts=0
	while [ $# -gt 0 ]; do
		case $1 in
		--client)
			[ $# -gt 1 ] || misused '--client wants a name'
			want "$2"
			shift
			;;
		--client=*) want "${1#--client=}" ;;
		--dry-run) dry=1 ;;
		--uninstall) remove=1 ;;
		-h | --help)
			usage
			exit 0
			;;
		*) misused "there is no such option: $1" ;;
		esac
		shift
	done
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' HUP TERM
	[ -n "$vibn_key" ] || ask_key
	# The rest of a script that comes through a pipe is nobody's input.
	exec </dev/null
	if [ -n "$remove" ]; then uninstall; else install; fi
	if [ -n "$dry" ]; then
		say "This was a dry run: nothing was changed."
	elif [ "$changes" -eq 0 ]; then
		say 'Nothing had to be changed.'
	elif [ -z "$remove" ]; then
		say "This folder is connected to the workspace $slug. Restart the editor, then ask its agent: what runs in my workspace?"
	fi
	[ "$lefts" -eq 0 ] || exit 1
	exit 0
}

# Takes the names of one --client.
want() {
	names=$1
	while [ -n "$names" ]; do
		name=${names%%,*}
		case $names in
		*,*) names=${names#*,} ;;
		*) names='' ;;
		esac
		if [ "$name" = all ]; then
			wanted=$all
		elif is_one "$name" "$all"; then
			wanted="$wanted $name"
		else
			misused "there is no client \"$name\""
		fi
	done
}

is_one() {
	case " $2 " in
	*" $1 "*) [ -n "$1" ] ;;
	*) return 1 ;;
	esac
}

cleanup() {
	if [ -n "$tmp" ]; then rm -f -- "$tmp"; fi
	if [ -n "$scratch" ]; then rm -rf -- "$scratch"; fi
}

ask_key() {
	if ! (: </dev/tty) 2>/dev/null; then
		say 'error: there is no terminal to ask for the key'
		exit 1
	fi
	modes=$(stty -g </dev/tty)
	trap 'stty "$modes" </dev/tty; exit 130' HUP INT TERM
	stty -echo </dev/tty
	printf 'Key of the workspace %s (it is not shown): ' "$slug" >/dev/tty
	IFS= read -r vibn_key </dev/tty || vibn_key=''
	stty "$modes" </dev/tty
	trap 'exit 130' INT
	trap 'exit 143' HUP TERM
	printf '\n' >/dev/tty
	case $vibn_key in
	vibn_sk_*[!0-9A-Za-z_]* | vibn_sk_*_*) vibn_key='' ;;
	vibn_sk_*) ;;
	*) vibn_key='' ;;
	esac
	if [ "${#vibn_key}" -ne "$key_length" ]; then
		say 'error: that is not a key of vibn: one begins with vibn_sk_'
		exit 1
	fi
}

install() {
	sweep
	select_clients
	ignore
	head='' toml=''
	begin='' end='' body=$variables
	hold . .env.local .env.local make_lines ''
	for name in $selected; do
		client "$name"
		configure hold
	done
	markdown
	install_git
}

uninstall() {
	selected=${wanted:-$all}
	for name in $selected; do
		client "$name"
		if [ -n "$wanted" ] || ! in_home || is_ours; then configure place; fi
	done
	[ -z "$wanted" ] || return 0
	markdown
	uninstall_git
	head='' toml=''
	begin='' end='' body=$variables
	place . .env.local .env.local make_lines secret ''
	# The lines stay as long as a file may hold the key.
	selected=''
	if [ "$lefts" -eq 0 ]; then ignore; fi
	sweep
}

# The clients that are set up always, those that were asked for, and without
# these those that are used here.
select_clients() {
	selected=''
	for name in $all; do
		client "$name"
		if [ -n "$always" ] || is_one "$name" "$wanted" || { [ -z "$wanted" ] && is_used; }; then
			selected="$selected $name"
		fi
	done
}

is_used() {
	for program in $programs; do
		if have "$program"; then return 0; fi
	done
	for folder in $folders; do
		case $folder in
		"~/"*) folder=${HOME:-/nonexistent}/${folder#??} ;;
		*) folder=./$folder ;;
		esac
		if [ -d "$folder" ]; then return 0; fi
	done
	return 1
}

in_home() {
	case $file in
	"~/"*) return 0 ;;
	*) return 1 ;;
	esac
}

# Sets up the client that "client" told of, with hold or place.
configure() {
	top=. rest=$file
	if in_home; then
		if [ -z "${HOME-}" ]; then
			shown=$file why='HOME is not set'
			left "$paste"
			return 0
		fi
		top=$HOME rest=${file#??}
	fi
	maker=make_json
	if [ -z "$container" ]; then
		head='' toml=1 begin=$hash_begin end=$hash_end
		body=$begin$newline$entry$newline$end
		maker=make_lines
	fi
	if [ "$1" = hold ]; then
		hold "$top" "$rest" "$file" "$maker" "$paste"
	else
		place "$top" "$rest" "$file" "$maker" secret ''
	fi
}

# Whether a file in the home directory is what this script has written: another
# folder may be connected to another workspace.
is_ours() {
	[ -n "${HOME-}" ] && target=$HOME/${file#??} && [ -f "$target" ] || return 1
	remove='' secret=secret
	if make_json 2>/dev/null | cmp -s - "$target"; then ours=0; else ours=1; fi
	remove=1
	return "$ours"
}

# The prompt: as a rule of Cursor's, and for everybody else.
markdown() {
	toml='' begin=$markdown_begin end=$markdown_end body=$rules
	head=$rules_head
	place . .cursor/rules/vibn.mdc .cursor/rules/vibn.mdc make_lines open ''
	head=''
	place . AGENTS.md AGENTS.md make_lines open ''
}

# Has git ignore the files that hold the key, and those that are being written.
# A file that an earlier run has listed stays listed.
ignore() {
	head='' toml='' begin=$hash_begin end=$hash_end body=$begin
	hide=$(needed)
	for file in $held; do
		if is_one "$file" "$hide" || listed "$file"; then body=$body$newline/$file; fi
	done
	body=$body$newline.vibn-tmp-\*$newline$end
	place . .gitignore .gitignore make_lines open ''
}

needed() {
	printf '%s' .env.local
	for name in $selected; do
		client "$name"
		printf ' %s' "$file"
	done
}

listed() {
	[ -f .gitignore ] || return 1
	tr -d '\r' <.gitignore | sed -n "/^$hash_begin\$/,/^$hash_end\$/p" | grep -Fqx -e "/$1"
}

# Removes what a run that was killed has left half written.
sweep() {
	[ -z "$dry" ] || return 0
	for folder in . .git .cursor .cursor/rules .vscode .codex .gemini .zed "${HOME:-.}/.codeium/windsurf"; do
		set +f
		for rest in "$folder"/.vibn-tmp-*; do
			set -f
			if [ -f "$rest" ] && ! kill -0 "${rest##*-}" 2>/dev/null; then rm -f -- "$rest"; fi
		done
		set -f
	done
}

# hold TOP FILE SHOWN MAKER PASTE writes a file that holds the key, if git neither
# tracks it nor would add it.
hold() {
	shown=$3
	if may_hold "$1" "$2"; then
		place "$1" "$2" "$3" "$4" secret "$5"
	else
		left "$5"
	fi
}

may_hold() {
	if ! have git; then
		! under_git "$1" || { why='it would hold the key, and without git vibn-mcp cannot check whether git tracks it' && return 1; }
		return 0
	fi
	if ! inside=$(git -C "$1" rev-parse --is-inside-work-tree 2>/dev/null); then
		! under_git "$1" || { why='it would hold the key, and git cannot read this repository: "git status" says why' && return 1; }
		return 0
	fi
	[ "$inside" = true ] || return 0
	if git -C "$1" ls-files --error-unmatch -- "$2" >/dev/null 2>&1; then
		why="it would hold the key, and git tracks it: \"git rm --cached $2\" ends that"
		return 1
	fi
	if ! { [ -n "$dry" ] && [ "$1" = . ]; } && ! git -C "$1" check-ignore -q -- "$2"; then
		why='it would hold the key, and git does not ignore it'
		return 1
	fi
}

# Whether a folder or one above it has a .git.
under_git() {
	above=$(cd -- "$1" && pwd -P && echo .) || return 1
	above=${above%??}
	while [ ! -e "$above/.git" ]; do
		[ -n "$above" ] || return 1
		above=${above%/*}
	done
}

# place TOP FILE SHOWN MAKER secret|open PASTE makes a file what the maker prints.
# The file is the old one or the new one at every moment.
place() {
	target=$1/$2 rest=$2 shown=$3 maker=$4 secret=$5 result=0 why=''
	if ! reachable "$1" "$2"; then
		refuse "$6"
		return 0
	fi
	"$maker" >/dev/null || result=$?
	case $result in
	0) ;;
	4)
		discard "$1"
		return 0
		;;
	5) why='its lines "vibn: begin" and "vibn: end" are not exactly one pair' ;;
	*) why=${why:-'it has its own "vibn" entry, or is not valid'} ;;
	esac
	if [ "$result" -ne 0 ]; then
		refuse "$6"
	elif [ -e "$target" ] && "$maker" | cmp -s - "$target"; then
		if [ "$secret$dry$remove" = secret ]; then chmod 600 "$target" 2>/dev/null || :; fi
	elif [ -n "$dry" ]; then
		changes=$((changes + 1))
		say "would write $shown"
		difference "$maker"
	elif store; then
		changes=$((changes + 1))
		say "wrote $shown"
	else
		if [ -n "$tmp" ]; then rm -f -- "$tmp"; fi
		tmp='' why='it cannot be written'
		left "$6"
	fi
}

# Links are not followed: in a folder that somebody else made they may lead
# anywhere, and to replace one is not what its owner wants.
reachable() {
	at=$1 deeper=$2
	while :; do
		at=$at/${deeper%%/*}
		if [ -h "$at" ]; then
			why='it is a symbolic link, or in a folder that is one'
			return 1
		fi
		case $deeper in
		*/*) deeper=${deeper#*/} ;;
		*) break ;;
		esac
		if [ -e "$at" ] && [ ! -d "$at" ]; then
			why='its parent is not a folder'
			return 1
		fi
	done
	if [ -e "$at" ] && { [ ! -f "$at" ] || [ ! -r "$at" ]; }; then
		why='it is not a file, or cannot be read'
		return 1
	fi
}

store() {
	[ ! -e "$target" ] || [ -w "$target" ] || return 1
	mkdir -p "${target%/*}" 2>/dev/null || return 1
	tmp=${target%/*}/.vibn-tmp-$$
	if [ "$secret" = secret ]; then
		(umask 077 && set -C && : >"$tmp") 2>/dev/null || return 1
	elif [ -e "$target" ]; then
		cp -p "$target" "$tmp" 2>/dev/null || return 1
	else
		(set -C && : >"$tmp") 2>/dev/null || return 1
	fi
	"$maker" >|"$tmp" || return 1
	"$maker" | cmp -s - "$tmp" || return 1 # a full disk is not told by every awk
	mv -f "$tmp" "$target" 2>/dev/null || return 1
	tmp=''
}

# Removes the file, and the folders that are empty without it.
discard() {
	[ -e "$target" ] || return 0
	changes=$((changes + 1))
	if [ -n "$dry" ]; then
		say "would remove $shown"
		difference :
		return 0
	fi
	if ! { [ -w "$target" ] && rm -f -- "$target" 2>/dev/null; }; then
		why='it cannot be removed'
		left ''
		return 0
	fi
	say "removed $shown"
	while :; do
		case $rest in
		*/*) rest=${rest%/*} ;;
		*) return 0 ;;
		esac
		rmdir "$1/$rest" 2>/dev/null || return 0
	done
}

# Leaves a file alone, and says so: unless it is to be taken out of a file that it
# never was in.
refuse() {
	if [ -n "$remove" ] && ! has_ours; then return 0; fi
	left "$1"
}

has_ours() {
	[ -f "$target" ] && [ -r "$target" ] || return 1
	case $(tr '\000' 0 <"$target") in
	*"$vibn_key"*) return 0 ;;
	*"$markdown_begin"* | *"$hash_begin"*) [ "$secret" = open ] ;;
	*) return 1 ;;
	esac
}

left() {
	lefts=$((lefts + 1))
	say "left $shown alone: $why"
	if [ -n "$1" ] && [ -z "$remove" ]; then
		say "Put this into it yourself; the client reads the key from where this says:"
		say "$1"
	fi
}

# Shows on standard output which lines would go and come. Of keys it shows as much
# as people need to tell them apart.
difference() {
	if [ -z "$scratch" ]; then
		(umask 077 && mkdir "${TMPDIR:-/tmp}/vibn-dry-run-$$") || return 0
		scratch=${TMPDIR:-/tmp}/vibn-dry-run-$$
	fi
	: >"$scratch/old"
	if [ -e "$target" ]; then mask <"$target" >"$scratch/old"; fi
	"$1" | mask >"$scratch/new"
	diff -u "$scratch/old" "$scratch/new" | sed -e '1,2d' -e '/^[-+]/!d' || :
}

mask() { sed 's/\(vibn_sk_[0-9A-Za-z]\{4\}\)[0-9A-Za-z]*\([0-9A-Za-z]\{4\}\)/\1...\2/g'; }

make_json() {
	if [ -e "$target" ]; then
		edit "$json_awk" fresh_json "$entry" "container=$container"
	elif [ -n "$remove" ]; then
		return 4
	else
		fresh_json
	fi
}

fresh_json() {
	give "{
  \"$container\": {
    \"vibn\": $entry
  }
}"
}

make_lines() {
	if [ ! -e "$target" ]; then
		if [ -n "$remove" ]; then return 4; fi
		fresh_lines
		return 0
	fi
	if [ -n "$remove" ] && [ -n "$head" ] && kept=$(edit_lines && echo .) && [ "$kept" = "$head$newline." ]; then
		return 4
	fi
	edit_lines
}

edit_lines() { edit "$lines_awk" fresh_lines "$body" "begin=$begin" "end=$end" "toml=$toml"; }

fresh_lines() {
	if [ -n "$head" ]; then give "$head"; fi
	give "$body"
}

# Every shell has echo built in, so that the key is in no process's arguments;
# not every one has printf. What holds the key holds no backslash.
give() {
	if [ "$secret" = secret ]; then echo "$1"; else printf '%s\n' "$1"; fi
}

# edit PROGRAM FRESH NEW [VARIABLE=VALUE ...] prints the file with NEW in it or,
# to uninstall, without it. Without awk it can only tell whether the file is
# wholly ours.
edit() {
	program=$1 fresh=$2 new=$3
	shift 3
	if ! have awk; then
		if ! "$fresh" | cmp -s - "$target"; then
			why='there is no awk, which would leave the rest of it as it is'
			return 3
		fi
		if [ -n "$remove" ]; then return 4; fi
		"$fresh"
		return 0
	fi
	ends=1
	if [ ! -s "$target" ] || [ -n "$(tail -c 1 "$target" | tr '\000' 0)" ]; then ends=0; fi
	if ! awk "$program" keep=1 "nl=$ends" part=2 "$target" | cmp -s - "$target"; then
		why='it is not text'
		return 3
	fi
	give "$new" | awk "$program" "$@" "remove=$remove" "nl=$ends" part=1 - part=2 "$target"
}

# Has git ask vibn-mcp for what opens the workspace's repositories. The settings
# are a file of their own beside git's, so that both are whole at every moment.
install_git() {
	[ -n "$git_config" ] && have vibn-mcp && find_git || return 0
	place "$git_folder" vibn-key .git/vibn-key make_key secret ''
	place "$git_folder" vibn.config .git/vibn.config make_git_config open ''
	if included; then return 0; fi
	changes=$((changes + 1))
	if [ -n "$dry" ]; then
		say 'would add vibn.config to .git/config'
	elif git config --local --add include.path vibn.config 2>/dev/null; then
		say 'wrote .git/config'
	else
		shown=.git/config why='git config cannot write it'
		left ''
	fi
}

uninstall_git() {
	have git && find_git || return 0
	if included; then
		changes=$((changes + 1))
		if [ -n "$dry" ]; then
			say 'would take vibn.config out of .git/config'
		elif git config --local --unset-all include.path '^vibn\.config$' 2>/dev/null; then
			say 'wrote .git/config'
		else
			shown=.git/config why='git config cannot write it'
			left ''
			return 0
		fi
	fi
	place "$git_folder" vibn.config .git/vibn.config make_git_config open ''
	place "$git_folder" vibn-key .git/vibn-key make_key secret ''
}

# Where git keeps what belongs to the repository, whichever work tree this is.
find_git() {
	have git && git_folder=$(git rev-parse --git-common-dir 2>/dev/null && echo .) || return 1
	git_folder=${git_folder%??}
	[ -d "$git_folder" ]
}

included() { git config --local --get-all include.path 2>/dev/null | grep -Fqx vibn.config; }

make_key() {
	if [ -n "$remove" ]; then return 4; fi
	echo "$vibn_key"
}

make_git_config() {
	if [ -n "$remove" ]; then return 4; fi
	printf '%s\n' "$git_config"
}
