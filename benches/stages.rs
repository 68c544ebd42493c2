//! The time of each stage of an answer, by itself, and of loading a cache: on a tenth of Fedora's directories.
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
use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::mirrorlist::render::buffer::ResponseBuffer;
use mirrorlist_server::mirrorlist::render::{metalink, text};
use mirrorlist_server::mirrorlist::target::resolve;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, Scratch, answer, choose};
use mirrorlist_server::snapshot::Catalogue;
use mirrorlist_server::warnings::Warnings;

#[allow(dead_code, reason = "the other benchmark needs the health file")]
mod world;

use world::{DATE, World};

const QUERY: &str = "repo=linux-updates-3&arch=x86_64&countme=3";

fn stages(criterion: &mut Criterion) {
    let world = World::new();
    let snapshot = &world.snapshot;
    let catalogue = snapshot.catalogue();
    let address: IpAddr = "84.17.44.129".parse().unwrap();
    let query = MirrorQuery::parse(QUERY);
    let request = world::metalink_request(&query, address);
    let choice = choose(snapshot, &request, &mut Scratch::seeded(1), &mut ()).unwrap();
    let details = catalogue.file_details(choice.target.directory, "repomd.xml").unwrap();
    let mut key = String::new();
    let mut scratch = Scratch::seeded(1);
    let mut buffer = ResponseBuffer::default();

    criterion.bench_function("parse", |bencher| bencher.iter(|| MirrorQuery::parse(black_box(QUERY))));
    criterion.bench_function("resolve", |bencher| {
        bencher.iter(|| resolve(catalogue, Endpoint::Metalink, black_box(&query), &mut key));
    });
    criterion.bench_function("locate", |bencher| {
        bencher.iter(|| locate(snapshot, black_box(address)));
    });
    criterion.bench_function("choose", |bencher| {
        bencher.iter(|| choose(snapshot, black_box(&request), &mut scratch, &mut ()));
    });
    criterion.bench_function("render metalink", |bencher| {
        bencher.iter(|| metalink::metalink(catalogue, black_box(&choice), details, DATE, &mut buffer));
    });
    criterion.bench_function("render mirrorlist", |bencher| {
        bencher.iter(|| text::mirrorlist(catalogue, &query, black_box(&choice), &mut buffer));
    });
    let mut answerer = Answerer::seeded(1);
    let mut next = world.requests.iter().cycle();
    criterion.bench_function("answer", |bencher| {
        bencher.iter(|| {
            let (query, address) = next.next().unwrap();
            let query = MirrorQuery::parse(query);
            let request = world::metalink_request(&query, *address);
            answer(snapshot, &request, DATE, &mut answerer).body.len()
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
