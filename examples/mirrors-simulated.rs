//! Has the probe ask 600 hosts with 1,500 URLs on loopback, a tenth of which accept connections and say nothing, and prints how long
//! two rounds take, with how much memory and how many connections at once.
//!
//! usage: mirrors-simulated [HOSTS [FURTHER ARGUMENTS OF THE PROBE...]]; `generate-mirrorlist-cache` has to be built the same way.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement that can't be made ends with its reason"
)]

#[path = "../tests/support/mirrors.rs"]
#[allow(dead_code, unreachable_pub, reason = "made for tests, which need more")]
mod mirrors;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mirrors::{Mirror, MirrorReply, OpenConnections, cache_of, repomd};
use prost::Message as _;

/// For what the mirrors share with tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at the memory of the probe.
const LOOK: Duration = Duration::from_millis(20);

const TIME: u64 = 1_700_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let hosts = arguments.next().map_or(600, |text| text.parse().unwrap());
    let further: Vec<String> = arguments.collect();
    let open = Arc::<OpenConnections>::default();
    let mirrors: Vec<Mirror> = (0..hosts).map(|number| mirror(number, &open)).collect();
    let urls = |mirror: &Mirror, number: usize| {
        (0..2 + number % 2)
            .map(|path| format!("{}/{path}", mirror.url()))
            .collect()
    };
    let listed = mirrors.iter().enumerate();
    let listed: Vec<_> = (1..)
        .zip(listed)
        .map(|(id, (number, mirror))| (id, "DE", urls(mirror, number)))
        .collect();
    let content = repomd(TIME);
    let repositories = ["a", "b", "c"].map(|name| (name, vec![(TIME, content.as_slice())]));
    let folder = std::env::temp_dir().join(format!("mirrors-simulated-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("cache.proto"),
        cache_of(&listed, &repositories).encode_to_vec(),
    )
    .unwrap();
    let count: usize = listed.iter().map(|(_, _, urls)| urls.len()).sum();
    println!(
        "{hosts} hosts, {count} URLs, {} of the hosts silent",
        hosts.div_ceil(10)
    );
    for round in 1..=2 {
        let (time, memory) = run(&folder, &further);
        println!("round {round}: {:.1} s, {memory} KB (VmHWM)", time.as_secs_f64());
    }
    println!("at most {} connections at once", open.most());
    fs::remove_dir_all(folder).unwrap();
}

fn mirror(number: usize, open: &Arc<OpenConnections>) -> Mirror {
    let content = repomd(TIME);
    Mirror::counted(open, move |_| match number % 10 {
        0 => MirrorReply::Silence,
        _ => MirrorReply::ok(content.clone()),
    })
}

/// Runs the probe once. Returns its time, and its largest memory in KB.
fn run(folder: &Path, further: &[String]) -> (Duration, u64) {
    let programs = std::env::current_exe().unwrap();
    let programs = programs.parent().and_then(Path::parent).unwrap();
    let started = Instant::now();
    let mut child = Command::new(programs.join("generate-mirrorlist-cache"))
        .arg("probe")
        .arg("--cache")
        .arg(folder.join("cache.proto"))
        .arg("-o")
        .arg(folder.join("health.json"))
        .args(further)
        .spawn()
        .unwrap();
    let mut memory = 0;
    loop {
        memory = memory_of(child.id()).unwrap_or(memory);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return (started.elapsed(), memory);
        }
        thread::sleep(LOOK);
    }
}

fn memory_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
