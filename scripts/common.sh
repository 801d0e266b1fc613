# Shared by the scripts beside it: where things are kept, how steps report, how runs take turns.
# shellcheck shell=bash

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(dirname "$SCRIPTS")
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/iscsi-init

# The Debian release of the lab: of its tools, and of what its machines boot.
SUITE=trixie

# The supported kernels, the default first: series, the suite that has it, the suite that the build root for it is made of,
# and the compiler that Debian builds it with.
KERNELS=(
	'7.3 trixie-backports trixie gcc-14'
	'7.2 sid sid gcc-16'
)

# Debian leaves these out of a user's path.
PATH=$PATH:/usr/sbin:/sbin

# Runs a command as root of namespaces of its own. Every process of it ends with it, and it with this one. Without root
# this takes a user namespace, in which root is whoever calls, and others have the caller's subordinate ids.
AS_ROOT=(setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child)
[ "$(id -u)" -eq 0 ] || AS_ROOT+=(--user --map-root-user --map-auto)

LOGS=$CACHE/log
mkdir -p "$LOGS"

die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# choose_kernel: sets SERIES, KERNEL_SUITE, ROOT_SUITE and GCC to what KERNELS has for the series KERNEL, or for the default.
choose_kernel() {
	local kernel
	for kernel in "${KERNELS[@]}"; do
		read -r SERIES KERNEL_SUITE ROOT_SUITE GCC <<<"$kernel"
		[ "$SERIES" != "${KERNEL:-$SERIES}" ] || return 0
	done
	die "KERNEL=$KERNEL is no supported series" "those are: ${KERNELS[*]%% *}"
}
choose_kernel

say() {
	# A live line may stand on the terminal: overwrite it.
	if [ -t 2 ]; then
		printf '\r\e[K%s\n' "$*" >&2
	else
		printf '%s\n' "$*" >&2
	fi
}

# last_line LOG: the last line a program has written so far, progress bars included.
last_line() {
	tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | sed '/^[[:space:]]*$/d' | tail -n 1
}

# watch_log LOG TITLE: shows how a step is getting on, until killed. A terminal gets one line that is redrawn
# each second, anything else a line every 15 s.
watch_log() {
	local started=$SECONDS width line
	while sleep 1; do
		line="$2, $((SECONDS - started)) s: $(last_line "$1")"
		if [ -t 2 ]; then
			width=$(tput cols 2>/dev/null || echo 80)
			printf '\r\e[K%s' "${line:0:width-1}" >&2
		elif [ $(((SECONDS - started) % 15)) -eq 0 ]; then
			printf '    %s\n' "$line" >&2
		fi
	done
}

# step NAME TITLE CMD...: runs CMD with its output in the log NAME; says when it starts and ends, and shows the end
# of the log when it fails, and HINT, what to check then. QUIET_STEPS=1 leaves out what comes in between, for steps that run
# beside others.
step() {
	local log=$LOGS/$1.log title=$2 started=$SECONDS watcher='' status
	shift 2
	say "$title ..."
	: >"$log"
	if [ -z "${QUIET_STEPS:-}" ]; then
		watch_log "$log" "$title" 9>&- &
		watcher=$!
	fi
	# In a subshell of its own, so that the first command to fail ends a function given as CMD.
	set +e
	(
		set -e
		"$@"
	) >>"$log" 2>&1
	status=$?
	set -e
	if [ -n "$watcher" ]; then
		kill "$watcher" 2>/dev/null || true
		wait "$watcher" 2>/dev/null || true
	fi
	if [ $status -ne 0 ]; then
		say "$title: failed after $((SECONDS - started)) s, the last lines of $log:"
		tail -n 20 "$log" | sed 's/^/    /' >&2
		[ -z "${HINT:-}" ] || say "$HINT"
		return $status
	fi
	say "$title: $((SECONDS - started)) s"
}

# take_turns NAME: holds the lock NAME until this process and what it started are gone.
take_turns() {
	exec 9>"$CACHE/$1.lock"
	flock -n 9 && return
	say "waiting for another run that holds $CACHE/$1.lock ..."
	flock 9
}

# The mirror: DEBIAN_MIRROR, else the one the host itself installs from.
debian_mirror() {
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		printf '%s\n' "${DEBIAN_MIRROR%/}"
		return
	fi
	# Asking apt takes most of a second.
	if [ ! -s "$CACHE/mirror" ] || [ -n "$(find /etc/apt -name '*sources*' -newer "$CACHE/mirror")" ]; then
		host_mirror >"$CACHE/mirror"
	fi
	cat "$CACHE/mirror"
}

# apt_source SUITE [OPTION]: the mirror's suite as a line of apt's sources.list.
apt_source() {
	local options=${2:-}
	# Signed lists of unstable are valid for a week. Mirrors may lag behind by more, though they have all of stable.
	[ "$1" != sid ] || options+="${options:+ }valid-until-min=$((90 * 86400))"
	printf 'deb %s%s %s main\n' "${options:+[$options] }" "$(debian_mirror)" "$1"
}

host_mirror() {
	local site
	# The origin is known only once the host has run apt-get update; until then the path has to tell.
	# shellcheck disable=SC2016
	site=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(ORIGIN)' 'Identifier: Packages' |
		awk '$2 ~ /security/ { next }
			$3 == "Debian" || (NF < 3 && $1 ~ /\/debian\/?$/) || $1 ~ /^mirror\+file:/ { print $1; exit }')
	# Cloud images name a file with a list of mirrors.
	if [[ $site == mirror+file:* ]]; then
		site=$(awk '/^https?:/ { print $1; exit }' "$(sed -E 's,^mirror\+file:/*,/,' <<<"$site")")
	fi
	case $site in
	http://* | https://*) printf '%s\n' "${site%/}" ;;
	*) die "no Debian mirror found in this machine's apt sources" \
		"give one: DEBIAN_MIRROR=http://.../debian make" ;;
	esac
}

# The archive's public keys, as the host's debian-archive-keyring has them.
debian_keyring() {
	local file
	for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		if [ -e "$file" ]; then
			printf '%s\n' "$file"
			return
		fi
	done
	die "no Debian archive keys in /usr/share/keyrings: install debian-archive-keyring"
}

# The host's apt may know a proxy that the environment does not.
use_host_proxy() {
	local proxy=''
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	if [ -z "${http_proxy:-}" ] && [ -n "$proxy" ]; then
		export http_proxy=$proxy
	fi
}
