// SPDX-License-Identifier: GPL-2.0-only

//! Commands that the mid-layer has handed over, and their data over the loopback device.

use super::*;
use crate::linux::{
    clock,
    crc32c::crc32c,
    scsi::testing::{
        Set,
        Submitted,
        Unit,
        HELD,
        ILLEGAL_REQUEST,
        NO_TIMEOUT,
        PROCESSOR,
        UNKNOWN, //
    },
    socket::{
        loopback::{
            pair,
            receive_all,
            Loopback, //
        },
        Socket, //
    },
    tcp::{
        Burst,
        Connection,
        Protocol,
        Stream, //
    },
    testing::in_thread, //
};
use core::{
    ops::Range,
    sync::atomic::AtomicU32, //
};
use kernel::sync::Arc;

/// Leaves everything to who has the lock.
struct Passive;

impl Protocol for Passive {
    fn readable(&mut self, _: &mut Stream<'_>) {}

    fn writable(&mut self, _: &mut Stream<'_>) {}

    fn defer(&mut self) {}

    fn busy(&self) -> bool {
        false
    }

    fn expected(&self) -> u32 {
        0
    }
}

fn connection() -> Result<(Arc<Connection<Passive>>, Socket)> {
    let (socket, peer) = pair()?;
    let connection = Connection::new(Connection::vacant()?, socket, Passive);
    Ok((connection, peer))
}

/// The pieces of a buffer that the tests move: in another order than they have in memory, so that
/// each is a segment.
const PIECES: [Range<usize>; 4] = [8_192..12_288, 0..4_096, 16_384..16_896, 20_480..24_576];
const BUFFER: usize = 24_576;
/// Where each piece ends in the data buffer.
const ENDS: [usize; 4] = [4_096, 8_192, 8_704, 12_800];
const LENGTH: usize = ENDS[3];

/// The byte at a place of the data buffer.
fn pattern(at: usize) -> u8 {
    (at % 253) as u8
}

/// A buffer whose pieces have the pattern, with something else around them.
fn patterned<A: kernel::alloc::Allocator>() -> Result<kernel::alloc::Vec<u8, A>> {
    let mut buffer = kernel::alloc::Vec::from_elem(0xff, BUFFER, GFP_KERNEL)?;
    let places = PIECES.iter().cloned().flatten();
    for (at, place) in places.enumerate() {
        buffer[place] = pattern(at);
    }
    Ok(buffer)
}

/// Executes a held command with `buffer` in a thread, while `work` has the command.
///
/// Gives what `work` gives, how the command ended (host and status), and whether the buffer has the
/// pattern then.
fn with_data<A, R>(
    write: bool,
    buffer: kernel::alloc::Vec<u8, A>,
    work: impl FnOnce(Command) -> R,
) -> Result<(R, u32, bool)>
where
    A: kernel::alloc::Allocator + 'static,
    kernel::alloc::Vec<u8, A>: Send + Sync,
{
    let set = Set::new(PROCESSOR, &[0], 4)?;
    let ended = Arc::new(AtomicU32::new(u32::MAX), GFP_KERNEL)?;
    let same = Arc::new(AtomicU32::new(0), GFP_KERNEL)?;
    let buffer = Buffer(core::cell::UnsafeCell::new(buffer));
    let (unit, thread_ended, thread_same) = (set.unit.clone(), ended.clone(), same.clone());
    let thread = in_thread(move || {
        // SAFETY: This is done once, and nobody else knows the buffer.
        let buffer = unsafe { &mut *{ &buffer }.0.get() };
        let answer = unit.execute(&HELD, write, buffer, &PIECES, NO_TIMEOUT)?;
        let expected = patterned::<A>()?;
        thread_same.store(u32::from(**buffer == *expected), Ordering::SeqCst);
        let host = u32::from(answer.host);
        thread_ended.store(host << 8 | u32::from(answer.status), Ordering::SeqCst);
        Ok(())
    })?;
    let command = set.target.take(1)?.pop().ok_or(EINVAL)?;
    let result = work(command);
    drop(thread);
    let same = same.load(Ordering::SeqCst) == 1;
    Ok((result, ended.load(Ordering::SeqCst), same))
}

/// A buffer that one thread fills.
struct Buffer<A: kernel::alloc::Allocator>(core::cell::UnsafeCell<kernel::alloc::Vec<u8, A>>);

// SAFETY: One thread alone touches it.
unsafe impl<A: kernel::alloc::Allocator> Sync for Buffer<A> {}

fn ended(status: u8, residual: u32, sense: &[u8]) -> Outcome<'_> {
    Outcome {
        host: HostStatus::Ok,
        status,
        residual,
        sense,
    }
}

/// Sends the whole data buffer in steps that no segment ends with, and gives what the peer gets.
///
/// Behind each step there is one byte, copied.
fn send(command: &Command, step: u32) -> Result<KVec<u8>> {
    const MARK: u8 = 0xfe;
    let (connection, peer) = connection()?;
    let mut burst = Burst::new()?;
    let mut buffer = command.buffer();
    let mut received = KVec::from_elem(0, 2 * LENGTH, GFP_KERNEL)?;
    let mut length = 0;
    let mut at = 0;
    let mut crc = u32::MAX;

    while at < LENGTH as u32 {
        let from = burst.pieces();
        let added = burst.add(&mut buffer, at, step);
        if added != step.min(LENGTH as u32 - at) {
            return Err(EINVAL);
        }
        crc = burst.crc32c(from, crc);
        at += added;
        length += added as usize + 1;
        if !burst.holds(command.tag()) || !connection.with(|_, stream| burst.copy(stream, &[MARK]))
        {
            return Err(EINVAL);
        }
        // Several steps in a burst.
        let sent = at % 3 == 0 || connection.with(|_, stream| stream.send(&mut burst, true))?;
        if !sent {
            return Err(EAGAIN);
        }
    }
    // Beyond the end there is nothing.
    if burst.add(&mut buffer, LENGTH as u32, 1) != 0 {
        return Err(EINVAL);
    }
    if !connection.with(|_, stream| stream.send(&mut burst, false))? || !burst.is_empty() {
        return Err(EAGAIN);
    }
    let holds = burst.holds(command.tag());
    drop(connection);
    received.truncate(length);
    if holds || receive_all(&peer, &mut received)? != length {
        return Err(EINVAL);
    }
    let mut sent = KVec::with_capacity(LENGTH, GFP_KERNEL)?;
    for step in received.chunks(step as usize + 1) {
        let (mark, data) = step.split_last().ok_or(EINVAL)?;
        if *mark != MARK {
            return Err(EINVAL);
        }
        sent.extend_from_slice(data, GFP_KERNEL)?;
    }
    if crc != crc32c(u32::MAX, &sent) {
        return Err(EINVAL);
    }
    Ok(sent)
}

fn is_patterned(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte == pattern(at))
}

