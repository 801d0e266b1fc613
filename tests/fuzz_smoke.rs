// SPDX-License-Identifier: GPL-2.0-only

//! Every fuzz target on a bounded corpus, the same in every run: its seeds, their mutations, and
//! noise.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "every index is taken modulo a length"
)]

#[path = "../fuzz/targets.rs"]
mod targets;

/// Inputs for each target.
const ROUNDS: u64 = 10_000;

/// The next number of a deterministic stream (splitmix64).
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) & 0xffff_ffff).unwrap_or_default()
}

/// One change such as a fuzzer makes.
fn mutate(input: &mut Vec<u8>, random: &mut u64) {
    const INTERESTING: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0xff, b'=', b',', b'0'];
    let at = next(random) % input.len().max(1);
    let choice = next(random);
    match choice % 6 {
        0 => input.truncate(at),
        1 => input.insert(
            at.min(input.len()),
            INTERESTING[choice / 6 % INTERESTING.len()],
        ),
        2 if !input.is_empty() => drop(input.remove(at)),
        3 if !input.is_empty() => {
            let end = (at + next(random) % 64).min(input.len());
            let copy = input[at..end].to_vec();
            input.extend(copy);
        }
        4 if !input.is_empty() => input[at] ^= 1 << (choice / 6 % 8),
        _ if !input.is_empty() => input[at] = INTERESTING[choice / 6 % INTERESTING.len()],
        _ => {}
    }
}

#[test]
fn every_target_survives_its_corpus() {
    for (name, target, seeds) in targets::ALL {
        println!("{name}");
        let mut random = 0;
        let seeds = seeds();
        for seed in &seeds {
            for length in 0..=seed.len() {
                target(&seed[..length]);
            }
        }
        for round in 0..ROUNDS {
            let mut input = seeds[next(&mut random) % seeds.len()].clone();
            for _ in 0..=round % 8 {
                mutate(&mut input, &mut random);
            }
            target(&input);
        }
        for _ in 0..ROUNDS / 8 {
            let length = next(&mut random) % 512;
            let noise: Vec<u8> = (0..length)
                .map(|_| next(&mut random).to_le_bytes()[0])
                .collect();
            target(&noise);
        }
    }
}
