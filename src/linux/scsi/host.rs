// SPDX-License-Identifier: GPL-2.0-only

//! A SCSI host and its callbacks.

use super::command::Command;
use crate::linux::{
    bindings,
    clock,
    module::this_module,
    platform, //
};
use core::{
    ffi::CStr,
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// What the mid-layer asks of a host.
pub(crate) trait Operations: Send + Sync + 'static {
    /// Takes over a command. `last` says that no further one follows at once. May sleep.
    fn queue(&self, command: Command, last: bool);

    /// No further command follows after all.
    fn commit(&self);

    /// The timer of the command with this tag, which was sent, has expired for the `expiries + 1`st
    /// time; it is started again, and the command keeps its tag until this returns. Process
    /// context.
    fn expired(&self, tag: usize, expiries: u8);

    /// The error handler wants a command back: on return it is no longer the
    /// host's. Process context.
    fn abort(&self, tag: usize);

    /// The error handler, or somebody by an ioctl, wants the host to be reset. Process context.
    fn reset(&self);

    /// Whether the pages of a write must not change until it has ended.
    fn stable_pages(&self) -> bool;

    /// After how many seconds the timer of a logical unit's commands expires, at most an hour; the
    /// kernel's own time without it.
    fn timeout(&self) -> Option<u32>;

    /// For how many seconds the error handler waits for each answer of a logical unit, at most an
    /// hour.
    fn patience(&self) -> u32;
}

/// How much a host can take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Commands at a time; every tag is less than this.
    pub(crate) commands: u16,
    /// Commands at a time for one logical unit.
    pub(crate) commands_per_lun: u16,
    /// The largest transfer in sectors of 512 bytes.
    pub(crate) sectors: u32,
}

/// A registered host; dropping it removes its disks, waiting for what they still have to write.
///
/// # Invariants
///
/// The host was added, and its private data is a pointer to `_operations` until it has been
/// removed; then it is null, which it becomes with the host's lock held.
pub(crate) struct Host<T: Operations> {
    host: NonNull<bindings::Scsi_Host>,
    // The callbacks borrow it through the host's private data.
    _operations: Arc<T>,
}

// SAFETY: A host may be used and removed from any thread.
unsafe impl<T: Operations> Send for Host<T> {}
// SAFETY: As above.
unsafe impl<T: Operations> Sync for Host<T> {}

impl<T: Operations> Host<T> {
    /// Registers a host below `parent`.
    pub(crate) fn new(
        parent: &platform::Device,
        limits: Limits,
        operations: Arc<T>,
    ) -> Result<Self> {
        // SAFETY: The template is valid for ever; the private data is one pointer.
        let host = unsafe {
            bindings::scsi_host_alloc(Template::<T>::VALUE, size_of::<*const T>() as c_int)
        };
        let host = NonNull::new(host).ok_or(ENOMEM)?;

        let commands_per_lun = i16::try_from(limits.commands_per_lun).unwrap_or(i16::MAX);
        // SAFETY: The host was just made, and nobody looks at its limits before it is added.
        unsafe {
            bindings::iscsi_init_host_set_limits(
                host.as_ptr(),
                limits.commands,
                commands_per_lun,
                limits.sectors,
            )
        };
        // SAFETY: The host was just made.
        let private = unsafe { bindings::iscsi_init_host_private(host.as_ptr()) };
        // SAFETY: The private data is that one pointer, and nobody reads it yet.
        unsafe { *private = Arc::as_ptr(&operations).cast_mut().cast() };
        // SAFETY: The host was set up above, and `parent` is registered. Nothing does
        // DMA for this host: the bus stands for a device without a mask, which would
        // bound the size of a transfer.
        let added = to_result(unsafe {
            bindings::scsi_add_host_with_dma(
                host.as_ptr(),
                parent.as_device(),
                &raw mut bindings::platform_bus,
            )
        });
        if let Err(error) = added {
            // SAFETY: The reference is ours, and the host was not added.
            unsafe { bindings::scsi_host_put(host.as_ptr()) };
            return Err(error);
        }
        // SAFETY: The host was added, and has no logical units yet.
        unsafe { bindings::iscsi_init_host_unscheduled(host.as_ptr()) };
        // INVARIANT: As was done above.
        Ok(Self {
            host,
            _operations: operations,
        })
    }

