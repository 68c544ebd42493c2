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

use criterion::{Criterion, criterion_group, criterion_main};
use mirrorlist_server::mirrorlist::answer::Circumstances;
use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::mirrorlist::protocols::ProtocolFilter;
use mirrorlist_server::mirrorlist::render::{metalink, text};
use mirrorlist_server::mirrorlist::select::{Wishes, Workspace, select};
use mirrorlist_server::mirrorlist::target::resolve;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, answer};
use mirrorlist_server::page::Page;
use mirrorlist_server::snapshot::Catalogue;
use mirrorlist_server::warnings::Warnings;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

mod world;

use world::{DATE, World};

const QUERY: &str = "repo=linux-updates-3&arch=x86_64&countme=3";

fn stages(criterion: &mut Criterion) {
    let world = World::new();
    let snapshot = &world.snapshot;
    let catalogue = snapshot.catalogue();
    let address: IpAddr = "84.17.44.129".parse().unwrap();
    let query = MirrorQuery::parse(QUERY);
    let mut key = String::new();
    let target = resolve(catalogue, Endpoint::Metalink, &query, &mut key).unwrap();
    let location = locate(snapshot, address);
    let protocols = ProtocolFilter::new(None, Endpoint::Metalink);
    let wishes = Wishes {
        countries: None,
        protocols,
        prefer_network: true,
        minimum: 5,
        names_countries: false,
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut workspace = Workspace::default();
    let mut page = Page::default();
    let selection = select(snapshot, target.directory, &location, &wishes, &mut rng, &mut workspace);
    let details = catalogue.file_details(target.directory, "repomd.xml").unwrap();

    criterion.bench_function("parse", |bencher| bencher.iter(|| MirrorQuery::parse(black_box(QUERY))));
    criterion.bench_function("resolve", |bencher| {
        bencher.iter(|| resolve(catalogue, Endpoint::Metalink, black_box(&query), &mut key));
    });
    criterion.bench_function("locate", |bencher| {
        bencher.iter(|| locate(snapshot, black_box(address)));
    });
    criterion.bench_function("select", |bencher| {
        bencher.iter(|| {
            select(
                snapshot,
                target.directory,
                &location,
                black_box(&wishes),
                &mut rng,
                &mut workspace,
            )
        });
    });
    criterion.bench_function("render metalink", |bencher| {
        bencher.iter(|| {
            metalink::metalink(
                catalogue,
                &target,
                details,
                black_box(&selection),
                protocols,
                DATE,
                &mut page,
            )
        });
    });
    criterion.bench_function("render mirrorlist", |bencher| {
        bencher.iter(|| text::mirrorlist(catalogue, &query, &target, black_box(&selection), protocols, &mut page));
    });
    let mut answerer = Answerer::seeded(1);
    let mut next = world.requests.iter().cycle();
    criterion.bench_function("answer", |bencher| {
        bencher.iter(|| {
            let (query, address) = next.next().unwrap();
            let circumstances = Circumstances {
                endpoint: Endpoint::Metalink,
                address: *address,
                minimum: 5,
                date: DATE,
            };
            let query = MirrorQuery::parse(query);
            answer(snapshot, &circumstances, &query, &mut answerer).body.len()
        });
    });
    criterion.bench_function("load a cache of 15,300 directories", |bencher| {
        bencher.iter(|| {
            let file = BufReader::with_capacity(1 << 18, File::open(&world.files.cache).unwrap());
            Catalogue::read(file, &mut Warnings::default()).unwrap().counts()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = stages
}
criterion_main!(benches);
