//! The stages of an answer and of a load, each by itself, on a tenth of Fedora's directories.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that can't run fails"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::BufReader;
use std::net::IpAddr;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use mirrorlist_server::mirrorlist::answer::Circumstances;
use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::mirrorlist::protocols::ProtocolFilter;
use mirrorlist_server::mirrorlist::render::{metalink, text};
use mirrorlist_server::mirrorlist::select::{Wishes, Workspace, select};
use mirrorlist_server::mirrorlist::target::resolve;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, answer};
use mirrorlist_server::snapshot::{DataFiles, cache, load};
use mirrorlist_server::warnings::Warnings;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

#[path = "../examples/fedora-sized.rs"]
#[allow(dead_code, reason = "an example is a program too")]
mod fedora_sized;

const QUERY: &str = "repo=linux-updates-3&arch=x86_64&countme=3";

fn stages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    fedora_sized::make(folder.path(), 15_300, 600, 73_200).unwrap();
    let file = |name: &str| folder.path().join(name);
    let files = DataFiles {
        cache: file("mirrorlist_cache.proto"),
        global_netblocks: file("global_netblocks.txt"),
        country_continent: file("country_continent.csv"),
        geoip: file("country.mmdb"),
    };
    let snapshot = load::load(&files).unwrap();
    let catalogue = snapshot.catalogue();
    let address: IpAddr = "84.17.44.129".parse().unwrap();
    let query = MirrorQuery::parse(QUERY);
    let mut key = String::new();
    let target = resolve(catalogue, Endpoint::Metalink, &query, &mut key).unwrap();
    let location = locate(&snapshot, address);
    let protocols = ProtocolFilter::new(None, Endpoint::Metalink, catalogue);
    let wishes = Wishes {
        countries: None,
        protocols,
        prefer_network: true,
        minimum: 5,
        names_countries: false,
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut workspace = Workspace::default();
    let selection = select(
        &snapshot,
        target.directory,
        &location,
        &wishes,
        &mut rng,
        &mut workspace,
    );
    let details = catalogue.file_details(target.directory, "repomd.xml").unwrap();
    let date = "Sat, 31 Jan 2026 23:59:59 GMT";

    criterion.bench_function("parse", |bencher| bencher.iter(|| MirrorQuery::parse(black_box(QUERY))));
    criterion.bench_function("resolve", |bencher| {
        bencher.iter(|| resolve(catalogue, Endpoint::Metalink, black_box(&query), &mut key));
    });
    criterion.bench_function("locate", |bencher| {
        bencher.iter(|| locate(&snapshot, black_box(address)));
    });
    criterion.bench_function("select", |bencher| {
        bencher.iter(|| {
            select(
                &snapshot,
                target.directory,
                &location,
                black_box(&wishes),
                &mut rng,
                &mut workspace,
            )
        });
    });
    criterion.bench_function("render metalink", |bencher| {
        bencher.iter(|| metalink::metalink(catalogue, &target, details, black_box(&selection), protocols, date));
    });
    criterion.bench_function("render mirrorlist", |bencher| {
        bencher.iter(|| text::mirrorlist(catalogue, &query, &target, black_box(&selection), protocols));
    });
    let mut answerer = Answerer::seeded(1);
    let requests = requests(&file("repos.txt"));
    let mut next = requests.iter().cycle();
    criterion.bench_function("answer", |bencher| {
        bencher.iter(|| {
            let (query, address) = next.next().unwrap();
            let circumstances = Circumstances {
                endpoint: Endpoint::Metalink,
                address: *address,
                minimum: 5,
                date,
            };
            let query = MirrorQuery::parse(query);
            answer(&snapshot, &circumstances, &query, &mut answerer).body.len()
        });
    });
    criterion.bench_function("load a cache of 15,300 directories", |bencher| {
        bencher.iter(|| {
            let file = BufReader::with_capacity(1 << 18, File::open(&files.cache).unwrap());
            cache::read(file, &mut Warnings::default()).unwrap().counts()
        });
    });
}

/// Metalinks of repositories, from addresses all over the world.
fn requests(repositories: &Path) -> Vec<(String, IpAddr)> {
    let repositories = std::fs::read_to_string(repositories).unwrap();
    let repositories: Vec<&str> = repositories.lines().collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let one = || {
        let query = repositories[rng.random_range(0..repositories.len())];
        let [a, b, c, d] = rng.random();
        (query.to_owned(), IpAddr::from([a % 223 + 1, b, c, d]))
    };
    std::iter::repeat_with(one).take(1_000).collect()
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = stages
}
criterion_main!(benches);
