//! Many callers reload one server at the same time, while its cache is replaced again and again. Takes about a second.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use mirrorlist_server::cache::proto::MirrorList;
use serde_json::Value;
use support::data::DataFiles;
use support::http::get;
use support::server::Server;

const CALLERS: u64 = 8;
const CALLS_EACH: u64 = 10;

fn json(admin: SocketAddr, target: &str) -> Value {
    serde_json::from_slice(&get(admin, target).body).unwrap()
}

/// The value of a series of the server's metrics.
fn metric(admin: SocketAddr, series: &str) -> f64 {
    let metrics = get(admin, "/metrics");
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(series));
    value.unwrap().trim().parse().unwrap()
}

#[test]
fn every_report_is_of_the_files_at_the_call_or_later_and_no_two_reloads_overlap() {
    let data = DataFiles::new(&fixture::cache_message());
    let server = Server::start(&data, &["--reload.watch", "off"]);
    let admin = server.admin_listen().parse().unwrap();
    let created = Mutex::new(fixture::CREATED);
    // Each cache is newer than the one before.
    let publish = || {
        let mut created = created.lock().unwrap();
        *created += 1;
        data.write_cache(&MirrorList {
            time: *created,
            ..fixture::cache_message()
        });
        *created
    };
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..CALLS_EACH {
                    let published = publish();
                    let report = json(admin, "/admin/reload");
                    // A reload that overlaps with another one is refused if the other one has read a newer cache.
                    assert_ne!(report["outcome"], "refused", "{report}");
                    let served = &json(admin, "/admin/status")["files"]["cache"]["created"];
                    assert!(
                        served.as_u64().unwrap() >= published,
                        "{served} is served after a reload of {published}: {report}"
                    );
                }
            });
        }
    });
    let elapsed = started.elapsed().as_secs_f64();
    let reloading = metric(admin, "mirrorlist_reload_duration_seconds_sum");
    assert!(reloading <= elapsed, "{reloading} s of reloads in {elapsed} s");
    // Callers that wait at the same time share a reload.
    let reloads = metric(admin, "mirrorlist_reload_duration_seconds_count");
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let calls = (CALLERS * CALLS_EACH) as f64;
    assert!((1.0..=calls).contains(&reloads), "{reloads} reloads for {calls} calls");
    let last = &json(admin, "/admin/status")["files"]["cache"]["created"];
    assert_eq!(*last, fixture::CREATED + CALLERS * CALLS_EACH);
}
