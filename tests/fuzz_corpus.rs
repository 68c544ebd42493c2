//! The inputs that fuzzing has found worth keeping, on stable Rust: `fuzz/corpus/TARGET/` and, besides, the seeds that fuzzing
//! began with, each also with random changes. CONTRIBUTING.md says how to fuzz.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod fuzz_targets;
#[path = "support/mmdb.rs"]
#[allow(dead_code, reason = "seeds need few of its functions")]
mod mmdb;
#[path = "fuzz_corpus/seeds.rs"]
mod seeds;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use fuzz_targets::{TARGETS, Target};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// A corpus has at most so many files and bytes: `fuzz/minimise TARGET` makes it small.
const MOST_FILES: usize = 100;
const MOST_BYTES: usize = 100 << 10;

/// So many changed inputs are tried for each target.
const CHANGED: usize = 200;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The kept inputs of a target, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = format!("fuzz/corpus/{target}/{}", entry.file_name().display());
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Has a target check an input; a broken invariant names it.
fn replay((name, check): Target, input: &str, bytes: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        let shown = bytes.escape_ascii();
        println!("{input} breaks an invariant of tests/fuzz_targets/{name}.rs: b\"{shown}\"");
        resume_unwind(panic);
    }
}

#[test]
fn every_kept_input_holds_the_invariants() {
    for target in TARGETS {
        let files = corpus(target.0);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let small = (1..=MOST_FILES).contains(&files.len()) && bytes <= MOST_BYTES;
        assert!(small, "{}: {} files, {bytes} bytes", target.0, files.len());
        for (name, bytes) in files {
            replay(target, &name, &bytes);
        }
    }
}

#[test]
fn seeds_and_changed_inputs_hold_the_invariants() {
    for target in TARGETS {
        let seeds = seeds::seeds(target.0);
        assert!(!seeds.is_empty(), "{} has no seeds", target.0);
        let seeds = seeds.into_iter().enumerate();
        let mut inputs: Vec<_> = seeds.map(|(number, bytes)| (format!("seed {number}"), bytes)).collect();
        inputs.extend(corpus(target.0));
        for (name, bytes) in &inputs {
            replay(target, name, bytes);
        }
        let mut random = SmallRng::seed_from_u64(1);
        for _ in 0..CHANGED {
            let mut any = || &inputs[random.random_range(0..inputs.len())];
            let ((name, bytes), (_, other)) = (any(), any());
            replay(target, &format!("{name}, changed"), &changed(bytes, other, &mut random));
        }
    }
}

/// An input with some bytes changed, taken out, doubled or followed by the end of another input.
fn changed(bytes: &[u8], other: &[u8], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..4) {
        let mut place = |length: usize| random.random_range(0..=length);
        let (start, end) = (place(bytes.len()), place(bytes.len()));
        let range = start.min(end)..start.max(end).min(start.min(end) + 40);
        match random.random_range(0..5) {
            0 => bytes.truncate(start),
            1 => drop(bytes.drain(range)),
            2 => bytes.extend_from_within(range),
            3 => {
                bytes.truncate(start);
                bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
            }
            _ => bytes
                .iter_mut()
                .skip(start)
                .take(1)
                .for_each(|byte| *byte = random.random()),
        }
    }
    bytes
}

#[test]
fn every_target_has_a_program() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml")).unwrap();
    let programs: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| {
            Some(
                line.strip_prefix("path = \"fuzz_targets/")?
                    .strip_suffix(".rs\"")?
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(programs, TARGETS.map(|(name, _)| name.to_owned()).into());
    for name in programs {
        let program = fs::read_to_string(fuzz_folder().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            program.contains(&format!("fuzz_targets::{name}::check(bytes)")),
            "{program}"
        );
    }
}

/// Puts the seeds where cargo-fuzz looks for them: `cargo test --test fuzz_corpus -- --ignored`.
#[test]
#[ignore = "writes files"]
fn write_seeds() {
    for (name, _) in TARGETS {
        let folder = fuzz_folder().join("corpus").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (number, bytes) in seeds::seeds(name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), bytes).unwrap();
        }
    }
}
