# Which kernel tree to build for, and with which compilers. For scripts that have read common.sh.
# shellcheck shell=bash

setting() {
	sed -n "s/^$1=//p" "$KDIR/include/config/auto.conf" | tr -d '"'
}

# use_tree: sets KDIR and KRELEASE, for the tree the caller's KDIR names, else for the stock kernel, which is made ready
# first; tree_run, the command prefix that runs programs where the tree's compilers are; and exports BIND.
use_tree() {
	local env source
	if [ -z "${KDIR:-}" ]; then
		env=$("$SCRIPTS/kernel")
		# shellcheck disable=SC1090
		. "$env"
		tree_run=("$SCRIPTS/in-root")
		return
	fi
	[ -d "$KDIR" ] || die "KDIR names no directory: $KDIR"
	KDIR=$(realpath "$KDIR")
	[ -e "$KDIR/include/config/auto.conf" ] && [ -e "$KDIR/include/config/kernel.release" ] ||
		die "$KDIR is no prepared kernel tree" "docs/building.md says how to prepare one"
	[ "$(setting CONFIG_RUST)" = y ] || die "the kernel of $KDIR is built without Rust (CONFIG_RUST)"
	[ -e "$KDIR/rust/libkernel.rmeta" ] || die "$KDIR has no rust/libkernel.rmeta: it is not prepared, or holds headers alone" \
		"docs/building.md says how to prepare a kernel's source"
	KRELEASE=$(cat "$KDIR/include/config/kernel.release")
	# An object directory needs its source too.
	source=$(realpath --quiet "$KDIR/source") || source=''
	export BIND="$KDIR${source:+ $source}"
	choose_compilers
}

# What the tree's Rust compiler left can be read by that version alone: the build root's, or else this machine's.
choose_compilers() {
	local wanted root here
	wanted=$(setting CONFIG_RUSTC_VERSION_TEXT)
	root=$("$SCRIPTS/in-root" rustc --version)
	here=$(rustc --version 2>/dev/null) || here='no rustc'
	case $wanted in
	"$root") tree_run=("$SCRIPTS/in-root") ;;
	"$here") tree_run=() ;;
	*) die "$KDIR was prepared with $wanted" "the build root has $root, this machine has $here" \
		"prepare the tree with one of these, or choose another build root: KERNEL=<series>, one of ${KERNELS[*]%% *}" ;;
	esac
}

# Arguments for tree_make, with which what compilers and objtool warn of is an error, section mismatches too.
DENY_WARNINGS=(KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror CONFIG_OBJTOOL_WERROR=y CONFIG_SECTION_MISMATCH_WARN_ONLY=)

# tree_make GOAL...: runs the kernel's own build on this checkout. Objects go to build/<kernel release>$OUT.
tree_make() {
	local compiler
	case $(setting CONFIG_CC_VERSION_TEXT) in
	*clang*) compiler=LLVM=1 ;;
	*) compiler=CC=$(setting CONFIG_CC_VERSION_TEXT | cut -d ' ' -f 1) ;;
	esac
	mkdir -p "$CHECKOUT/build/$KRELEASE${OUT:-}"
	"${tree_run[@]}" make --no-print-directory -j"$(nproc)" -C "$KDIR" "$compiler" \
		M="$CHECKOUT" MO="$CHECKOUT/build/$KRELEASE${OUT:-}" "$@"
}