    /// Looks for logical unit `lun` behind the host's only target, or for all of
    /// them, and adds what there is.
    pub(crate) fn scan(&self, lun: Option<u64>) {
        // SAFETY: The host is registered.
        let parent = unsafe { &raw mut (*self.as_ptr()).shost_gendev };
        // SAFETY: `parent` is the host's device; process context.
        unsafe {
            bindings::scsi_scan_target(
                parent,
                0,
                0,
                lun.unwrap_or(SCAN_WILD_CARD),
                bindings::scsi_scan_mode_SCSI_SCAN_INITIAL,
            )
        }
    }

    /// The number the kernel has given the host.
    pub(crate) fn number(&self) -> u32 {
        // SAFETY: The host is registered, and its number does not change.
        unsafe { (*self.as_ptr()).host_no }
    }

    pub(in crate::linux) fn as_ptr(&self) -> *mut bindings::Scsi_Host {
        self.host.as_ptr()
    }
}

impl<T: Operations> Drop for Host<T> {
    fn drop(&mut self) {
        // SAFETY: The host is registered, and is removed once.
        unsafe { bindings::scsi_remove_host(self.as_ptr()) };
        // Whoever has a disk open may still ask for a reset.
        // SAFETY: The reference is ours; process context, with interrupts on.
        let private = unsafe { bindings::iscsi_init_host_lock(self.as_ptr()) };
        // INVARIANT: The host has been removed, and its lock is held.
        // SAFETY: The private data is one pointer. Those callbacks that read it without the lock
        // run no more, as `operations` tells.
        unsafe { *private = core::ptr::null_mut() };
        // SAFETY: The lock was taken above.
        unsafe { bindings::iscsi_init_host_unlock(self.as_ptr()) };
        // SAFETY: The reference is ours.
        unsafe { bindings::scsi_host_put(self.as_ptr()) };
    }
}

/// The table of callbacks for a `T`.
struct Template<T>(PhantomData<T>);

impl<T: Operations> Template<T> {
    const VALUE: &'static bindings::scsi_host_template = &{
        // SAFETY: Zeroes mean "none" and "default" in every field of a template.
        let mut template: bindings::scsi_host_template =
            unsafe { core::mem::MaybeUninit::zeroed().assume_init() };
        template.module = this_module();
        template.name = as_char_ptr_in_const_context(NAME);
        template.proc_name = as_char_ptr_in_const_context(NAME);
        template.cmd_size = Command::PRIVATE_SIZE;
        template.queuecommand = Some(queue_callback::<T>);
        template.commit_rqs = Some(commit_callback::<T>);
        template.change_queue_depth = Some(bindings::scsi_change_queue_depth);
        template.sdev_configure = Some(configure_callback::<T>);
        template.sdev_destroy = Some(bindings::iscsi_init_device_wait_callers);
        template.eh_timed_out = Some(timed_out_callback::<T>);
        template.eh_abort_handler = Some(abort_callback::<T>);
        template.eh_host_reset_handler = Some(reset_callback::<T>);
        template.this_id = -1;
        // Segments may be of any size and lie anywhere: nothing here does DMA.
        template.sg_tablesize = 2_048;
        template.max_segment_size = u32::MAX;
        template.dma_boundary = usize::MAX;
        template
    };
}

/// All logical units (`SCAN_WILD_CARD`).
const SCAN_WILD_CARD: u64 = u64::MAX;

const NAME: &CStr = c"iscsi_init";

