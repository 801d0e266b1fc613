// SPDX-License-Identifier: GPL-2.0-only

//! The commands a host has, found by tag in constant time.
//!
//! A command's place is its block layer tag, so the table is made once, and to find a task by its
//! Initiator Task Tag is an index and a compare. The tag's other half counts the uses of the place:
//! what a target says about an earlier command never reaches a later one.

use crate::{
    linux::scsi::{
        Buffer,
        Command,
        HostStatus, //
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
    /// The data buffer, between two PDUs that are sent from it.
    pub(super) buffer: Option<Buffer>,
    /// What the protocol knows of it; `None` before it is sent.
    pub(super) task: Option<Task>,
    /// It was sent before, and the end of that left open what became of it.
    pub(super) repeated: bool,
    /// How often the target has not answered it in time on this connection.
    pub(super) setbacks: u8,
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
            buffer: None,
            task: None,
            repeated: false,
            setbacks: 0,
        });
        Some(itt(place.uses, tag))
    }

    /// The command with this tag, if it is still there.
    pub(super) fn get(&mut self, itt: Itt) -> Option<&mut Running> {
        let (uses, tag) = parts(itt);
        let place = self.places.get_mut(tag)?;
        place.running.as_mut().filter(|_| place.uses == uses)
    }

    /// Gives away the command with this tag.
    pub(super) fn remove(&mut self, itt: Itt) -> Option<Running> {
        self.get(itt)?;
        let (_, tag) = parts(itt);
        let running = self.places.get_mut(tag)?.running.take()?;
        self.count = self.count.saturating_sub(1);
        Some(running)
    }

    /// Whether there is a command with this block layer tag.
    pub(super) fn holds(&self, tag: usize) -> bool {
        self.places
            .get(tag)
            .is_some_and(|place| place.running.is_some())
    }

    /// Gives up the command with this block layer tag, which the error handler has taken back;
    /// false when it cannot be given up now.
    pub(super) fn release(&mut self, tag: usize) -> bool {
        let Some(place) = self.places.get_mut(tag) else {
            return true;
        };
        let Some(mut running) = place.running.take() else {
            return true;
        };
        running.buffer = None;
        match running.command.release() {
            Ok(()) => {
                self.count = self.count.saturating_sub(1);
                true
            }
            Err(command) => {
                place.running = Some(Running { command, ..running });
                false
            }
        }
    }

    /// The command with this block layer tag, if it has been sent, and the tag of its task.
    pub(super) fn sent(&mut self, tag: usize) -> Option<(Itt, &mut Running)> {
        let place = self.places.get_mut(tag)?;
        let itt = itt(place.uses, tag);
        let running = place.running.as_mut()?;
        running.task.is_some().then_some((itt, running))
    }

    /// Whether any command has been sent.
    pub(super) fn any_sent(&self) -> bool {
        let mut running = self
            .places
            .iter()
            .filter_map(|place| place.running.as_ref());
        running.any(|running| running.task.is_some())
    }

    /// Makes every command unsent again, under a new tag that `each` gets; those that must not be
    /// repeated end.
    pub(super) fn renew_all(&mut self, each: impl FnMut(Itt)) {
        for place in &mut self.places {
            if let Some(running) = &mut place.running {
                running.setbacks = 0;
            }
        }
        self.renew(|_, _| true, each);
    }

    /// The same for those that `concerned` picks by the tag of their task.
    pub(super) fn renew(
        &mut self,
        concerned: impl Fn(Itt, &Running) -> bool,
        mut each: impl FnMut(Itt),
    ) {
        for (tag, place) in self.places.iter_mut().enumerate() {
            let Some(running) = &mut place.running else {
                continue;
            };
            if !concerned(itt(place.uses, tag), running) {
                continue;
            }
            // Else a BUSY that comes next would be the last that is retried.
            running.command.renew();
            let sent = running.task.take().is_some();
            if sent && !running.command.repeatable() {
                self.count = self.count.saturating_sub(1);
                if let Some(running) = place.running.take() {
                    running.command.end(HostStatus::Disrupted);
                }
                continue;
            }
            running.repeated |= sent;
            running.buffer = None;
            running.command.set_sent(false);
            place.uses = place.uses.wrapping_add(1);
            each(itt(place.uses, tag));
        }
    }

    /// Ends every command with `status`.
    pub(super) fn end_all(&mut self, status: HostStatus) {
        self.end_those(status, |_| true);
    }

    /// Ends the commands that `concerned` picks.
    pub(super) fn end_those(&mut self, status: HostStatus, concerned: impl Fn(&Command) -> bool) {
        for place in &mut self.places {
            let running = &mut place.running;
            if let Some(running) = running.take_if(|running| concerned(&running.command)) {
                self.count = self.count.saturating_sub(1);
                running.command.end(status);
            }
        }
    }
}

