//! How many instructions of a processor the stages of an answer take, on average over many metalinks: counted by callgrind, so
//! that it doesn't matter what else the machine does. `cargo bench --bench instructions` prints them; it needs valgrind.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that can't run fails"
)]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::mirrorlist::target::resolve;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Scratch, answer, choose};
use mirrorlist_server::settings::{ChoiceSettings, HealthSettings, HostOrder};

#[allow(dead_code, reason = "the other benchmark needs the files too")]
mod world;

use world::{DATE, World};

/// The stages in order; each run ends with one of them. `choose` resolves and locates by itself.
const STAGES: [&str; 5] = ["parse", "resolve", "locate", "choose", "render"];

/// Runs through all stages, with a health file.
const BAD_HOSTS: &str = "bad-hosts";

/// Runs through all stages, with a file of rules.
const RULES: &str = "rules";
/// Runs through all stages, in the order by distance.
const BY_DISTANCE: &str = "by-distance";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().find_map(|argument| argument.strip_prefix("--until=")) {
        Some(stage) => run_until(stage),
        None if arguments.iter().any(|argument| argument == "--bench") => print_table(),
        // As a test there is nothing to do.
        None => {}
    }
}

fn print_table() {
    let mut before = 0;
    for stage in STAGES {
        let until = count(stage);
        println!("{stage}: {}", until - before);
        before = until;
    }
    println!("all: {before}");
    println!("all with a tenth of the hosts bad: {}", count(BAD_HOSTS));
    println!("all with 1,000 rules of 10,000 networks: {}", count(RULES));
    println!("all with order = distance: {}", count(BY_DISTANCE));
}

/// Instructions for a request until the end of a stage.
fn count(stage: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*measured*")
        .arg(std::env::current_exe().unwrap())
        .arg(format!("--until={stage}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let requests = String::from_utf8(output.stdout).unwrap();
    let (_, instructions) = collected.unwrap_or_else(|| panic!("valgrind: {text}"));
    instructions.trim().parse::<u64>().unwrap() / requests.trim().parse::<u64>().unwrap()
}

fn run_until(stage: &str) {
    let mut world = World::new();
    if stage == BAD_HOSTS {
        world.snapshot = world.snapshot.with_health_files(&world.health);
        assert!(world.snapshot.health().table_at(0).is_some());
    }
    if stage == RULES {
        let path = world.files.cache.with_file_name("rules.toml");
        std::fs::write(&path, world::rules()).unwrap();
        world.files.rules = Some(path);
        let started = Instant::now();
        world.snapshot = world
            .snapshot
            .reload(&world.files, &HealthSettings::default())
            .finish(true)
            .unwrap();
        eprintln!("loading the rules took {:?}", started.elapsed());
        assert_eq!(world.snapshot.rules().unwrap().all().len(), 1_000);
    }
    let mut run = Run {
        settings: ChoiceSettings {
            order: if stage == BY_DISTANCE {
                HostOrder::Distance
            } else {
                HostOrder::Bandwidth
            },
            ..ChoiceSettings::STANDARD
        },
        last_stage: STAGES.iter().position(|known| *known == stage).unwrap_or(STAGES.len()),
        answerer: Answerer::seeded(1),
        scratch: Scratch::seeded(1),
        key: String::new(),
    };
    // After the first round, memory that is reused is there.
    run.warm_up(&world);
    run.measured(&world);
    println!("{}", world.requests.len());
}

struct Run {
    settings: ChoiceSettings,
    last_stage: usize,
    answerer: Answerer,
    scratch: Scratch,
    key: String,
}

impl Run {
    fn warm_up(&mut self, world: &World) {
        self.requests(world);
    }

    #[inline(never)]
    fn measured(&mut self, world: &World) {
        self.requests(world);
    }

    #[inline(always)]
    fn requests(&mut self, world: &World) {
        for (query, address) in &world.requests {
            let query = black_box(MirrorQuery::parse(query));
            let snapshot = &world.snapshot;
            let request = MirrorRequest {
                settings: &self.settings,
                ..world::metalink_request(&query, *address)
            };
            match self.last_stage {
                0 => continue,
                1 | 2 => {
                    let _ = black_box(resolve(snapshot.catalogue(), Endpoint::Metalink, &query, &mut self.key));
                    if self.last_stage == 2 {
                        black_box(locate(snapshot, *address));
                    }
                }
                3 => {
                    let _ = black_box(choose(snapshot, &request, &mut self.scratch, &mut ()));
                }
                _ => {
                    black_box(answer(snapshot, &request, DATE, &mut self.answerer));
                }
            }
        }
    }
}
