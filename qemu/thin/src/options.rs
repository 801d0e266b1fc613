// SPDX-License-Identifier: GPL-2.0-only

//! `--name value` and `--name` on the command line.

use std::ops::RangeInclusive;

pub struct Options(Vec<(String, Option<String>)>);

impl Options {
    /// Takes `arguments` apart; `valued` are the names with a value, `flags` those without.
    pub fn parse(
        arguments: impl Iterator<Item = String>,
        valued: &[&str],
        flags: &[&str],
    ) -> Result<Self, String> {
        let mut options = Vec::new();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let Some(name) = argument.strip_prefix("--") else {
                return Err(format!("'{argument}' is not an option"));
            };
            if flags.contains(&name) {
                options.push((name.into(), None));
            } else if valued.contains(&name) {
                let value = arguments.next().ok_or(format!("--{name} needs a value"))?;
                options.push((name.into(), Some(value)));
            } else {
                return Err(format!("there is no option --{name}"));
            }
        }
        Ok(Self(options))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let mut options = self.0.iter().rev();
        options.find(|(given, _)| given == name)?.1.as_deref()
    }

    /// The number that is given, or `default`.
    pub fn range(
        &self,
        name: &str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, String> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = range.into_inner();
        number.ok_or(format!(
            "--{name} {text}: not a number from {least} to {most}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(
            line.split_whitespace().map(String::from),
            &["size"],
            &["digests"],
        )
    }

    #[test]
    fn names_and_values() {
        let options = parse("--size 3 --digests --size 4").unwrap();
        assert!(options.flag("digests"));
        assert_eq!(options.range("size", 1, 0..=9), Ok(4));
        assert_eq!(parse("").unwrap().range("size", 1, 0..=9), Ok(1));
        assert!(parse("--size x").unwrap().range("size", 1, 0..=9).is_err());
        assert!(parse("--size 10").unwrap().range("size", 1, 0..=9).is_err());
        assert!(parse("--size").is_err());
        assert!(parse("--other 1").is_err());
        assert!(parse("size").is_err());
    }
}
