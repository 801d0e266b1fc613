// SPDX-License-Identifier: GPL-2.0-only

//! The domains in which names are looked for: option 119 (RFC 3397), in the encoding of the
//! domain name system (RFC 1035 sections 3.1 and 4.1.4).

use crate::proto::config::text::Text;

/// The domains, separated by spaces; as many as resolvers were made for.
pub type SearchDomains = Text<255>;

/// Room for the longest name (RFC 1035 section 2.3.4).
type Name = Text<253>;

/// The domains in the option's whole `value`, up to the first that is none.
pub(super) fn domains(value: &[u8]) -> SearchDomains {
    let mut domains = SearchDomains::default();
    let mut at = 0;
    while let Some((domain, next)) = name(value, at) {
        at = next;
        if domain.is_empty() {
            continue;
        }
        let separator = if domains.is_empty() { "" } else { " " };
        // One that does not fit is left out, and those after it.
        let before = domains.clone();
        if core::fmt::write(&mut domains, format_args!("{separator}{domain}")).is_err() {
            return before;
        }
    }
    domains
}

/// The name at `start`, and where the next one begins.
fn name(value: &[u8], start: usize) -> Option<(Name, usize)> {
    let mut name = Name::default();
    let mut at = start;
    let mut next = None;
    // A name goes on at an earlier place only, so that it has an end.
    let mut earliest = start;
    loop {
        let length = *value.get(at)?;
        at = at.saturating_add(1);
        match length {
            0 => return Some((name, next.unwrap_or(at))),
            1..=63 => {
                let end = at.saturating_add(usize::from(length));
                let label = value.get(at..end)?;
                // Scripts put them into commands.
                let label = Text::<63>::host_name(label);
                if label.as_str().len() != usize::from(length) {
                    return None;
                }
                let dot = if name.is_empty() { "" } else { "." };
                core::fmt::write(&mut name, format_args!("{dot}{label}")).ok()?;
                at = end;
            }
            0xc0.. => {
                let low = *value.get(at)?;
                next.get_or_insert(at.saturating_add(1));
                at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                if at >= earliest {
                    return None;
                }
                earliest = at;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        string::{
            String,
            ToString, //
        },
        vec::Vec,
    };

    use super::*;

    fn list(value: &[u8]) -> String {
        domains(value).to_string()
    }

    #[test]
    fn names_are_read_with_what_they_share() {
        // The example of RFC 3397 section 2.
        let value = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04";
        assert_eq!(list(value), "eng.apple.com marketing.apple.com");
        assert_eq!(list(b""), "");
        assert_eq!(list(b"\0\x01a\0"), "a");
    }

    #[test]
    fn what_is_no_name_ends_the_list() {
        for rest in [
            // No end, a label too long, a reserved length, a place at or behind the name itself.
            &b"\x01b"[..],
            b"\x05ab\0",
            b"\x40ab\0",
            b"\xc0\x03",
            b"\xc0",
            b"\x01b\xc0\x03",
            b"\x01b\xc0\xff",
            // What a shell or a resolver would take for something else.
            b"\x03a b\0",
            b"\x03a\nb\0",
            b"\x02.a\0",
        ] {
            assert_eq!(
                list(&[b"\x01a\0", rest, b"\x01c\0"].concat()[..3 + rest.len()]),
                "a"
            );
        }
    }

    #[test]
    fn a_name_that_does_not_fit_is_left_out_whole() {
        let label: Vec<u8> = core::iter::once(63).chain([b'x'; 63]).collect();
        let long = [&label[..], &label, &label, b"\0"].concat();
        let two = [&long[..], &long].concat();
        assert_eq!(list(&two), list(&long));
        assert_eq!(list(&long).len(), 191);
        // 63 times four and the dots are more than a name has.
        let longest = [&label[..], &label, &label, &label, b"\0"].concat();
        assert_eq!(list(&longest), "");
    }
}
