// SPDX-License-Identifier: GPL-2.0-only

//! The targets that a machine may boot from, in the order in which they are tried.
//!
//! What names a target may name further ones, and further portals of each. A portal without a name
//! is one more of the target before it, where that has a name; so is one with a name that came
//! before.

use crate::proto::config::target::{
    Portal,
    TargetFault,
    Wanted, //
};

/// The most targets, and the most portals of one besides its first.
pub const CHOICES_MAX: usize = 8;
const FURTHER_MAX: usize = 7;

/// A target that a machine may boot from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice {
    /// The target, with its first portal.
    pub wanted: Wanted,
    further: [Option<Portal>; FURTHER_MAX],
    /// Its boot LUN (0 to [`super::lun::MAX`]), where who names it says so.
    pub lun: Option<u16>,
}

impl Choice {
    /// A target with one portal.
    pub const fn new(wanted: Wanted, lun: Option<u16>) -> Self {
        Self {
            wanted,
            further: [None; FURTHER_MAX],
            lun,
        }
    }

    /// Its further portals, which are used in turn.
    pub fn further(&self) -> impl Iterator<Item = Portal> + '_ {
        self.further.iter().flatten().copied()
    }

    /// Takes one more portal; one that is there already counts once.
    fn add(&mut self, portal: Portal) -> Result<(), TargetFault> {
        if self.wanted.portal() == portal || self.further().any(|other| other == portal) {
            return Ok(());
        }
        let free = self.further.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(TargetFault::TooMany)? = Some(portal);
        Ok(())
    }
}

/// Adds the portal of `wanted` to that of `choices` which it is a further one of; gives back what
/// is a target of its own.
///
/// # Errors
///
/// [`TargetFault::TooMany`]: there is no room for it.
pub fn join(
    choices: &mut [Choice],
    wanted: Wanted,
    lun: Option<u16>,
) -> Result<Option<Choice>, TargetFault> {
    let place = match &wanted {
        Wanted::Named(target) => choices.iter().position(|choice| {
            let has_name =
                matches!(&choice.wanted, Wanted::Named(other) if other.name == target.name);
            has_name && choice.lun == lun
        }),
        Wanted::Any(_) => choices
            .last()
            .filter(|last| matches!(last.wanted, Wanted::Named(_)) && last.lun == lun)
            .map(|_| choices.len().saturating_sub(1)),
    };
    let is_full = choices.len() >= CHOICES_MAX;
    match place.and_then(|place| choices.get_mut(place)) {
        Some(choice) => choice.add(wanted.portal()).map(|()| None),
        None if is_full => Err(TargetFault::TooMany),
        None => Ok(Some(Choice::new(wanted, lun))),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        string::{
            String,
            ToString, //
        },
        vec::Vec, //
    };

    use super::*;
    use crate::proto::config::target::parse_list;

    /// The targets of a list, each with its further portals.
    fn read(text: &str) -> Result<Vec<String>, TargetFault> {
        let mut choices = Vec::new();
        for wanted in parse_list(text) {
            let own = join(&mut choices, wanted.expect(text), None)?;
            choices.extend(own);
        }
        let show = |choice: &Choice| {
            let further: Vec<_> = choice.further().map(|portal| portal.to_string()).collect();
            format!("{} {}", choice.wanted, further.join(" "))
        };
        Ok(choices.iter().map(show).collect())
    }

    const ONE: &str = "eui.0000000000000001";
    const TWO: &str = "eui.0000000000000002";

    #[test]
    fn portals_go_to_their_target() {
        assert_eq!(
            read(&format!(
                "10.0.0.1:{ONE},10.0.1.1,10.0.0.2:{TWO},10.0.2.1,10.0.3.1:{ONE},10.0.0.2"
            )),
            Ok(std::vec![
                format!("10.0.0.1:3260:{ONE} 10.0.1.1:3260 10.0.3.1:3260"),
                format!("10.0.0.2:3260:{TWO} 10.0.2.1:3260"),
            ])
        );
        // Whom nobody has named, each portal has to.
        assert_eq!(
            read(&format!("10.0.0.1,10.0.0.2,10.0.0.3:{ONE}")),
            Ok(std::vec![
                "of portal 10.0.0.1:3260 ".to_string(),
                "of portal 10.0.0.2:3260 ".to_string(),
                format!("10.0.0.3:3260:{ONE} "),
            ])
        );
    }

    #[test]
    fn another_lun_is_another_disk() {
        let wanted = |text| Wanted::parse(text).expect("a target");
        let mut choices = std::vec![Choice::new(
            wanted("10.0.0.1:eui.0000000000000001"),
            Some(1)
        )];
        let other = wanted("10.0.0.2:eui.0000000000000001");
        assert_eq!(join(&mut choices, other.clone(), Some(1)), Ok(None));
        let own = join(&mut choices, other.clone(), Some(2));
        assert_eq!(own, Ok(Some(Choice::new(other, Some(2)))));
    }

    #[test]
    fn there_is_room_for_eight() {
        let portals = |count: u8| {
            let portals: Vec<_> = (1..count).map(|last| format!(",10.0.0.{last}")).collect();
            format!("10.0.0.9:{ONE}{}", portals.join(""))
        };
        assert!(read(&portals(8)).is_ok());
        assert_eq!(read(&portals(9)), Err(TargetFault::TooMany));
        let targets = |count: usize| std::vec!["10.0.0.1"; count].join(",");
        assert_eq!(read(&targets(8)).map(|targets| targets.len()), Ok(8));
        assert_eq!(read(&targets(9)), Err(TargetFault::TooMany));
    }
}
