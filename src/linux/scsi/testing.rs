// SPDX-License-Identifier: GPL-2.0-only

//! A host whose logical units exist in memory alone, and commands to them, for tests.

use super::{
    Command,
    CommandList,
    Host,
    HostStatus,
    Limits,
    Operations,
    Outcome, //
};
use crate::linux::{
    bindings,
    event::Event,
    platform::Device,
    thread::{
        Run,
        Thread, //
    },
};
use core::{
    mem::MaybeUninit,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{
        AtomicBool,
        AtomicI32,
        AtomicU32,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    sync::Arc, //
};

/// The peripheral device types that the tests have (SPC-5 section 6.7.2): one that a disk driver
/// takes, and one that no driver does.
pub(crate) const DISK: u8 = 0x00;
pub(crate) const PROCESSOR: u8 = 0x03;

/// A vendor's command: the test itself ends it.
pub(crate) const HELD: [u8; 6] = [0xc0, 0, 0, 0, 0, 0];
/// A command that no target knows.
pub(crate) const UNKNOWN: [u8; 6] = [0xdf, 0, 0, 0, 0, 0];

/// The size of the disk in blocks of 512 bytes.
const BLOCKS: u32 = 2_048;
/// ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE (SPC-5 section 4.4.3), and what a vendor likes
/// to add.
pub(crate) const ILLEGAL_REQUEST: [u8; 24] = [
    0x70, 0, 5, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6,
];

const CHECK_CONDITION: u8 = 0x02;

/// Flags of [`Target::told`].
pub(crate) const ABORTED: u32 = 1 << 0;
pub(crate) const RESET: u32 = 1 << 1;
/// The first expiry; the flags above are the ones that follow.
pub(crate) const EXPIRED: u32 = 1 << 8;

/// The target behind the host.
#[pin_data]
pub(crate) struct Target {
    kind: u8,
    luns: &'static [u8],
    /// The commands that wait for the test.
    held: CommandList,
    #[pin]
    arrived: Event,
    /// What the mid-layer has said.
    #[pin]
    pub(crate) told: Event,
    /// The tag that the mid-layer wanted back.
    pub(crate) aborted: AtomicUsize,
    /// Whether the last held command was the last of a batch.
    pub(crate) last: AtomicBool,
    /// How many commands the block layer made by itself.
    pub(crate) repeatable: AtomicU32,
}

impl Target {
    /// Takes `count` held commands, in the order in which they came.
    pub(crate) fn take(&self, count: usize) -> Result<KVec<Command>> {
        let mut commands = KVec::new();

        loop {
            for command in self.held.take() {
                commands.push(command, GFP_KERNEL)?;
            }
            if commands.len() >= count {
                return Ok(commands);
            }
            self.arrived.wait(1_000);
        }
    }

    /// What the target answers: data, or sense data.
    fn answer(&self, command: &Command) -> Result<KVec<u8>, &'static [u8]> {
        let mut data = KVec::new();
        let mut put = |bytes: &[u8]| data.extend_from_slice(bytes, GFP_NOWAIT).is_ok();
        let lun = u8::try_from(command.lun()).unwrap_or(u8::MAX);
        let there_is = self.luns.contains(&lun);

        let done = match command.cdb() {
            // TEST UNIT READY, SYNCHRONIZE CACHE.
            [0x00 | 0x35, ..] => there_is,
            // INQUIRY; a logical unit that there is not has a type of its own.
            [0x12, 0, ..] => {
                let kind = if there_is { self.kind } else { 0x7f };
                put(&[kind, 0, 6, 2, 31, 0, 0, 2]) && put(b"ISCSI   unit test       1   ")
            }
            // READ CAPACITY (10).
            [0x25, ..] => put(&(BLOCKS - 1).to_be_bytes()) && put(&512u32.to_be_bytes()),
            // READ (10): zeroes.
            [0x28, ..] => KVec::from_elem(0, command.length() as usize, GFP_NOWAIT)
                .map(|zeroes| put(&zeroes))
                .unwrap_or(false),
            // REPORT LUNS.
            [0xa0, ..] => {
                put(&[0, 0, 0, (self.luns.len() * 8) as u8, 0, 0, 0, 0])
                    && self
                        .luns
                        .iter()
                        .all(|lun| put(&[0, *lun, 0, 0, 0, 0, 0, 0]))
            }
            _ => false,
        };
        if done {
            Ok(data)
        } else {
            Err(&ILLEGAL_REQUEST)
        }
    }
}