impl Running {
    /// The command is to be sent again: it is as if it had just come.
    pub(super) fn again(self) -> Command {
        self.command.set_sent(false);
        self.command
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
        linux::{
            clock,
            scsi::testing::{
                Released,
                Set,
                Submitted,
                NO_TIMEOUT,
                PROCESSOR, //
            },
            scsi::Outcome, //
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
        let running = tasks.remove(itt).ok_or(EINVAL)?;
        let twice = tasks.remove(itt).is_some() || tasks.get(itt).is_some();
        running.command.complete(good());
        assert_eq!(submitted.result(), GOOD);
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
            tasks.remove(itt).ok_or(EINVAL)?.command.complete(good());
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
        tasks.renew_all(|itt| {
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
        tasks.remove(new).ok_or(EINVAL)?.command.complete(good());
        assert_eq!(lost, DISRUPTED);
        assert_eq!(waiting.result(), GOOD);
        assert_eq!((renewed.len(), count), (1, 1));
        assert!(!old);
        assert_eq!(seen, (tag, false, false));
        Ok(())
    }

    #[test]
    fn only_commands_that_are_picked_are_renewed() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (given_up, one) = submit(&set)?;
        let (left, two) = submit(&set)?;
        let tag = two.tag();
        let picked = tasks.insert(one).ok_or(EINVAL)?;
        let itt = tasks.insert(two).ok_or(EINVAL)?;
        let unsent = tasks.sent(tag).is_some();
        tasks.get(picked).ok_or(EINVAL)?.task = sent();
        tasks.get(itt).ok_or(EINVAL)?.task = sent();

        let mut renewed = 0;
        tasks.renew(|itt, _| itt == picked, |_| renewed += 1);
        let given_up = given_up.result();
        let found = tasks.sent(tag).map(|(itt, _)| itt);
        let gone = tasks.get(picked).is_none();
        tasks.remove(itt).ok_or(EINVAL)?.command.complete(good());
        assert_eq!(left.result(), GOOD);
        // It may not be repeated.
        assert_eq!((given_up, renewed, gone), (DISRUPTED, 0, true));
        assert_eq!((unsent, found), (false, Some(itt)));
        Ok(())
    }

    #[test]
    fn a_command_that_is_sent_again_has_a_new_tag() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (submitted, command) = submit(&set)?;
        let tag = command.tag();
        let old = tasks.insert(command).ok_or(EINVAL)?;
        tasks.get(old).ok_or(EINVAL)?.task = sent();

        let command = tasks.remove(old).ok_or(EINVAL)?.again();
        let new = tasks.insert(command).ok_or(EINVAL)?;
        let there = tasks.get(old).is_some();
        let unsent = tasks.get(new).ok_or(EINVAL)?.task.is_none();
        let holds = tasks.holds(tag);
        tasks.remove(new).ok_or(EINVAL)?.command.complete(good());
        assert_eq!(submitted.result(), GOOD);
        assert_eq!((there, unsent, holds), (false, true, true));
        Ok(())
    }

    #[test]
    fn a_command_whose_buffer_is_held_ends_with_its_last_holder() -> Result {
        let set = set()?;
        let mut tasks = Tasks::new(COUNT)?;
        let (submitted, command) = submit(&set)?;
        let tag = command.tag();
        let itt = tasks.insert(command).ok_or(EINVAL)?;
        let buffer = tasks.get(itt).ok_or(EINVAL)?.command.buffer();

        // The error handler does not get it meanwhile.
        let refused = !tasks.release(tag) && tasks.holds(tag) && tasks.len() == 1;
        tasks.remove(itt).ok_or(EINVAL)?.command.complete(good());
        clock::sleep(50);
        let early = submitted.ended();
        let held = buffer.tag();
        drop(buffer);
        assert_eq!(submitted.result(), GOOD);
        assert_eq!((refused, early, held), (true, false, tag));
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
        let done = tasks.release(tag);
        let there = tasks.holds(tag) || tasks.get(itt).is_some() || tasks.len() != 0;
        // No command, no harm.
        let done = done && tasks.release(tag) && tasks.release(usize::MAX);
        tasks.end_all(HostStatus::NoConnect);
        released.end();
        assert_eq!(submitted.result(), GOOD);
        assert!(!there && done);
        Ok(())
    }
}
