// SPDX-License-Identifier: GPL-2.0-only

//! The commands a host has, found by tag in constant time.
//!
//! A command's place is its block layer tag, so the table is made once, and to find a task by its
//! Initiator Task Tag is an index and a compare. The tag's other half counts the uses of the place:
//! what a target says about an earlier command never reaches a later one.

use crate::{
    linux::scsi::{
        Command,
        Cursor,
        HostStatus,
        Outcome, //
    },
    proto::iscsi::{
        tag::Itt,
        task::Task, //
    },
};
use kernel::prelude::*;

/// A command from its hand-over by the mid-layer to its completion.
pub(super) struct Running {
    pub(super) command: Command,
    /// Where in the data buffer the last copy ended.
    pub(super) cursor: Cursor,
    /// What the protocol knows of it; `None` before it is sent.
    pub(super) task: Option<Task>,
    /// It was sent in an earlier session whose end left open what became of it.
    pub(super) repeated: bool,
    /// It has been answered, and what is to become of it once none of its pages are lent.
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    /// The mid-layer gets it back, as its command was told.
    Done,
    /// It is sent again.
    Again,
}

#[derive(Default)]
struct Place {
    uses: u16,
    running: Option<Running>,
}

/// All commands of a host.
pub(super) struct Tasks {
    places: KVec<Place>,
    count: usize,
}

impl Tasks {
    /// Room for `count` commands, whose tags are less than that.
    pub(super) fn new(count: u16) -> Result<Self> {
        let mut places = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        for _ in 0..count {
            places.push(Place::default(), GFP_KERNEL)?;
        }
        Ok(Self { places, count: 0 })
    }

    /// How many commands there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes in a command; returns the tag its task will have. A command without a place of its own
    /// is completed as failed, which its `Command` does when dropped.
    pub(super) fn insert(&mut self, command: Command) -> Option<Itt> {
        let tag = command.tag();
        let place = self.places.get_mut(tag)?;

        if place.running.is_none() {
            self.count = self.count.saturating_add(1);
        }
        place.uses = place.uses.wrapping_add(1);
        place.running = Some(Running {
            command,
            cursor: Cursor::default(),
            task: None,
            repeated: false,
            end: None,
        });
        Some(itt(place.uses, tag))
    }

    /// The command with this tag, if it is still there.
    pub(super) fn get(&mut self, itt: Itt) -> Option<&mut Running> {
        let (uses, tag) = parts(itt);
        let place = self.places.get_mut(tag)?;
        place.running.as_mut().filter(|_| place.uses == uses)
    }

    /// Lets a command go that has been answered; gives a new tag for one that is to be sent again.
    /// Does nothing with any other.
    pub(super) fn finish(&mut self, itt: Itt) -> Option<Itt> {
        let end = self.get(itt)?.end?;
        let (_, tag) = parts(itt);
        let command = self.places.get_mut(tag)?.running.take()?.command;
        self.count = self.count.saturating_sub(1);
        match end {
            End::Done => {
                command.done();
                None
            }
            End::Again => self.insert(command),
        }
    }

    /// Lets all commands go that have been answered, but for those that are to be sent again.
    pub(super) fn finish_all(&mut self) {
        for place in &mut self.places {
            let answered = |running: &mut Running| matches!(running.end.take(), Some(End::Done));
            if let Some(running) = place.running.take_if(answered) {
                self.count = self.count.saturating_sub(1);
                running.command.done();
            }
        }
    }

    /// Whether there is a command with this block layer tag.
    pub(super) fn holds(&self, tag: usize) -> bool {
        self.places
            .get(tag)
            .is_some_and(|place| place.running.is_some())
    }

    /// Gives up the command with this block layer tag, which the error handler has taken back.
    pub(super) fn release(&mut self, tag: usize) {
        let place = self.places.get_mut(tag);
        if let Some(running) = place.and_then(|place| place.running.take()) {
            self.count = self.count.saturating_sub(1);
            running.command.release();
        }
    }

    /// Makes every command unsent again, under a new tag that `each` gets; those that
    /// must not be repeated end.
    pub(super) fn renew(&mut self, mut each: impl FnMut(Itt)) {
        for (tag, place) in self.places.iter_mut().enumerate() {
            let Some(running) = &mut place.running else {
                continue;
            };
            let sent = running.task.take().is_some();
            if sent && !running.command.repeatable() {
                self.count = self.count.saturating_sub(1);
                if let Some(running) = place.running.take() {
                    running.end(HostStatus::Disrupted);
                }
                continue;
            }
            running.repeated |= sent;
            running.cursor = Cursor::default();
            running.command.set_sent(false);
            place.uses = place.uses.wrapping_add(1);
            each(itt(place.uses, tag));
        }
    }

