// SPDX-License-Identifier: GPL-2.0-only

//! One SCSI command: held by the host from `queuecommand` until it is completed.
//!
//! Who sends from its data buffer holds it too, and the last holder completes it: an answer that
//! comes before all has been sent cannot take the memory away.

use crate::linux::{
    bindings,
    tcp::Chunk, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicU8,
        Ordering, //
    },
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::Acquire,
        Refcount, //
    },
    types::Opaque, //
};

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
mod tests;

/// What the host keeps in the memory the mid-layer allocates behind each command.
#[repr(C)]
pub(super) struct Private {
    /// Links the command into a [`CommandList`].
    node: bindings::llist_node,
    /// 0 until the command is sent; then one more than the mid-layer's timer has expired since.
    expiries: AtomicU8,
    /// How many [`Held`] there are, and one for the [`Command`].
    holders: Refcount,
}

/// Which way a command's data goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// There is no data.
    None,
    /// From the device.
    Read,
    /// To the device.
    Write,
}

/// How the host itself judges a command (`enum scsi_host_status`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HostStatus {
    /// The device has answered; its status counts.
    Ok = bindings::scsi_host_status_DID_OK as isize,
    /// There is no way to the device any more.
    NoConnect = bindings::scsi_host_status_DID_NO_CONNECT as isize,
    /// The transfer went wrong; the mid-layer tries a few times more.
    Error = bindings::scsi_host_status_DID_ERROR as isize,
    /// The session was lost; the command may or may not have been executed.
    Disrupted = bindings::scsi_host_status_DID_TRANSPORT_DISRUPTED as isize,
}

/// What a command ends with.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The host's judgement.
    pub(crate) host: HostStatus,
    /// The device's status byte (SAM-5 5.3.1).
    pub(crate) status: u8,
    /// How many bytes of the data buffer were not transferred.
    pub(crate) residual: u32,
    /// Sense data; cut to what the mid-layer keeps.
    pub(crate) sense: &'a [u8],
}

/// A SCSI command that this host must complete; dropped, it is completed as failed.
///
/// # Invariants
///
/// The command is valid, counts this handle among its holders, and has no other handle.
pub(crate) struct Command {
    command: NonNull<bindings::scsi_cmnd>,
    /// Where the last copy into the data buffer ended.
    cursor: bindings::iscsi_init_cursor,
}

// SAFETY: A command may be completed from any context, and the cursor's pointer is followed only
// together with the command.
unsafe impl Send for Command {}
// SAFETY: Shared references only read what the mid-layer leaves alone until completion.
unsafe impl Sync for Command {}

impl Command {
    /// The bytes of private memory each command needs.
    pub(super) const PRIVATE_SIZE: u32 = size_of::<Private>() as u32;

    /// Takes over a command in `queuecommand`.
    ///
    /// # Safety
    ///
    /// `command` was just handed to a host whose template asks for [`Self::PRIVATE_SIZE`].
    pub(super) unsafe fn from_raw(command: *mut bindings::scsi_cmnd) -> Option<Self> {
        let command = NonNull::new(command)?;

        let memory = private(command.as_ptr());
        // SAFETY: By this function's contract there is such memory, large enough and aligned as the
        // command is. It was allocated as zeroes, and all that was written there since are values
        // of this type, and zeroes.
        let expiries = unsafe { &(*memory).expiries };
        // A timer of this command's that expired before it was queued again may just be counted.
        expiries.store(0, Ordering::Relaxed);
        // SAFETY: As above; nobody else uses this field now.
        unsafe { (&raw mut (*memory).node).write(bindings::llist_node::default()) };
        // SAFETY: As above.
        unsafe { (&raw mut (*memory).holders).write(Refcount::new(1)) };
        // INVARIANT: By this function's contract; the count of one is this handle's.
        Some(Self::new(command))
    }

    fn new(command: NonNull<bindings::scsi_cmnd>) -> Self {
        Self {
            command,
            cursor: bindings::iscsi_init_cursor::default(),
        }
    }

