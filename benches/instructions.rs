//! How many instructions of a processor the stages of an answer take, on average over many metalinks: counted by callgrind, so
//! that it doesn't matter what else the machine does. `cargo bench --bench instructions` prints them; it needs valgrind.
#![allow(
    missing_docs,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that can't run fails"
)]

use std::hint::black_box;
use std::process::Command;

use mirrorlist_server::mirrorlist::answer::Circumstances;
use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::mirrorlist::protocols::ProtocolFilter;
use mirrorlist_server::mirrorlist::select::{Wishes, Workspace, select};
use mirrorlist_server::mirrorlist::target::resolve;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, answer};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

#[allow(dead_code, reason = "the other benchmark needs the files too")]
mod world;

use world::{DATE, World};

/// The stages; each one needs those before it.
const STAGES: [&str; 5] = ["parse", "resolve", "locate", "select", "render"];

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
    let world = World::new();
    let mut run = Run {
        last_stage: STAGES.iter().position(|known| *known == stage).unwrap(),
        answerer: Answerer::seeded(1),
        rng: Xoshiro256PlusPlus::seed_from_u64(1),
        workspace: Workspace::default(),
        key: String::new(),
    };
    // Whatever is made once and kept is there after the first round.
    run.warm_up(&world);
    run.measured(&world);
    println!("{}", world.requests.len());
}

struct Run {
    last_stage: usize,
    answerer: Answerer,
    rng: Xoshiro256PlusPlus,
    workspace: Workspace,
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
            if self.last_stage == 4 {
                let circumstances = Circumstances {
                    endpoint: Endpoint::Metalink,
                    address: *address,
                    minimum: 5,
                    date: DATE,
                };
                black_box(answer(snapshot, &circumstances, &query, &mut self.answerer));
                continue;
            }
            if self.last_stage == 0 {
                continue;
            }
            let target = black_box(resolve(snapshot.catalogue(), Endpoint::Metalink, &query, &mut self.key));
            if self.last_stage == 1 {
                continue;
            }
            let location = black_box(locate(snapshot, *address));
            if self.last_stage == 2 {
                continue;
            }
            let wishes = Wishes {
                countries: None,
                protocols: ProtocolFilter::new(None, Endpoint::Metalink),
                prefer_network: true,
                minimum: 5,
                names_countries: false,
            };
            black_box(select(
                snapshot,
                target.unwrap().directory,
                &location,
                &wishes,
                &mut self.rng,
                &mut self.workspace,
            ));
        }
    }
}