    /// Ends every command with `status`.
    pub(super) fn end_all(&mut self, status: HostStatus) {
        for place in &mut self.places {
            if let Some(running) = place.running.take() {
                running.end(status);
            }
        }
        self.count = 0;
    }
}

impl Running {
    /// The command ends like this once none of its pages are lent.
    pub(super) fn conclude(&mut self, outcome: Outcome<'_>) {
        self.task = None;
        self.command.conclude(outcome);
        self.end = Some(End::Done);
    }

    /// The command is sent again once none of its pages are lent.
    pub(super) fn again(&mut self) {
        self.task = None;
        self.command.set_sent(false);
        self.end = Some(End::Again);
    }

    /// Completes a command that has no result from the device.
    pub(super) fn end(self, status: HostStatus) {
        let residual = self.command.length();
        self.command.complete(Outcome {
            host: status,
            status: 0,
            residual,
            sense: &[],
        });
    }
}

/// Uses in the upper half, tag in the lower; tags are small, so no task
/// ever has the reserved value.
fn itt(uses: u16, tag: usize) -> Itt {
    // CAST: The table has fewer than 2^16 places.
    Itt::new((u32::from(uses) << 16) | tag as u32)
}

fn parts(itt: Itt) -> (u16, usize) {
    // CAST: The upper half of 32 bits fits 16.
    ((itt.value() >> 16) as u16, (itt.value() & 0xffff) as usize)
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_tasks)]
mod tests {
    use super::*;
    use crate::{
        linux::scsi::testing::{
            Released,
            Set,
            Submitted,
            NO_TIMEOUT,
            PROCESSOR, //
        },
        proto::iscsi::{
            lun::Lun,
            parameters::Parameters,
            pdu::request::Direction, //
        },
    };

    /// Commands a host takes at a time.
    const COUNT: u16 = 4;
    const GOOD: (i32, i32) = (0, 0);
    /// `DID_NO_CONNECT`, `DID_ERROR` and `DID_TRANSPORT_DISRUPTED`.
    const NO_CONNECT: (i32, i32) = (0x01, 0);
    const ERROR: (i32, i32) = (0x07, 0);
    const DISRUPTED: (i32, i32) = (0x0e, 0);

    fn set() -> Result<Set> {
        Set::new(PROCESSOR, &[0], COUNT)
    }

    /// Submits a command: who waits for its end, and what the host gets.
    fn submit(set: &Set) -> Result<(Submitted, Command)> {
        let submitted = Submitted::new(&set.unit, NO_TIMEOUT)?;
        let command = set.target.take(1)?.pop().ok_or(EINVAL)?;
        Ok((submitted, command))
    }