impl Operations for Target {
    fn queue(&self, command: Command, last: bool) {
        if command.repeatable() {
            self.repeatable.fetch_add(1, Ordering::SeqCst);
        }
        if command.cdb().first() == HELD.first() {
            self.last.store(last, Ordering::SeqCst);
            self.held.push(command);
            self.arrived.raise(1);
            return;
        }
        let (status, moved, sense) = match self.answer(&command) {
            Ok(data) => (0, fill(&command, &data), [].as_slice()),
            Err(sense) => (CHECK_CONDITION, 0, sense),
        };
        let residual = command.length() - moved;
        command.complete(Outcome {
            host: HostStatus::Ok,
            status,
            residual,
            sense,
        });
    }

    fn commit(&self) {}

    fn expired(&self, _tag: usize, expiries: u8) {
        self.told.raise(EXPIRED << expiries);
    }

    fn abort(&self, tag: usize) {
        self.aborted.store(tag, Ordering::SeqCst);
        self.told.raise(ABORTED);
    }

    fn reset(&self) {
        self.told.raise(RESET);
    }

    fn timeout(&self) -> Option<u32> {
        None
    }

    fn patience(&self) -> u32 {
        10
    }

    fn stable_pages(&self) -> bool {
        true
    }
}

/// Copies `data` into a command's data buffer, without the code under test; gives how much fitted.
fn fill(command: &Command, data: &[u8]) -> u32 {
    let command = command.as_ptr();

    // SAFETY: The command is valid, and its buffer is the host's. The call stops at the shorter of
    // the two ends.
    unsafe {
        let table = &(*command).sdb.table;
        bindings::sg_copy_from_buffer(table.sgl, table.nents, data.as_ptr().cast(), data.len())
            as u32
    }
}

/// A host with a target, and the target's logical unit 0.
pub(crate) struct Set {
    pub(crate) unit: Arc<Unit>,
    pub(crate) host: Host<Target>,
    pub(crate) target: Arc<Target>,
    _device: Device,
}

impl Set {
    /// A target of this kind that takes so many commands at a time.
    pub(crate) fn new(kind: u8, luns: &'static [u8], commands: u16) -> Result<Self> {
        let device = Device::new()?;
        let target = Arc::pin_init(
            pin_init!(Target {
                kind,
                luns,
                held: CommandList::new(),
                arrived <- Event::new(),
                told <- Event::new(),
                aborted: AtomicUsize::new(usize::MAX),
                last: AtomicBool::new(false),
                repeatable: AtomicU32::new(0),
            }),
            GFP_KERNEL,
        )?;
        let limits = Limits {
            commands,
            commands_per_lun: commands,
            sectors: 2_048,
        };
        let host = Host::new(&device, limits, target.clone())?;
        host.scan(Some(0));
        let unit = Arc::new(Unit::find(&host, 0).ok_or(ENXIO)?, GFP_KERNEL)?;
        Ok(Self {
            unit,
            host,
            target,
            _device: device,
        })
    }
}

/// A logical unit that takes commands.
pub(crate) struct Unit(NonNull<bindings::scsi_device>);

// SAFETY: A device that is referenced takes commands from any thread.
unsafe impl Send for Unit {}
// SAFETY: As above.
unsafe impl Sync for Unit {}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) host: u8,
    pub(crate) status: u8,
    pub(crate) residual: u32,
    pub(crate) sense: [u8; 32],
}

impl Unit {
    pub(crate) fn find<T: Operations>(host: &Host<T>, lun: u64) -> Option<Self> {
        // SAFETY: The host is registered; the call takes a reference to what it returns.
        let device = unsafe { bindings::scsi_device_lookup(host.as_ptr(), 0, 0, lun) };
        NonNull::new(device).map(Self)
    }

    /// Has a command executed that moves the `pieces` of `buffer`, each a segment of its own where
    /// the one before does not end there; its timer runs for so many jiffies.
    pub(crate) fn execute(
        &self,
        cdb: &[u8],
        write: bool,
        buffer: &mut [u8],
        pieces: &[Range<usize>],
        timeout: u32,
    ) -> Result<Answer> {
        let operation = if write {
            bindings::req_op_REQ_OP_DRV_OUT
        } else {
            bindings::req_op_REQ_OP_DRV_IN
        };
        // SAFETY: The device is referenced.
        let queue = unsafe { self.0.as_ref().request_queue };
        // SAFETY: The queue is that of the device.
        let request = from_err_ptr(unsafe { bindings::scsi_alloc_request(queue, operation, 0) })?;
        // SAFETY: The block layer allocates a SCSI device's command right behind the request.
        let command = unsafe { request.add(1).cast::<bindings::scsi_cmnd>() };

        // SAFETY: Request and command are ours until they are executed.
        unsafe {
            (*command).cmd_len = cdb.len() as u16;
            (&mut (*command).cmnd)[..cdb.len()].copy_from_slice(cdb);
            (*command).allowed = 0;
            (*request).timeout = timeout;
        }
        let mapped = pieces.iter().try_for_each(|piece| {
            let piece = &mut buffer[piece.clone()];
            // SAFETY: The piece outlives the request, which is waited for.
            to_result(unsafe {
                bindings::blk_rq_map_kern(
                    request,
                    piece.as_mut_ptr().cast(),
                    piece.len() as u32,
                    kernel::bindings::GFP_KERNEL,
                )
            })
        });
        let answer = mapped.map(|()| {
            // SAFETY: The request is complete.
            unsafe { bindings::blk_execute_rq(request, false) };
            // SAFETY: The request is executed, and ours again.
            let command = unsafe { &*command };
            let mut sense = [0; 32];
            // SAFETY: The sense buffer has SCSI_SENSE_BUFFERSIZE bytes, more than these.
            unsafe {
                command
                    .sense_buffer
                    .copy_to(sense.as_mut_ptr(), sense.len())
            };
            Answer {
                host: (command.result >> 16) as u8,
                status: command.result as u8,
                residual: command.resid_len,
                sense,
            }
        });
        // SAFETY: The request is ours, and is freed once.
        unsafe { bindings::blk_mq_free_request(request) };
        answer
    }