/// The operations of a host, for callbacks that `scsi_remove_host` waits for. Those are:
///
/// - `queuecommand` and `commit_rqs`, which belong to commands of the block layer's or the error
///   handler's. A device that goes waits until all commands have ended, the error handler's too;
///   then, in `sdev_destroy`, for callers that have not returned though their command has ended.
/// - `eh_timed_out`, during which the block layer has references to the request and its queue, and
///   `eh_abort_handler`, called for a command that does not end before it returns. A device that
///   goes waits for both.
/// - `sdev_configure`, called with the mutex of scans held: `scsi_remove_host` takes it, and no
///   scan begins after that.
///
/// # Safety
///
/// `host` was made by [`Host::new`] for the same `T`; called by one of these callbacks, for no
/// longer than it runs.
unsafe fn operations<'a, T: Operations>(host: *mut bindings::Scsi_Host) -> &'a T {
    // SAFETY: By this function's contract.
    let private = unsafe { bindings::iscsi_init_host_private(host) };
    // SAFETY: `Host` has written this pointer before anybody could know of the host, and writes it
    // again only after `scsi_remove_host`, which waits for the caller.
    let operations = unsafe { *private };
    // SAFETY: It is to a `T`, by this function's contract. `Host` keeps the operations alive until
    // `scsi_remove_host` has returned, and so until the caller has.
    unsafe { &*operations.cast::<T>() }
}

