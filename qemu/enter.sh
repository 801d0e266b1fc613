# Shared by run and demo: makes ready what the lab needs, and enters the build root with it.
# shellcheck shell=bash

# enter_lab PYTHON_MODULE ARGUMENT...: runs the lab's program with these arguments, in a network of its own. With `kasan` set the
# kernels under test are those with KASAN.
enter_lab() {
	local program=$1 env userland module logs=$CHECKOUT/build/lab stock KRELEASE VMLINUZ MODULES
	shift
	env=$("$SCRIPTS/kernel")
	. "$env"
	stock=(LAB_STOCK_RELEASE="$KRELEASE" LAB_STOCK_KERNEL="$VMLINUZ" LAB_STOCK_MODULES="$MODULES")
	if [ -n "${kasan:-}" ]; then
		[ -z "${KERNEL:-}" ] || die "--kasan has a kernel of its own: not with KERNEL=$KERNEL"
		env=$CHECKOUT/build/built-in/kasan/env
		[ -e "$env" ] || die "no $env yet: run scripts/built-in --kasan-module first"
		. "$env"
		module=$CHECKOUT/build/built-in/kasan/iscsi_init.ko
		logs+=-kasan
	else
		module=$CHECKOUT/build/$KRELEASE/iscsi_init.ko
		[ -e "$module" ] || die "no $module yet: run make${KERNEL:+ KERNEL=$KERNEL} first"
		[ "$SERIES" = "${KERNELS[0]%% *}" ] || logs+=-$SERIES
	fi
	# Only the kernel and the module are of that series.
	unset KERNEL
	userland=$("$SCRIPTS/userland")
	exec "$SCRIPTS/in-root" --net -- env \
		PYTHONPATH="$CHECKOUT/qemu" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
		LAB_CHECKOUT="$CHECKOUT" LAB_RELEASE="$KRELEASE" LAB_KERNEL="$VMLINUZ" LAB_MODULES="$MODULES" \
		LAB_MODULE="$module" LAB_KASAN="${kasan:-}" "${stock[@]}" LAB_USERLAND="$userland" LAB_BUILD="$logs" LAB_HOSTILE="${HOSTILE:-}" \
		python3 -m "$program" "$@"
}