#[kunit_tests(iscsi_init_command)]
mod cases {
    use super::*;

    #[test]
    fn status_residual_and_sense_arrive() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let answer = set.unit.execute_without_data(&UNKNOWN)?;
        assert_eq!((answer.host, answer.status), (0, 2));
        assert_eq!(&answer.sense[..24], ILLEGAL_REQUEST.as_slice());
        assert_eq!(&answer.sense[24..], [0; 8].as_slice());

        // INQUIRY has 36 bytes here.
        let mut buffer = KVec::from_elem(0, 100, GFP_KERNEL)?;
        let cdb = [0x12, 0, 0, 0, 100, 0];
        let answer = set
            .unit
            .execute(&cdb, false, &mut buffer, &[0..40, 40..100], NO_TIMEOUT)?;
        assert_eq!((answer.host, answer.status), (0, 0));
        assert_eq!(answer.residual, 64);
        assert_eq!(&buffer[8..16], b"ISCSI   ");
        Ok(())
    }

    #[test]
    fn the_hosts_judgement_arrives() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let judgements = [
            (HostStatus::NoConnect, 0x01),
            (HostStatus::Error, 0x07),
            (HostStatus::Disrupted, 0x0e),
        ];
        for (host, number) in judgements {
            let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
            for command in set.target.take(1)? {
                command.complete(Outcome {
                    host,
                    ..ended(0, 0, &[])
                });
            }
            assert_eq!(submitted.result(), (number, 0));
        }
        // What nobody ends has failed.
        let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
        drop(set.target.take(1)?);
        assert_eq!(submitted.result(), (0x07, 0));
        Ok(())
    }

    #[test]
    fn a_command_says_what_it_is() -> Result {
        let buffer = patterned::<kernel::alloc::allocator::Kmalloc>()?;
        let (seen, ended_as, _) = with_data(true, buffer, |command| {
            let seen = (
                command.direction(),
                command.length(),
                command.lun(),
                command.cdb() == HELD,
                command.repeatable(),
            );
            command.complete(ended(0, 0, &[]));
            seen
        })?;
        assert_eq!(seen, (Direction::Write, LENGTH as u32, 0, true, false));
        assert_eq!(ended_as, 0);

        let set = Set::new(PROCESSOR, &[0, 3], 4)?;
        set.host.scan(Some(3));
        let unit = Unit::find(&set.host, 3).ok_or(ENXIO)?;
        let submitted = Submitted::new(&Arc::new(unit, GFP_KERNEL)?, NO_TIMEOUT)?;
        let mut seen = (Direction::Read, 1, 0);
        for command in set.target.take(1)? {
            seen = (command.direction(), command.length(), command.lun());
            command.complete(ended(0, 0, &[]));
        }
        drop(submitted);
        assert_eq!(seen, (Direction::None, 0, 3));
        Ok(())
    }

    #[test]
    fn a_transfer_too_short_to_be_of_use_is_no_success() -> Result {
        for (underflow, status, expected) in [(1, 0, 0x700), (0, 0, 0), (1, 0x18, 0x18)] {
            let buffer = patterned::<kernel::alloc::allocator::Kmalloc>()?;
            let ((), ended_as, _) = with_data(false, buffer, |command| {
                // SAFETY: The command is the host's.
                unsafe { (*command.as_ptr()).underflow = underflow };
                let residual = command.length();
                command.complete(ended(status, residual, &[]));
            })?;
            assert_eq!(ended_as, expected);
        }
        Ok(())
    }

    #[test]
    fn pages_reach_the_peer_in_the_order_of_the_buffer() -> Result {
        let _up = Loopback::new()?;
        // Whole, and in steps that end inside of segments.
        for step in [LENGTH as u32, 1_000, 5_000] {
            // From the slab allocator, which the network stack must copy.
            let buffer = patterned::<kernel::alloc::allocator::Kmalloc>()?;
            let (received, ..) = with_data(true, buffer, |command| send(&command, step))?;
            assert!(is_patterned(&received?));
            // Whole pages, which it need not.
            let buffer = patterned::<kernel::alloc::allocator::Vmalloc>()?;
            let (received, ..) = with_data(true, buffer, |command| send(&command, step))?;
            assert!(is_patterned(&received?));
        }
        Ok(())
    }

    #[test]
    fn received_bytes_are_put_where_they_belong() -> Result {
        let _up = Loopback::new()?;
        let (connection, peer) = connection()?;
        let mut bytes = KVec::with_capacity(LENGTH, GFP_KERNEL)?;
        for at in 0..LENGTH {
            bytes.push(pattern(at), GFP_KERNEL)?;
        }
        // The second part of the buffer first, in two packets; neither ends where a segment does.
        let (front, back) = bytes.split_at(6_000);
        let buffer = kernel::alloc::KVec::from_elem(0xff, BUFFER, GFP_KERNEL)?;
        let (result, ended_as, same) = with_data(false, buffer, |mut command| {
            let mut result = Ok(());
            let mut crc = u32::MAX;
            for (start, part) in [(6_000, back), (0, front)] {
                peer.send_all(&part[..2_500])?;
                peer.send_all(&part[2_500..])?;
                let (mut at, end) = (start, start + part.len() as u32);
                while at < end && result.is_ok() {
                    connection.with(|_, stream| {
                        stream.receive(|chunk| {
                            let wanted = (end - at).min(3_333);
                            let (seen, crc) = (chunk.crc32c(wanted, crc), &mut crc);
                            match command.receive(at, chunk, wanted, Some(crc)) {
                                Ok(_) if *crc != seen => result = Err(EBADMSG),
                                Ok(taken) => at += taken,
                                Err(error) => result = Err(error),
                            }
                        })
                    });
                    clock::sleep(1);
                }
            }
            command.complete(ended(0, 0, &[]));
            if crc != crc32c(crc32c(u32::MAX, back), front) {
                return Err(EBADMSG);
            }
            result
        })?;
        assert_eq!(result, Ok(()));
        assert_eq!(ended_as, 0);
        assert!(same);
        Ok(())
    }

    #[test]
    fn what_reaches_beyond_the_buffer_is_an_error() -> Result {
        let _up = Loopback::new()?;
        let (connection, peer) = connection()?;
        peer.send_all(&[0; 100])?;
        let buffer = patterned::<kernel::alloc::allocator::Kmalloc>()?;
        let (results, ..) = with_data(false, buffer, |mut command| {
            let mut results = KVec::with_capacity(4, GFP_KERNEL)?;
            while results.is_empty() {
                clock::sleep(1);
                connection.with(|_, stream| {
                    stream.receive(|chunk| {
                        for offset in [LENGTH as u32, LENGTH as u32 - 10, u32::MAX] {
                            let result = command.receive(offset, chunk, 20, None);
                            let _ = results.push(result, GFP_ATOMIC);
                        }
                        chunk.skip(chunk.len());
                    })
                });
            }
            command.complete(ended(0, 0, &[]));
            Ok::<_, Error>(results)
        })?;
        let error = || Err(EFAULT);
        assert_eq!(&*results?, [error(), error(), error()].as_slice());
        Ok(())
    }

    #[test]
    fn expiries_count_from_the_time_of_sending() -> Result {
        // One tag, so that the second command has the memory of the first.
        let set = Set::new(PROCESSOR, &[0], 1)?;
        for _ in 0..2 {
            let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
            let mut counts = [None; 5];
            for command in set.target.take(1)? {
                // SAFETY: The command was queued, and ends only below.
                let count = || unsafe { Command::count_expiry(command.as_ptr()) };
                counts[0] = count();
                command.set_sent(true);
                counts[1] = count();
                counts[2] = count();
                (0..300).for_each(|_| counts[3] = count());
                command.set_sent(false);
                counts[4] = count();
                command.set_sent(true);
                command.complete(ended(0, 0, &[]));
            }
            assert_eq!(submitted.result(), (0, 0));
            assert_eq!(counts, [None, Some(0), Some(1), Some(254), None]);
        }
        Ok(())
    }

    #[test]
    fn the_time_of_a_renewed_command_begins_anew() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
        let command = set.target.take(1)?.pop().ok_or(EINVAL)?;
        let before = command.fields().jiffies_at_alloc;
        clock::sleep(100);
        command.renew();
        let since = command.fields().jiffies_at_alloc.wrapping_sub(before);
        drop(command);
        assert_eq!(submitted.result(), (0x07, 0));
        // Less than half of the numbers: not before.
        assert!((1..usize::MAX / 2).contains(&since));
        Ok(())
    }

    #[test]
    fn a_list_has_commands_in_their_order_and_fails_what_it_keeps() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let list = CommandList::new();
        assert!(list.is_empty());
        let submitted = [
            Submitted::new(&set.unit, NO_TIMEOUT)?,
            Submitted::new(&set.unit, NO_TIMEOUT)?,
            Submitted::new(&set.unit, NO_TIMEOUT)?,
        ];
        let mut tags = KVec::new();
        for command in set.target.take(3)? {
            tags.push(command.tag(), GFP_KERNEL)?;
            list.push(command);
        }
        assert!(!list.is_empty());
        let mut taken = list.take();
        assert!(list.is_empty());
        let first = taken.next().ok_or(EINVAL)?;
        let second = taken.next().ok_or(EINVAL)?;
        let seen = [first.tag(), second.tag()];
        // One goes with what was taken, two with the list.
        drop(taken);
        list.push(first);
        list.push(second);
        drop(list);
        for submitted in submitted {
            assert_eq!(submitted.result(), (0x07, 0));
        }
        assert_eq!(&seen, &tags[..2]);
        Ok(())
    }
}