/// The operations of a host, for a callback that may come at any time while there is a reference to
/// a device of it; `None` once the host has been removed.
///
/// # Safety
///
/// `host` was made by [`Host::new`] for the same `T`, and is referenced; process context, with
/// interrupts on.
unsafe fn held_operations<T: Operations>(host: *mut bindings::Scsi_Host) -> Option<Arc<T>> {
    // SAFETY: By this function's contract; the lock is not held.
    let private = unsafe { bindings::iscsi_init_host_lock(host) };
    // SAFETY: The private data is one pointer, which is written with the lock held, or before
    // anybody could know of the host.
    let operations = NonNull::new(unsafe { *private });
    let held = operations.map(|operations| {
        // SAFETY: By `Host`'s invariants it is to what its `Arc<T>` points to, which it lets go of
        // only after it has had this lock, to make it null.
        let borrow = unsafe { ArcBorrow::from_raw(operations.as_ptr().cast_const().cast::<T>()) };
        Arc::from(borrow)
    });
    // SAFETY: The lock was taken above.
    unsafe { bindings::iscsi_init_host_unlock(host) };
    held
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn queue_callback<T: Operations>(
    host: *mut bindings::Scsi_Host,
    command: *mut bindings::scsi_cmnd,
) -> bindings::scsi_qc_status {
    // SAFETY: The mid-layer calls with a host of this template; this is `queuecommand`.
    let operations = unsafe { operations::<T>(host) };
    // SAFETY: The command is the host's from now on, but not yet in use.
    let last = unsafe { (*command).flags } & bindings::SCMD_LAST as c_int != 0;

    // SAFETY: The mid-layer has just handed the command over; the template
    // asks for the private memory.
    if let Some(command) = unsafe { Command::from_raw(command) } {
        operations.queue(command, last);
    }
    0
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn commit_callback<T: Operations>(host: *mut bindings::Scsi_Host, _queue: u16) {
    // SAFETY: The mid-layer calls with a host of this template; this is `commit_rqs`.
    unsafe { operations::<T>(host) }.commit();
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn configure_callback<T: Operations>(
    device: *mut bindings::scsi_device,
    limits: *mut bindings::queue_limits,
) -> c_int {
    // SAFETY: The mid-layer calls with a device of a host of this template.
    let host = unsafe { bindings::iscsi_init_host_of_device(device) };
    // SAFETY: As above; this is `sdev_configure`.
    let operations = unsafe { operations::<T>(host) };

    if let Some(seconds) = operations.timeout() {
        // SAFETY: The device has its queue, and is not in use yet.
        unsafe { bindings::iscsi_init_device_set_timeout(device, seconds) };
    }
    let patience = clock::jiffies(u64::from(operations.patience()).saturating_mul(1_000));
    // SAFETY: The device is not in use yet.
    // CAST: An hour has fewer than 2^32.
    unsafe { (*device).eh_timeout = patience as c_uint };
    if operations.stable_pages() {
        // SAFETY: The limits are the caller's, to be changed here.
        unsafe { bindings::iscsi_init_limits_stable(limits) };
    }
    0
}

/// The host that a command is for.
///
/// # Safety
///
/// The command and its device are valid.
unsafe fn host_of(command: *mut bindings::scsi_cmnd) -> *mut bindings::Scsi_Host {
    // SAFETY: The command is valid.
    let device = unsafe { (*command).device };
    // SAFETY: Its device is valid, and has a host as long as it is.
    unsafe { bindings::iscsi_init_host_of_device(device) }
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn timed_out_callback<T: Operations>(
    command: *mut bindings::scsi_cmnd,
) -> bindings::scsi_timeout_action {
    // SAFETY: The mid-layer keeps the command and its device alive during the call.
    let host = unsafe { host_of(command) };
    // SAFETY: As above; the command was queued, or it could not have timed out.
    if let Some(expiries) = unsafe { Command::count_expiry(command) } {
        // SAFETY: As above.
        let tag = unsafe { bindings::iscsi_init_command_tag(command) };
        // SAFETY: The host is one of this template; this is `eh_timed_out`.
        // CAST: 32 bits fit a machine word.
        unsafe { operations::<T>(host) }.expired(tag as usize, expiries);
    }
    bindings::scsi_timeout_action_SCSI_EH_RESET_TIMER
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn abort_callback<T: Operations>(command: *mut bindings::scsi_cmnd) -> c_int {
    // SAFETY: The mid-layer keeps the command and its device alive during the call.
    let host = unsafe { host_of(command) };
    // SAFETY: As above.
    let tag = unsafe { bindings::iscsi_init_command_tag(command) };

    // SAFETY: The host is one of this template; this is `eh_abort_handler`.
    unsafe { operations::<T>(host) }.abort(tag as usize);
    bindings::scsi_disposition_SUCCESS as c_int
}

/// # Safety
///
/// Called by the mid-layer.
unsafe extern "C" fn reset_callback<T: Operations>(command: *mut bindings::scsi_cmnd) -> c_int {
    // SAFETY: The mid-layer keeps the command and its device alive during the call.
    let host = unsafe { host_of(command) };

    // SAFETY: The host is one of this template, and referenced by the device; process context.
    let operations = unsafe { held_operations::<T>(host) };

    let Some(operations) = operations else {
        return bindings::scsi_disposition_FAILED as c_int;
    };
    operations.reset();
    bindings::scsi_disposition_SUCCESS as c_int
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_host)]
mod tests {
    use super::*;
    use crate::linux::scsi::testing::{
        succeed,
        Set,
        Submitted,
        Target,
        Unit,
        ABORTED,
        EXPIRED,
        HELD,
        NO_TIMEOUT,
        PROCESSOR,
        RESET, //
    };
    use core::sync::atomic::Ordering;

    fn has(host: &Host<Target>, lun: u64) -> bool {
        Unit::find(host, lun).is_some()
    }

    #[test]
    fn scan_finds_the_logical_unit_asked_for_or_all() -> Result {
        let set = Set::new(PROCESSOR, &[0, 5, 9], 4)?;
        assert!(has(&set.host, 0));
        assert!(!has(&set.host, 5));
        set.host.scan(Some(7));
        assert!(!has(&set.host, 7));
        set.host.scan(Some(5));
        assert!(has(&set.host, 5));
        assert!(!has(&set.host, 9));
        set.host.scan(None);
        assert!(has(&set.host, 9));
        assert!(!has(&set.host, 1));
        Ok(())
    }

    #[test]
    fn a_host_has_its_number_until_it_is_dropped() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let number = set.host.number();
        // SAFETY: Any number may be asked for.
        let found = unsafe { bindings::scsi_host_lookup(number) };
        assert_eq!(found, set.host.as_ptr());
        // SAFETY: The reference is the search's.
        unsafe { bindings::scsi_host_put(found) };
        let Set {
            unit, host, target, ..
        } = set;
        drop(host);
        // SAFETY: As above.
        assert!(unsafe { bindings::scsi_host_lookup(number) }.is_null());
        // Whoever still has the logical unit gets no command through.
        let ended = unit.execute_without_data(&HELD);
        assert!(ended.is_err() || ended.is_ok_and(|answer| answer.host != 0));
        // Nor does it get a reset, which the kernel lets pass.
        assert_eq!(unit.reset(), bindings::scsi_disposition_FAILED as c_int);
        assert_eq!(target.told.wait(1), 0);
        assert!(Arc::into_unique_or_drop(target).is_some());
        Ok(())
    }

    #[test]
    fn tags_are_unique_and_less_than_the_limit() -> Result {
        const LIMIT: usize = 4;
        let set = Set::new(PROCESSOR, &[0], LIMIT as u16)?;
        let mut submitted = KVec::new();
        for _ in 0..2 * LIMIT {
            submitted.push(Submitted::new(&set.unit, NO_TIMEOUT)?, GFP_KERNEL)?;
        }
        for _ in 0..2 {
            let commands = set.target.take(LIMIT)?;
            let tags = commands.iter().map(Command::tag);
            let mask = tags.fold(0u64, |mask, tag| mask | 1 << tag.min(63));
            let count = commands.len();
            commands.into_iter().for_each(succeed);
            // As many as there are tags, each of them once.
            assert_eq!(count, LIMIT);
            assert_eq!(mask, (1 << LIMIT) - 1);
        }
        for submitted in submitted {
            assert_eq!(submitted.result(), (0, 0));
        }
        Ok(())
    }

    #[test]
    fn a_single_command_is_the_last() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
        set.target.take(1)?.into_iter().for_each(succeed);
        assert_eq!(submitted.result(), (0, 0));
        assert!(set.target.last.load(Ordering::SeqCst));
        Ok(())
    }

    #[test]
    fn expiries_of_a_sent_command_are_counted_and_do_not_end_it() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let submitted = Submitted::new(&set.unit, 1)?;
        let commands = set.target.take(1)?;
        for command in &commands {
            command.set_sent(true);
        }
        let mut told = 0;
        while told & EXPIRED << 1 == 0 {
            let now = set.target.told.wait(1_000);
            // The first comes first.
            assert!(now & EXPIRED << 1 == 0 || (told | now) & EXPIRED != 0);
            told |= now;
        }
        commands.into_iter().for_each(succeed);
        assert_eq!(submitted.result(), (0, 0));
        Ok(())
    }

    #[test]
    fn abort_names_the_tag_and_reset_is_passed_on() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let submitted = [
            Submitted::new(&set.unit, NO_TIMEOUT)?,
            Submitted::new(&set.unit, NO_TIMEOUT)?,
        ];
        let commands = set.target.take(2)?;
        // SAFETY: The host is registered.
        let template = unsafe { &*(*set.host.as_ptr()).hostt };
        let abort = template.eh_abort_handler.ok_or(EINVAL)?;
        let reset = template.eh_host_reset_handler.ok_or(EINVAL)?;
        let mut answers = KVec::new();
        for command in &commands {
            // SAFETY: The command is the host's; the target does no more than note its tag.
            let answer = unsafe { abort(command.as_ptr()) };
            let tag = set.target.aborted.load(Ordering::SeqCst);
            answers.push((answer, tag == command.tag()), GFP_KERNEL)?;
        }
        let told = set.target.told.wait(1);
        // SAFETY: As above.
        let answer = unsafe { reset(commands[0].as_ptr()) };
        let told_later = set.target.told.wait(1);
        commands.into_iter().for_each(succeed);
        drop(submitted);
        let success = bindings::scsi_disposition_SUCCESS as c_int;
        assert_eq!(&*answers, [(success, true), (success, true)].as_slice());
        assert_eq!((told, told_later), (ABORTED, RESET));
        assert_eq!(answer, success);
        Ok(())
    }
}