    /// Counts an expiry of the command's timer; returns how many there were since the command was
    /// sent, and nothing before that.
    ///
    /// # Safety
    ///
    /// `command` has been queued, and the mid-layer keeps it alive during the call.
    pub(super) unsafe fn count_expiry(command: *mut bindings::scsi_cmnd) -> Option<u8> {
        // SAFETY: The private memory was written when the command was queued; the field is atomic.
        let expiries = unsafe { &(*private(command)).expiries };
        expiries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count > 0).then(|| count.saturating_add(1))
            })
            .ok()?
            .checked_sub(1)
    }

    #[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
    pub(super) fn as_ptr(&self) -> *mut bindings::scsi_cmnd {
        self.command.as_ptr()
    }

    fn fields(&self) -> &bindings::scsi_cmnd {
        // SAFETY: Valid by the invariant; the fields read here stay as they are until completion.
        unsafe { self.command.as_ref() }
    }

    fn private(&self) -> &Private {
        // SAFETY: The handle is a holder, so the command is one of this host's that has not been
        // completed; its private memory was written when it was queued. Besides the list's link,
        // of which nobody has a reference, the fields are atomic.
        unsafe { &*private(self.command.as_ptr()) }
    }

    /// The block layer's tag: unique among the host's commands, less than `can_queue`.
    pub(crate) fn tag(&self) -> usize {
        // SAFETY: Valid by the invariant.
        let tag = unsafe { bindings::iscsi_init_command_tag(self.command.as_ptr()) };
        tag as usize
    }

    /// Begins or ends the count of expiries.
    pub(crate) fn set_sent(&self, sent: bool) {
        let expiries = &self.private().expiries;
        expiries.store(u8::from(sent), Ordering::Relaxed);
    }

    /// Gives the command up without completing it: the error handler has taken it back. While its
    /// data buffer is held it cannot be, and is returned.
    pub(crate) fn release(self) -> Result<(), Self> {
        // With one holder, which is this handle, nobody can make it more.
        if self.private().holders.as_atomic().load(Acquire) != 1 {
            return Err(self);
        }
        core::mem::forget(self);
        Ok(())
    }

    /// Has the mid-layer count the time that it retries the command for, which is so many of its
    /// timeouts, from now on.
    pub(crate) fn renew(&self) {
        // SAFETY: Valid by the invariant. Until completion nobody else uses the field that is
        // written, but for debugfs and the log of an abort, which only print it.
        unsafe { bindings::iscsi_init_command_renew(self.command.as_ptr()) }
    }

    /// Whether the block layer itself made this command, so that repeating it changes nothing.
    pub(crate) fn repeatable(&self) -> bool {
        // SAFETY: Valid by the invariant.
        unsafe { !bindings::iscsi_init_command_passthrough(self.command.as_ptr()) }
    }

    /// Whether the mid-layer's error handler waits for the command.
    pub(crate) fn is_error_handlers(&self) -> bool {
        let handlers = bindings::scsi_cmnd_submitter_SUBMITTED_BY_SCSI_ERROR_HANDLER;
        self.fields().submitter == handlers
    }

    /// The mid-layer's number of the logical unit.
    pub(crate) fn lun(&self) -> u64 {
        // SAFETY: A queued command's device exists.
        unsafe { (*self.fields().device).lun }
    }

    /// The command descriptor block.
    pub(crate) fn cdb(&self) -> &[u8] {
        let fields = self.fields();
        fields
            .cmnd
            .get(..usize::from(fields.cmd_len))
            .unwrap_or(&fields.cmnd)
    }

    /// Which way the data goes.
    pub(crate) fn direction(&self) -> Direction {
        match self.fields().sc_data_direction {
            bindings::dma_data_direction_DMA_TO_DEVICE => Direction::Write,
            bindings::dma_data_direction_DMA_FROM_DEVICE => Direction::Read,
            _ => Direction::None,
        }
    }

    /// The length of the data buffer in bytes.
    pub(crate) fn length(&self) -> u32 {
        self.fields().sdb.length
    }

    /// Copies all of `chunk`, or its first `length` bytes, to `offset` in the data
    /// buffer; returns how many. `crc` is a remainder to bring up to date with them.
    ///
    /// # Errors
    ///
    /// `EFAULT` when the buffer ends before.
    pub(crate) fn receive(
        &mut self,
        offset: u32,
        chunk: &mut Chunk<'_>,
        length: u32,
        crc: Option<&mut u32>,
    ) -> Result<u32> {
        let length = length.min(chunk.len());
        let (packet, packet_offset) = chunk.as_raw();

        // SAFETY: The command is valid by the invariant, the cursor is its own, and the packet is
        // valid as long as `chunk`. The call checks `offset` and `length` against both, and `crc`
        // is NULL or valid.
        to_result(unsafe {
            bindings::iscsi_init_command_copy_in(
                self.command.as_ptr(),
                &mut self.cursor,
                offset,
                packet,
                packet_offset,
                length,
                crc.map_or(core::ptr::null_mut(), core::ptr::from_mut),
            )
        })?;
        Ok(chunk.skip(length))
    }

    /// The data buffer, to send from.
    pub(crate) fn buffer(&self) -> Buffer {
        self.private().holders.inc();
        Buffer {
            // INVARIANT: Counted above.
            held: Held(self.command),
            cursor: bindings::iscsi_init_cursor::default(),
        }
    }

    /// Hands the command back to the mid-layer with this outcome, or leaves that to the last who
    /// holds its data buffer.
    pub(crate) fn complete(self, outcome: Outcome<'_>) {
        self.conclude(outcome);
        let command = self.command;
        core::mem::forget(self);
        // INVARIANT: The handle was a holder, whose place this takes.
        drop(Held(command));
    }

    /// The same for a command that has no result from the device.
    ///
    /// The error handler puts a unit offline for good of which it hears nothing: it is told that
    /// the unit is busy, which it takes for an answer to TEST UNIT READY. So it gives the commands
    /// back that it has taken, and they wait for a session.
    pub(crate) fn end(self, host: HostStatus) {
        let (host, status) = if self.is_error_handlers() {
            (HostStatus::Ok, bindings::sam_status_SAM_STAT_BUSY as u8)
        } else {
            (host, 0)
        };
        let residual = self.length();
        self.complete(Outcome {
            host,
            status,
            residual,
            sense: &[],
        });
    }

    /// Notes what the command ends with.
    fn conclude(&self, outcome: Outcome<'_>) {
        let fields = self.fields();
        let kept = outcome
            .sense
            .len()
            .min(bindings::SCSI_SENSE_BUFFERSIZE as usize);

        // A transfer that is too short to be of use is no success (`scsi_cmnd::underflow`).
        let moved = fields.sdb.length.saturating_sub(outcome.residual);
        let host = match outcome.host {
            HostStatus::Ok if outcome.status == 0 && moved < fields.underflow => HostStatus::Error,
            host => host,
        };
        let (command, sense_buffer) = (self.command.as_ptr(), fields.sense_buffer);
        // CAST: Host statuses are small positive numbers, and the result is
        // defined as this sum of fields.
        let result = ((host as i32) << 16) | i32::from(outcome.status);
        // SAFETY: Valid by the invariant. Only the one handle writes this field before completion,
        // and who holds the data buffer does not read it.
        unsafe { (*command).result = result };
        // SAFETY: As above.
        unsafe { (*command).resid_len = outcome.residual };
        // SAFETY: The sense buffer has SCSI_SENSE_BUFFERSIZE bytes, and `kept` is at most that
        // and the source's length.
        unsafe { core::ptr::copy_nonoverlapping(outcome.sense.as_ptr(), sense_buffer, kept) };
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.conclude(Outcome {
            host: HostStatus::Error,
            status: 0,
            residual: self.length(),
            sense: &[],
        });
        // INVARIANT: The handle was a holder, whose place this takes.
        drop(Held(self.command));
    }
}

