// SPDX-License-Identifier: GPL-2.0-only

//! Serial numbers that wrap, compared as RFC 1982 says with 32 bits.
//!
//! Half of all pairs are "before" and half "after", so an order over all of them does not exist and
//! none is offered: ask [`Serial::precedes`].

/// A 32-bit serial number (RFC 1982 section 3; used by RFC 7143 section 4.2.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Serial(u32);

impl Serial {
    /// The serial number whose wire value is `value`.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The number after this one, modulo 2^32.
    pub const fn next(self) -> Self {
        self.advanced(1)
    }

    /// The number `count` after this one, modulo 2^32.
    pub const fn advanced(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far `other` lies after `self`, modulo 2^32.
    pub const fn distance_to(self, other: Self) -> u32 {
        other.0.wrapping_sub(self.0)
    }

    /// Whether this number comes before `other`.
    ///
    /// Two numbers exactly 2^31 apart precede neither one the other (RFC 1982
    /// section 3.2 leaves them undefined).
    pub const fn precedes(self, other: Self) -> bool {
        let distance = self.distance_to(other);
        distance != 0 && distance < 1 << 31
    }
}

impl core::fmt::Display for Serial {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps() {
        let top = Serial::new(u32::MAX);
        assert!(top.precedes(top.next()));
        assert!(!top.next().precedes(top));
        assert!(!top.precedes(top));
        assert_eq!(top.next(), Serial::new(0));
        assert_eq!(top.distance_to(Serial::new(4)), 5);
    }

    #[test]
    fn opposite_numbers_have_no_order() {
        let zero = Serial::new(0);
        let opposite = Serial::new(1 << 31);
        assert!(!zero.precedes(opposite));
        assert!(!opposite.precedes(zero));
        assert!(zero.precedes(Serial::new((1 << 31) - 1)));
    }
}
