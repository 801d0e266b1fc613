// SPDX-License-Identifier: GPL-2.0-only

//! The status of a Login Response.
//!
//! Source: RFC 7143 section 11.13.5.

/// Status-Class and Status-Detail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginStatus {
    /// 0 success, 1 redirection, 2 initiator error, 3 target error.
    pub class: u8,
    /// What it is in that class.
    pub detail: u8,
}

impl LoginStatus {
    /// The target cannot make sense of the login.
    pub const INITIATOR_ERROR: Self = Self {
        class: 2,
        detail: 0,
    };

    /// The login goes on.
    pub(in crate::proto::iscsi) const CLASS_SUCCESS: u8 = 0;
    /// The target is elsewhere.
    pub(in crate::proto::iscsi) const CLASS_REDIRECTION: u8 = 1;
    /// The detail of class 1 for a move that lasts.
    pub(in crate::proto::iscsi) const MOVED_PERMANENTLY: u8 = 2;

    /// Class and detail as one number, 0x0201 for class 2 detail 1.
    pub const fn code(self) -> u16 {
        u16::from_be_bytes([self.class, self.detail])
    }

    /// Whether the RFC allows the same login to be tried again later (class 3).
    pub const fn may_be_retried(self) -> bool {
        self.class == 3
    }

    /// The RFC's name of the status and what a person can check, if it is one of the RFC's.
    const fn explanation(self) -> Option<(&'static str, &'static str)> {
        Some(match self.code() {
            0x0200 => (
                "Initiator error",
                "look at the target's log, and with a password at CHAPAlgorithms",
            ),
            0x0201 => (
                "Authentication failure",
                "check the user names and passwords, in both directions, and CHAPAlgorithms, \
                 against the target's settings for this initiator",
            ),
            0x0202 => (
                "Authorization failure",
                "check that the target's access list has this initiator name and address",
            ),
            0x0203 => (
                "Not found",
                "check the target name, and that the target is enabled for this initiator",
            ),
            0x0204 => (
                "Target removed",
                "check where the target went; no new address was given",
            ),
            0x0205 => (
                "Unsupported version",
                "check that the target speaks iSCSI version 0",
            ),
            0x0206 => (
                "Too many connections",
                "check the target's limit on connections",
            ),
            0x0207 => ("Missing parameter", "look at the target's log"),
            0x0208 => ("Can't include in session", "look at the target's log"),
            0x0209 => (
                "Session type not supported",
                "check that the target allows normal sessions",
            ),
            0x020a => ("Session does not exist", "look at the target's log"),
            0x020b => (
                "Invalid request type during login",
                "look at the target's log",
            ),
            0x0300 => ("Target error", "look at the target's log"),
            0x0301 => (
                "Service unavailable",
                "check that the target is started, then try again",
            ),
            0x0302 => (
                "Out of resources",
                "check the target's memory and session limits",
            ),
            _ => return None,
        })
    }
}

impl core::fmt::Display for LoginStatus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let code = self.code();
        match self.explanation() {
            Some((name, advice)) => write!(f, "{name} (login status {code:#06x}); {advice}"),
            None => write!(f, "login status {code:#06x}; look at the target's log"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    #[test]
    fn a_status_says_its_name_its_number_and_what_to_check() {
        let status = LoginStatus {
            class: 2,
            detail: 3,
        };
        let text = "Not found (login status 0x0203); \
             check the target name, and that the target is enabled for this initiator";
        assert_eq!(format!("{status}"), text);
        assert!(!status.may_be_retried());
        assert!(LoginStatus {
            class: 3,
            detail: 1
        }
        .may_be_retried());
    }

    #[test]
    fn an_unknown_status_is_printed_as_a_number() {
        let status = LoginStatus {
            class: 7,
            detail: 0x1f,
        };
        assert_eq!(
            format!("{status}"),
            "login status 0x071f; look at the target's log"
        );
    }
}