/// A command's data buffer, whose memory stays until nobody holds it.
pub(crate) struct Buffer {
    held: Held,
    /// Where the piece described last ended, which makes going on from there cheap.
    cursor: bindings::iscsi_init_cursor,
}

// SAFETY: The cursor's pointer is followed only together with the command, which is held.
unsafe impl Send for Buffer {}

impl Buffer {
    /// The tag of the command.
    pub(crate) fn tag(&self) -> usize {
        self.held.tag()
    }

    /// One more to hold the memory.
    pub(in crate::linux) fn hold(&self) -> Held {
        let command = self.held.0;
        // SAFETY: Valid by the invariant; the field is atomic.
        unsafe { &(*private(command.as_ptr())).holders }.inc();
        // INVARIANT: Counted above.
        Held(command)
    }

    /// Describes the buffer from `offset` on, at most `length` bytes, behind what `pages` has and
    /// as far as its capacity allows; returns how many bytes.
    pub(in crate::linux) fn pages(
        &mut self,
        offset: u32,
        length: u32,
        pages: &mut KVec<bindings::bio_vec>,
    ) -> u32 {
        let room = pages.spare_capacity_mut();
        let mut filled = 0;

        // SAFETY: The command is held, the cursor is its own, and `room` has that many writable
        // entries.
        // CAST: Far fewer than 2^32.
        let described = unsafe {
            bindings::iscsi_init_command_pages(
                self.held.0.as_ptr(),
                &mut self.cursor,
                offset,
                length,
                room.as_mut_ptr().cast(),
                room.len() as u32,
                &mut filled,
            )
        };
        // SAFETY: The call has written that many entries, at most as many as there was room for.
        // CAST: 32 bits fit a machine word.
        unsafe { pages.inc_len(filled as usize) };
        described
    }
}

