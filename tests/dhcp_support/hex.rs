// SPDX-License-Identifier: GPL-2.0-only

//! Bytes written as hexadecimal digits.

/// The bytes that `text` spells; white space and lines that start with `#` say nothing.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<u8> = lines
        .flat_map(str::chars)
        .filter(|character| !character.is_whitespace())
        .map(|digit| u8::try_from(digit.to_digit(16).expect("a digit")).expect("below 16"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4) | pair[1])
        .collect()
}
