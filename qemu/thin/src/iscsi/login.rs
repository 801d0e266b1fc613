// SPDX-License-Identifier: GPL-2.0-only

//! Keys and their negotiation, on the target's side (RFC 7143 sections 6 and 13).

use std::io;

use crate::bytes::broken;

/// The most text that an initiator may send in one negotiation.
const TEXT_MAX: usize = 64 << 10;

/// What login has settled; these are the defaults of keys that are not offered.
#[derive(Debug)]
pub struct Settled {
    pub header_digest: bool,
    pub data_digest: bool,
    pub initial_r2t: bool,
    pub immediate_data: bool,
    /// What the initiator takes in a PDU.
    pub max_send: usize,
    pub max_burst: usize,
    pub first_burst: usize,
    pub discovery: bool,
}

impl Default for Settled {
    fn default() -> Self {
        Self {
            header_digest: false,
            data_digest: false,
            initial_r2t: true,
            immediate_data: true,
            max_send: 8192,
            max_burst: 262_144,
            first_burst: 65_536,
            discovery: false,
        }
    }
}

/// What we would have.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub digests: bool,
    pub max_receive: usize,
}

/// Text of one negotiation, which may come in several PDUs.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Text {
    pub fn add(&mut self, data: &[u8]) -> io::Result<()> {
        if self.0.len() + data.len() > TEXT_MAX {
            return Err(broken("a negotiation without end"));
        }
        self.0.extend_from_slice(data);
        Ok(())
    }

    /// The pairs of the text, which is then gone.
    pub fn take(&mut self) -> io::Result<Vec<(String, String)>> {
        let text = String::from_utf8(std::mem::take(&mut self.0))
            .map_err(|_| broken("text that is not UTF-8"))?;
        let pairs = text.split('\0').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.into(), value.into()))
        };
        pairs
            .map(|text| pair(text).ok_or_else(|| broken("text without '='")))
            .collect()
    }
}

/// Adds a pair to an answer.
pub fn say(answer: &mut Vec<u8>, key: &str, value: &str) {
    answer.extend_from_slice(format!("{key}={value}\0").as_bytes());
}

fn number(key: &str, value: &str, range: std::ops::RangeInclusive<u32>) -> io::Result<u32> {
    let number = match value.strip_prefix("0x").or(value.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => value.parse(),
    };
    match number {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(broken(format!("{key}={value} is out of range"))),
    }
}

fn boolean(key: &str, value: &str) -> io::Result<bool> {
    match value {
        "Yes" => Ok(true),
        "No" => Ok(false),
        _ => Err(broken(format!("{key}={value} is neither Yes nor No"))),
    }
}

const LENGTHS: std::ops::RangeInclusive<u32> = 512..=(1 << 24) - 1;

/// Settles one offered pair and answers it, where the key is one that is answered.
pub fn settle(
    settled: &mut Settled,
    wanted: Wanted,
    (key, value): &(String, String),
    answer: &mut Vec<u8>,
) -> io::Result<()> {
    let yes = |yes: bool| if yes { "Yes" } else { "No" }.to_string();
    let answered = match key.as_str() {
        "InitiatorName" | "InitiatorAlias" | "TargetName" => return Ok(()),
        "SessionType" => {
            settled.discovery = value == "Discovery";
            return Ok(());
        }
        "MaxRecvDataSegmentLength" => {
            settled.max_send = number(key, value, LENGTHS)? as usize;
            return Ok(());
        }
        "AuthMethod" => match value.split(',').any(|method| method == "None") {
            true => "None".into(),
            false => "Reject".into(),
        },
        "HeaderDigest" | "DataDigest" => {
            let offers = |name| value.split(',').any(|offered| offered == name);
            let crc = wanted.digests && offers("CRC32C");
            if key == "HeaderDigest" {
                settled.header_digest = crc;
            } else {
                settled.data_digest = crc;
            }
            match crc {
                true => "CRC32C".into(),
                false if offers("None") => "None".into(),
                false => "Reject".into(),
            }
        }
        "InitialR2T" => {
            settled.initial_r2t = boolean(key, value)?;
            value.clone()
        }
        "ImmediateData" => {
            settled.immediate_data = boolean(key, value)?;
            value.clone()
        }
        "MaxBurstLength" => {
            let length = number(key, value, LENGTHS)?.min(16_776_192);
            settled.max_burst = length as usize;
            length.to_string()
        }
        "FirstBurstLength" => {
            let length = number(key, value, LENGTHS)?.min(262_144);
            settled.first_burst = length as usize;
            length.to_string()
        }
        "DataPDUInOrder" | "DataSequenceInOrder" => yes(true),
        "IFMarker" | "OFMarker" => yes(false),
        "MaxConnections" | "MaxOutstandingR2T" => {
            number(key, value, 1..=65_535)?;
            "1".into()
        }
        "DefaultTime2Wait" => number(key, value, 0..=3600)?.to_string(),
        "DefaultTime2Retain" | "ErrorRecoveryLevel" => "0".into(),
        _ => "NotUnderstood".into(),
    };
    say(answer, key, &answered);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle_all(text: &str, digests: bool) -> io::Result<(Settled, String)> {
        let wanted = Wanted {
            digests,
            max_receive: 262_144,
        };
        let (mut settled, mut answer) = (Settled::default(), Vec::new());
        let mut negotiation = Text::default();
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        negotiation.add(first)?;
        negotiation.add(second)?;
        for pair in negotiation.take()? {
            settle(&mut settled, wanted, &pair, &mut answer)?;
        }
        Ok((
            settled,
            String::from_utf8(answer).unwrap().replace('\0', " "),
        ))
    }

    #[test]
    fn what_an_initiator_offers() {
        let offer = "InitiatorName=iqn.a\0HeaderDigest=CRC32C,None\0InitialR2T=No\0\
                     MaxRecvDataSegmentLength=0x1000\0MaxBurstLength=16777215\0X-other=1\0";
        let (settled, answer) = settle_all(offer, false).unwrap();
        assert_eq!(
            answer,
            "HeaderDigest=None InitialR2T=No MaxBurstLength=16776192 X-other=NotUnderstood "
        );
        assert_eq!(settled.max_send, 4096);
        assert!(!settled.initial_r2t && !settled.header_digest);
        let (settled, answer) = settle_all(offer, true).unwrap();
        assert!(answer.starts_with("HeaderDigest=CRC32C "));
        assert!(settled.header_digest && !settled.data_digest);
    }

    #[test]
    fn what_it_must_not() {
        for offer in [
            "InitialR2T=Maybe\0",
            "MaxBurstLength=3\0",
            "nothing\0",
            "\u{80}",
        ] {
            assert!(settle_all(offer, false).is_err(), "{offer}");
        }
        let endless = "a".repeat(TEXT_MAX + 1);
        assert!(settle_all(&endless, false).is_err());
    }
}