    /// Asks for a reset of the host as SG_SCSI_RESET does: with a command that no queue knows.
    pub(crate) fn reset(&self) -> c_int {
        // SAFETY: Zeroes are what the mid-layer begins with.
        let mut command: bindings::scsi_cmnd = unsafe { MaybeUninit::zeroed().assume_init() };
        command.device = self.0.as_ptr();
        // SAFETY: The device is referenced, and so is its host.
        let host = unsafe { bindings::iscsi_init_host_of_device(command.device) };
        // SAFETY: The template is valid for ever.
        let reset = unsafe { (*(*host).hostt).eh_host_reset_handler };
        // SAFETY: The command has its device, which is all that is looked at.
        reset.map_or(0, |reset| unsafe { reset(&mut command) })
    }

    /// Has a command without data executed.
    pub(crate) fn execute_without_data(&self, cdb: &[u8]) -> Result<Answer> {
        self.execute(cdb, false, &mut [], &[], NO_TIMEOUT)
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: The reference is ours.
        unsafe { bindings::scsi_device_put(self.0.as_ptr()) }
    }
}

/// Longer than a test, in jiffies.
pub(crate) const NO_TIMEOUT: u32 = 10_000_000;

/// A held command without data, executed in a thread.
pub(crate) struct Submission {
    unit: Arc<Unit>,
    timeout: u32,
    result: AtomicI32,
}

impl Run for Submission {
    fn run(&self) {
        let result = match self.unit.execute(&HELD, false, &mut [], &[], self.timeout) {
            Ok(answer) => i32::from(answer.host) << 8 | i32::from(answer.status),
            Err(error) => error.to_errno(),
        };
        self.result.store(result, Ordering::SeqCst);
    }

    fn stop(&self) {}
}

/// A submission under way; dropping it waits for its end.
pub(crate) struct Submitted {
    thread: Thread<Submission>,
    submission: Arc<Submission>,
}

impl Submitted {
    /// Submits one.
    pub(crate) fn new(unit: &Arc<Unit>, timeout: u32) -> Result<Self> {
        let submission = Arc::new(
            Submission {
                unit: unit.clone(),
                timeout,
                result: AtomicI32::new(i32::MIN),
            },
            GFP_KERNEL,
        )?;
        Ok(Self {
            thread: Thread::start(c"iscsi_submit", submission.clone())?,
            submission,
        })
    }

    /// Whether it has ended.
    pub(crate) fn ended(&self) -> bool {
        self.submission.result.load(Ordering::SeqCst) != i32::MIN
    }

    /// Waits for the end: the host's judgement, and the device's status.
    pub(crate) fn result(self) -> (i32, i32) {
        drop(self.thread);
        let result = self.submission.result.load(Ordering::SeqCst);
        (result >> 8, result & 0xff)
    }
}

/// Ends a command as done.
pub(crate) fn succeed(command: Command) {
    command.complete(Outcome {
        host: HostStatus::Ok,
        status: 0,
        residual: 0,
        sense: &[],
    });
}

/// A command that the error handler has taken back, and that it ends in the end.
pub(crate) struct Released(NonNull<bindings::scsi_cmnd>);

impl Released {
    /// Remembers a command that is about to be released.
    pub(crate) fn new(command: &Command) -> Result<Self> {
        NonNull::new(command.as_ptr()).map(Self).ok_or(EINVAL)
    }

    /// Ends it, which nobody else does any more.
    pub(crate) fn end(self) {
        // SAFETY: The mid-layer keeps a command until it is ended, and the host has given it up.
        unsafe { bindings::scsi_done(self.0.as_ptr()) }
    }
}