    fn good() -> Outcome<'static> {
        Outcome {
            host: HostStatus::Ok,
            status: 0,
            residual: 0,
            sense: &[],
        }
    }

    /// What a command has once it is sent.
    fn sent() -> Option<Task> {
        let lun = Lun::from_scsilun(0);
        Some(Task::new(lun, Direction::None, 0, &Parameters::default()))
    }

    #[test]
    fn a_command_is_found_by_its_tag_until_it_is_removed() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (submitted, command) = submit(&set)?;
        let tag = command.tag();
        assert!(!tasks.holds(tag));

        let itt = tasks.insert(command).ok_or(EINVAL)?;
        let (held, count) = (tasks.holds(tag), tasks.len());
        let found = tasks.get(itt).map(|running| running.command.tag());
        let other = tasks.get(Itt::new(itt.value() ^ 1)).is_some();
        let earlier = tasks.get(Itt::new(itt.value().wrapping_sub(1 << 16)));
        let earlier = earlier.is_some() || tasks.get(Itt::RESERVED).is_some();
        // Nobody has answered it.
        let early = tasks.finish(itt).is_some() || !tasks.holds(tag);
        tasks.get(itt).ok_or(EINVAL)?.conclude(good());
        let again = tasks.finish(itt).is_some();
        let twice = tasks.finish(itt).is_some() || tasks.get(itt).is_some();
        assert_eq!(submitted.result(), GOOD);
        assert_eq!((early, again), (false, false));
        assert_eq!((held, count), (true, 1));
        assert_eq!(found, Some(tag));
        assert_eq!((other, earlier, twice), (false, false, false));
        assert_eq!((tasks.holds(tag), tasks.len()), (false, 0));
        Ok(())
    }

    #[test]
    fn an_earlier_use_of_a_place_has_another_tag() -> Result {
        let set = Set::new(PROCESSOR, &[0], 1)?;
        let mut tasks = Tasks::new(1)?;
        let mut earlier = Itt::RESERVED;
        for _ in 0..3 {
            let (submitted, command) = submit(&set)?;
            let itt = tasks.insert(command).ok_or(EINVAL)?;
            let found = tasks.get(earlier).is_some();
            tasks.get(itt).ok_or(EINVAL)?.conclude(good());
            tasks.finish(itt);
            assert_eq!(submitted.result(), GOOD);
            assert!(!found);
            assert!(itt != earlier);
            earlier = itt;
        }
        Ok(())
    }

    #[test]
    fn a_command_without_a_place_fails() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(1)?;
        let (first, one) = submit(&set)?;
        let (second, two) = submit(&set)?;
        // Either tag may be the one that has a place.
        let has_place = [one.tag() == 0, two.tag() == 0];
        let taken = [tasks.insert(one).is_some(), tasks.insert(two).is_some()];
        let count = tasks.len();
        tasks.end_all(HostStatus::NoConnect);
        let results = [first.result(), second.result()];
        assert_eq!(taken, has_place);
        assert_eq!(count, usize::from(has_place[0]) + usize::from(has_place[1]));
        let expected = has_place.map(|has| if has { NO_CONNECT } else { ERROR });
        assert_eq!(results, expected);
        assert_eq!(tasks.len(), 0);
        Ok(())
    }

    #[test]
    fn renewed_commands_have_new_tags_and_sent_ones_may_not_be_repeated() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (waiting, one) = submit(&set)?;
        let (lost, two) = submit(&set)?;
        let tag = one.tag();
        let unsent = tasks.insert(one).ok_or(EINVAL)?;
        let itt = tasks.insert(two).ok_or(EINVAL)?;
        tasks.get(itt).ok_or(EINVAL)?.task = sent();

        let mut renewed = KVec::with_capacity(4, GFP_KERNEL)?;
        tasks.renew(|itt| {
            // There is room.
            let _ = renewed.push(itt, GFP_KERNEL);
        });
        let lost = lost.result();
        let old = tasks.get(unsent).is_some() || tasks.get(itt).is_some();
        let count = tasks.len();
        let new = *renewed.first().ok_or(EINVAL)?;
        let running = tasks.get(new).ok_or(EINVAL)?;
        let seen = (
            running.command.tag(),
            running.repeated,
            running.task.is_some(),
        );
        running.conclude(good());
        tasks.finish(new);
        assert_eq!(lost, DISRUPTED);
        assert_eq!(waiting.result(), GOOD);
        assert_eq!((renewed.len(), count), (1, 1));
        assert!(!old);
        assert_eq!(seen, (tag, false, false));
        Ok(())
    }

    #[test]
    fn an_answered_command_ends_or_is_sent_again_when_it_may() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (ended, one) = submit(&set)?;
        let (repeated, two) = submit(&set)?;
        let (open, three) = submit(&set)?;
        let first = tasks.insert(one).ok_or(EINVAL)?;
        let second = tasks.insert(two).ok_or(EINVAL)?;
        let third = tasks.insert(three).ok_or(EINVAL)?;
        tasks.get(first).ok_or(EINVAL)?.conclude(good());
        tasks.get(second).ok_or(EINVAL)?.again();
        // Whatever else is said of an answered command is about none.
        let task = tasks.get(first).ok_or(EINVAL)?.task.is_some();
        let new = tasks.finish(second).ok_or(EINVAL)?;
        let old = tasks.get(second).is_some();
        tasks.get(new).ok_or(EINVAL)?.again();
        tasks.finish_all();
        let count = tasks.len();
        // It has stayed, under its tag until the tags are new.
        let stayed = tasks.get(new).is_some() && tasks.get(third).is_some();
        tasks.end_all(HostStatus::NoConnect);
        assert_eq!(ended.result(), GOOD);
        assert_eq!([repeated.result(), open.result()], [NO_CONNECT; 2]);
        assert_eq!((task, old, count, stayed), (false, false, 2, true));
        Ok(())
    }

    #[test]
    fn a_released_command_is_nobodys() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (submitted, command) = submit(&set)?;
        let tag = command.tag();
        let released = Released::new(&command)?;
        let itt = tasks.insert(command).ok_or(EINVAL)?;
        tasks.release(tag);
        let there = tasks.holds(tag) || tasks.get(itt).is_some() || tasks.len() != 0;
        // No command, no harm.
        tasks.release(tag);
        tasks.release(usize::MAX);
        tasks.end_all(HostStatus::NoConnect);
        released.end();
        assert_eq!(submitted.result(), GOOD);
        assert!(!there);
        Ok(())
    }
}
