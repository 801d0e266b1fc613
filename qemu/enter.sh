# Shared by run and demo: makes ready what the lab needs, and enters the build root with it.
# shellcheck shell=bash

# enter_lab PYTHON_MODULE ARGUMENT...: runs the lab's program with these arguments, in a network of its own.
enter_lab() {
	local program=$1 env userland module logs=$CHECKOUT/build/lab KRELEASE VMLINUZ MODULES
	shift
	env=$("$SCRIPTS/kernel")
	. "$env"
	module=$CHECKOUT/build/$KRELEASE/iscsi_init.ko
	[ -e "$module" ] || die "no $module yet: run make${KERNEL:+ KERNEL=$KERNEL} first"
	[ "$SERIES" = "${KERNELS[0]%% *}" ] || logs+=-$SERIES
	# Only the kernel and the module are of that series.
	unset KERNEL
	userland=$("$SCRIPTS/userland")
	exec "$SCRIPTS/in-root" --net -- env \
		PYTHONPATH="$CHECKOUT/qemu" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
		LAB_CHECKOUT="$CHECKOUT" LAB_RELEASE="$KRELEASE" LAB_KERNEL="$VMLINUZ" LAB_MODULES="$MODULES" \
		LAB_MODULE="$module" LAB_USERLAND="$userland" LAB_BUILD="$logs" LAB_HOSTILE="${HOSTILE:-}" \
		python3 -m "$program" "$@"
}
