// SPDX-License-Identifier: GPL-2.0-only

//! Sense data in either format (SPC-5 sections 4.4.2 and 4.4.3).

/// What a logical unit says about a command: the sense key and the additional sense code with its
/// qualifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sense {
    /// The sense key.
    pub key: u8,
    /// The additional sense code and its qualifier.
    pub code: (u8, u8),
}

impl Sense {
    const NOT_READY: u8 = 2;
    const ILLEGAL_REQUEST: u8 = 5;
    const UNIT_ATTENTION: u8 = 6;
    const DATA_PROTECT: u8 = 7;
    const ABORTED_COMMAND: u8 = 0xb;

    /// Reads it; `None` where it is in no format that there is, or cut short before the code.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (key, code) = match data.first()? & 0x7f {
            0x70 | 0x71 => (data.get(2)?, data.get(12..14)?),
            0x72 | 0x73 => (data.get(1)?, data.get(2..4)?),
            _ => return None,
        };
        let (code, qualifier) = code.split_first()?;
        Some(Self {
            key: key & 0xf,
            code: (*code, *qualifier.first()?),
        })
    }

    /// Whether `data` is sense data at all: of a format that there is, and with its sense key. What
    /// a vendor's own format says is for the vendor.
    pub fn is_present(data: &[u8]) -> bool {
        let key = match data.first().map(|first| first & 0x7f) {
            Some(0x70 | 0x71) => 2,
            Some(0x72 | 0x73) => 1,
            Some(0x7f) => 0,
            _ => return false,
        };
        data.len() > key
    }

    /// Whether it tells of something that happened before (UNIT ATTENTION).
    pub const fn is_attention(self) -> bool {
        self.key == Self::UNIT_ATTENTION
    }

    /// Whether it tells of a reset or a lost nexus, and nothing else.
    pub const fn is_reset_notice(self) -> bool {
        self.key == Self::UNIT_ATTENTION && self.code.0 == 0x29
    }

    /// Whether the logical unit takes no commands for now (LOGICAL UNIT NOT READY, MEDIUM NOT
    /// PRESENT). Not meant is one that waits for the command that starts it (INITIALIZING COMMAND
    /// REQUIRED), since whoever sends that has to reach it, nor one that lacks space for some
    /// writes (SPACE ALLOCATION IN PROGRESS), nor what else comes with this key: LIO has it for any
    /// error of the disk behind.
    pub const fn is_not_ready(self) -> bool {
        self.key == Self::NOT_READY
            && match self.code {
                (0x04, qualifier) => !matches!(qualifier, 0x02 | 0x14),
                (code, _) => code == 0x3a,
            }
    }

    /// Whether it says nothing but that the command was not executed this time.
    pub const fn is_aborted(self) -> bool {
        self.key == Self::ABORTED_COMMAND
    }

    /// Whether there is no such logical unit (LOGICAL UNIT NOT SUPPORTED).
    pub const fn is_no_unit(self) -> bool {
        self.key == Self::ILLEGAL_REQUEST && self.code.0 == 0x25
    }

    /// Whether it answers as another logical unit would: one that is smaller (LOGICAL BLOCK ADDRESS
    /// OUT OF RANGE) or must not be written to (WRITE PROTECTED). LIO has such a one as LUN 0 where
    /// it has no other.
    pub const fn is_doubtful(self) -> bool {
        match (self.key, self.code) {
            (Self::ILLEGAL_REQUEST, (0x21, _)) => true,
            // SPACE ALLOCATION FAILED WRITE PROTECT: a thin disk is full, and the same as before.
            (Self::DATA_PROTECT, (0x27, qualifier)) => qualifier != 0x07,
            _ => false,
        }
    }

    /// Whether the target may have put another logical unit in the place of this one (INQUIRY DATA
    /// HAS CHANGED, REPORTED LUNS DATA HAS CHANGED).
    pub const fn is_unit_changed(self) -> bool {
        self.key == Self::UNIT_ATTENTION && matches!(self.code, (0x3f, 0x03 | 0x0e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let fixed = [0x70, 0, 0x06, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0x02];
        let sense = Sense::parse(&fixed).unwrap();
        assert_eq!((sense.key, sense.code), (6, (0x29, 2)));
        assert!(sense.is_reset_notice());
        let descriptor = [0x72, 0x05, 0x25, 0x00, 0, 0, 0, 0];
        let sense = Sense::parse(&descriptor).unwrap();
        assert!(sense.is_no_unit() && !sense.is_reset_notice());
        assert!(Sense::parse(&[0xf1; 14]).is_some());
        assert!(Sense::parse(&[0x72, 6, 0x3f, 0x0e]).is_some_and(Sense::is_unit_changed));
        assert!(Sense::parse(&[0x72, 7, 0x27, 0x00]).is_some_and(Sense::is_doubtful));
        assert!(Sense::parse(&[0x72, 5, 0x21, 0x00]).is_some_and(Sense::is_doubtful));
        assert!(!Sense::parse(&[0x72, 7, 0x27, 0x07]).is_some_and(Sense::is_doubtful));
        assert!(!Sense::parse(&[0x72, 5, 0x27, 0x00]).is_some_and(Sense::is_doubtful));
        assert!(!Sense::parse(&[0x72, 6, 0x3f, 0x01]).is_some_and(Sense::is_unit_changed));
        assert!(Sense::parse(&[0x72, 2, 0x04, 0x01]).is_some_and(Sense::is_not_ready));
        assert!(Sense::parse(&[0x72, 2, 0x3a, 0x00]).is_some_and(Sense::is_not_ready));
        for code in [[0x04, 0x02], [0x04, 0x14], [0x08, 0x00]] {
            let sense = Sense::parse(&[0x72, 2, code[0], code[1]]);
            assert!(!sense.is_some_and(Sense::is_not_ready));
        }
        assert!(Sense::parse(&[0x72, 0xb, 0x47, 0x01]).is_some_and(Sense::is_aborted));
    }

    #[test]
    fn what_is_cut_short_or_no_sense_says_nothing() {
        let fixed = [0x70, 0, 0x06, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0x02];
        for length in 0..fixed.len() {
            assert_eq!(Sense::parse(&fixed[..length]), None);
        }
        assert_eq!(Sense::parse(&[0x72, 6, 0x29]), None);
        assert_eq!(Sense::parse(&[0x7f; 32]), None);
    }

    #[test]
    fn sense_data_has_a_format_and_a_key() {
        for present in [
            &[0x70, 0, 0][..],
            &[0xf1, 0, 6],
            &[0x72, 5],
            &[0x73, 3, 0x11],
            &[0x7f],
        ] {
            assert!(Sense::is_present(present), "{present:02x?}");
        }
        for absent in [
            &[][..],
            &[0x70, 0],
            &[0x72],
            &[0x00, 0, 5, 0],
            &[0x6f, 0, 5, 0],
            &[0x74, 5, 5, 0],
            &[0x7e, 5, 5, 0],
        ] {
            assert!(!Sense::is_present(absent), "{absent:02x?}");
        }
    }
}
