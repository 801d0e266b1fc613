# How the driver is put into a kernel's source. For scripts that have read common.sh.
# shellcheck shell=bash

# Where it lives there, and the files around it that name it.
DRIVER=drivers/scsi/iscsi_init
DRIVER_MENU=drivers/scsi/Kconfig
DRIVER_BUILD=drivers/scsi/Makefile

# What a source has, and the crate that tells one that is too old.
SOURCE_FILES=(Kbuild Kconfig MAINTAINERS init/Kconfig "$DRIVER_MENU" "$DRIVER_BUILD")
SOURCE_CRATE=rust/zerocopy

# use_kernel_source DIR: sets KSRC, when DIR is a source that the driver can be built in.
use_kernel_source() {
	local file
	[ -d "$1" ] || die "KSRC names no directory: $1"
	KSRC=$(realpath "$1")
	for file in "${SOURCE_FILES[@]}"; do
		[ -f "$KSRC/$file" ] || die "$KSRC is no kernel source: it has no $file"
	done
	grep -qx 'config RUST' "$KSRC/init/Kconfig" || die "$KSRC is $(source_version), which has no support for Rust"
	[ -d "$KSRC/$SOURCE_CRATE" ] || die "$KSRC is $(source_version), which has no $SOURCE_CRATE: too old" \
		"README.md says for which kernels the driver is"
	[ ! -e "$KSRC/$DRIVER" ] || grep -qsw 'ISCSI_INIT' "$KSRC/$DRIVER/Kconfig" ||
		die "$KSRC/$DRIVER is there and not this driver's" "move it away first"
}

source_version() {
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) / { part[$1] = $3 }
		END { print "Linux " part["VERSION"] "." part["PATCHLEVEL"] "." part["SUBLEVEL"] part["EXTRAVERSION"] }' \
		"$KSRC/Makefile"
}

# The files that the module is built from, relative to the checkout.
driver_files() {
	printf '%s\n' Kbuild Kconfig
	find "$CHECKOUT/src" -type f ! -name lib.rs -printf 'src/%P\n' | LC_ALL=C sort
}

# put FILE TO: copies what differs.
put() {
	cmp --quiet "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	cp --no-preserve=mode,ownership "$1" "$2"
}

# install_driver TREE: the driver's own directory, without what is in it and no longer of the driver. What a build left
# there has names that the kernel's .gitignore knows, or is generated.
install_driver() {
	local file files
	files=$(driver_files)
	while read -r file; do
		put "$CHECKOUT/$file" "$1/$DRIVER/$file"
	done <<<"$files"
	(cd "$1/$DRIVER" && find . -type f \( -name '*.rs' -o -name '*.[ch]' -o -name bindgen_parameters \) \
		! -name '*_generated.rs' ! -name '*.mod.c' -printf '%P\n') | LC_ALL=C sort |
		LC_ALL=C comm -13 <(printf '%s\n' "$files") - |
		while read -r file; do
			say "removing $DRIVER/$file, which is not of the driver"
			rm "$1/$DRIVER/$file"
		done
	find "$1/$DRIVER" -type d -empty -delete
}

# The lines of the Kconfig and the Makefile above, and those that they follow.
MENU_LINE="source \"$DRIVER/Kconfig\""
MENU_AFTER='source "drivers/scsi/be2iscsi/Kconfig"'
BUILD_LINE=$'obj-$(CONFIG_ISCSI_INIT)\t+= iscsi_init/'
BUILD_AFTER=$'obj-$(CONFIG_ISCSI_BOOT_SYSFS)\t+= iscsi_boot_sysfs.o'

# has_entries TREE: both have the driver's line, or that one.
has_entries() {
	has_line "$1/$DRIVER_MENU" "$MENU_LINE" || has_line "$1/$DRIVER_MENU" "$MENU_AFTER" ||
		die "$1/$DRIVER_MENU has no line to follow: $MENU_AFTER"
	has_line "$1/$DRIVER_BUILD" "$BUILD_LINE" || has_line "$1/$DRIVER_BUILD" "$BUILD_AFTER" ||
		die "$1/$DRIVER_BUILD has no line to follow: $BUILD_AFTER"
}

# install_entries TREE: one line each.
install_entries() {
	has_entries "$1"
	add_line "$1/$DRIVER_MENU" "$MENU_LINE" "$MENU_AFTER"
	add_line "$1/$DRIVER_BUILD" "$BUILD_LINE" "$BUILD_AFTER"
}

has_line() {
	grep --quiet --fixed-strings --line-regexp -e "$2" "$1"
}

# add_line FILE LINE AFTER: adds LINE to FILE behind the line AFTER, unless FILE has it.
add_line() {
	local new
	! has_line "$1" "$2" || return 0
	new=$(LINE=$2 AFTER=$3 awk '{ print } $0 == ENVIRON["AFTER"] { print ENVIRON["LINE"] }' "$1" && echo .)
	printf '%s' "${new%.}" >"$1"
}
