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
use std::thread;
use std::time::{Duration, Instant};

use mirrors::{Mirror, MirrorReply, cache_of, repomd};
use prost::Message as _;

/// For what the mirrors share with tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at the memory and the sockets of the probe.
const LOOK: Duration = Duration::from_millis(20);

const TIME: u64 = 1_700_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let hosts = arguments.next().map_or(600, |text| text.parse().unwrap());
    let further: Vec<String> = arguments.collect();
    let mirrors: Vec<Mirror> = (0..hosts).map(mirror).collect();
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
        let Measured { time, memory, sockets } = run(&folder, &further);
        let seconds = time.as_secs_f64();
        println!("round {round}: {seconds:.1} s, {memory} KB (VmHWM), at most {sockets} connections at once");
    }
    fs::remove_dir_all(folder).unwrap();
}

fn mirror(number: usize) -> Mirror {
    let content = repomd(TIME);
    Mirror::new(move |_| match number % 10 {
        0 => MirrorReply::Silence,
        _ => MirrorReply::ok(content.clone()),
    })
}

/// What a round took.
struct Measured {
    time: Duration,
    /// In KB.
    memory: u64,
    /// As many as were open at any look. The mirrors see the end of a connection later than the probe, and would count more.
    sockets: usize,
}

/// Runs the probe once.
fn run(folder: &Path, further: &[String]) -> Measured {
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
    let (mut memory, mut sockets) = (0, 0);
    loop {
        memory = memory_of(child.id()).unwrap_or(memory);
        sockets = sockets.max(sockets_of(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return Measured {
                time: started.elapsed(),
                memory,
                sockets,
            };
        }
        thread::sleep(LOOK);
    }
}

fn memory_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The TCP sockets of a process.
fn sockets_of(process: u32) -> usize {
    let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten();
    let leads_to = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let sockets: Vec<String> = leads_to.map(|to| to.to_string_lossy().into_owned()).collect();
    let tcp = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap_or_default();
    let inodes = tcp.lines().filter_map(|line| line.split_whitespace().nth(9));
    inodes
        .filter(|inode| sockets.contains(&format!("socket:[{inode}]")))
        .count()
}