/// A holder of a command, which cannot be completed before it is dropped.
///
/// # Invariants
///
/// The command is valid, and counts this among its holders.
pub(in crate::linux) struct Held(NonNull<bindings::scsi_cmnd>);

// SAFETY: A command may be completed from any context.
unsafe impl Send for Held {}

impl Held {
    /// The tag of the command.
    pub(in crate::linux) fn tag(&self) -> usize {
        // SAFETY: Valid by the invariant.
        let tag = unsafe { bindings::iscsi_init_command_tag(self.0.as_ptr()) };
        tag as usize
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: Valid by the invariant; the field is atomic.
        let holders = unsafe { &(*private(self.0.as_ptr())).holders };
        if holders.dec_and_test() {
            // SAFETY: Valid by the invariant. Its handle, one of the holders, is gone, so it has
            // been concluded, and with no holder left this is its only completion.
            unsafe { bindings::scsi_done(self.0.as_ptr()) }
        }
    }
}

/// The private memory of a command of a host whose template asks for [`Command::PRIVATE_SIZE`]: the
/// mid-layer allocates it right behind the command.
fn private(command: *mut bindings::scsi_cmnd) -> *mut Private {
    command.wrapping_add(1).cast()
}

/// Commands handed over by many submitters without a lock, taken by one.
///
/// C header: [`include/linux/llist.h`](srctree/include/linux/llist.h)
pub(crate) struct CommandList {
    head: Opaque<bindings::llist_head>,
}

// SAFETY: The list is made for concurrent use.
unsafe impl Send for CommandList {}
// SAFETY: As above.
unsafe impl Sync for CommandList {}

impl CommandList {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self {
            head: Opaque::new(bindings::llist_head::default()),
        }
    }

    /// Adds a command; returns whether it is the only one.
    pub(crate) fn push(&self, command: Command) -> bool {
        // SAFETY: The handle owns the command, and with it the list's link in its private memory.
        let node = unsafe { &raw mut (*private(command.command.as_ptr())).node };

        core::mem::forget(command);
        // SAFETY: The node is in no list; it stays valid, as the list now owns the command.
        unsafe { bindings::iscsi_init_list_add(node, self.head.get()) }
    }

    /// Whether there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: The head is valid.
        unsafe { bindings::iscsi_init_list_empty(self.head.get()) }
    }

    /// Takes all commands, in the order they were added.
    pub(crate) fn take(&self) -> TakenCommands {
        // SAFETY: The head is valid; what is taken belongs to the caller alone.
        let newest_first = unsafe { bindings::iscsi_init_list_take(self.head.get()) };

        TakenCommands {
            // SAFETY: The nodes are ours.
            next: unsafe { bindings::llist_reverse_order(newest_first) },
        }
    }
}

impl Drop for CommandList {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Commands that were taken from a list.
pub(crate) struct TakenCommands {
    next: *mut bindings::llist_node,
}

impl Iterator for TakenCommands {
    type Item = Command;

    fn next(&mut self) -> Option<Command> {
        let node = NonNull::new(self.next)?;

        // SAFETY: The node belongs to a command of this list.
        self.next = unsafe { node.as_ref().next };
        // SAFETY: The node is the first field of the private memory, which lies behind its command.
        let command = unsafe { node.as_ptr().cast::<bindings::scsi_cmnd>().sub(1) };
        // INVARIANT: The list owned the handle, and hands it on here.
        Some(Command::new(NonNull::new(command)?))
    }
}

impl Drop for TakenCommands {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
