//! Whole answers, held against files: `tests/golden/NAME.txt` has a request and, below it, the answer to the last byte.
//! Shuffles follow from a fixed seed and the clock stands still. After a change that is meant, `UPDATE_GOLDEN=1 cargo test
//! --test golden` rewrites the files; read their difference before committing it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails the test")]

mod fixture;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use mirrorlist_server::access_log::AccessLog;
use mirrorlist_server::clock::Clock;
use mirrorlist_server::geo::network;
use mirrorlist_server::http::public::{Public, PublicWorker};
use mirrorlist_server::metrics::ServerMetrics;
use mirrorlist_server::settings::{
    AccessLogTarget, AllowedOrigins, AsOrder, ChoiceSettings, HealthSettings, PublicSettings, TrustedProxies,
};
use mirrorlist_server::snapshot::{SharedSnapshot, Snapshot};
use slog::{Discard, Logger, o};

const NOW: u64 = 1_769_903_999;
const LOOPBACK: &str = "127.0.0.1:40000";

/// A request: its line, the peer, the X-Forwarded-For headers; and the server's settings and health file.
struct Case {
    name: &'static str,
    request: &'static str,
    peer: &'static str,
    forwarded_for: &'static [&'static str],
    /// The settings that are not the defaults, as a configuration file has them.
    settings: &'static str,
    choice: ChoiceSettings,
    has_health_file: bool,
    /// Whether the cache has details of the images `dvd.iso` and `net.iso`, as a list of checksums gives them.
    has_images: bool,
}

const fn case(name: &'static str, request: &'static str) -> Case {
    Case {
        name,
        request,
        peer: LOOPBACK,
        forwarded_for: &[],
        settings: "",
        choice: ChoiceSettings::STANDARD,
        has_health_file: false,
        has_images: false,
    }
}

const fn with_health(name: &'static str, request: &'static str) -> Case {
    Case {
        has_health_file: true,
        ..case(name, request)
    }
}

const fn with_images(name: &'static str, request: &'static str) -> Case {
    Case {
        has_images: true,
        ..case(name, request)
    }
}

/// A case with settings, and with a health file.
const fn configured(name: &'static str, request: &'static str, settings: &'static str, choice: ChoiceSettings) -> Case {
    Case {
        settings,
        choice,
        ..with_health(name, request)
    }
}

const fn forwarded(
    name: &'static str,
    request: &'static str,
    peer: &'static str,
    forwarded_for: &'static [&'static str],
) -> Case {
    Case {
        peer,
        forwarded_for,
        ..case(name, request)
    }
}

const LIST: &str = "GET /mirrorlist?repo=linux-1&arch=x86_64";

const CASES: &[Case] = &[
    // Tiers
    case(
        "tier-netblock-then-as-then-country",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200",
    ),
    case(
        "tier-netblock-longest-prefix-only",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.130",
    ),
    case("tier-as", "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1"),
    case(
        "tier-as-whose-host-has-not-the-directory",
        "GET /mirrorlist?repo=linux-source-1&arch=x86_64&ip=198.51.100.130",
    ),
    case(
        "tier-as-none-for-the-most-specific-network",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=198.51.100.1",
    ),
    case(
        "tier-continent-without-hosts-in-the-country",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=203.0.113.200",
    ),
    case(
        "tier-country-most-specific-network",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=198.51.100.200&netblock=0",
    ),
    case(
        "tier-global-for-an-unknown-country",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=100.64.0.1",
    ),
    case(
        "tier-host-limited-to-its-country",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=203.0.113.1",
    ),
    case("ipv6-client", "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=2001:db8::1"),
    case(
        "ipv4-mapped-address-is-ipv4",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=::ffff:192.0.2.130",
    ),
    case(
        "netblock-off",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&netblock=0",
    ),
    // Country
    case(
        "country",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&ip=192.0.2.200",
    ),
    case(
        "country-spelling-is-repeated",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=us,%20De",
    ),
    case(
        "country-global",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=global&ip=192.0.2.200",
    ),
    case(
        "country-and-global",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=global,de",
    ),
    case(
        "country-without-hosts-gives-continent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=CH&ip=192.0.2.200",
    ),
    case(
        "country-two-of-a-continent-repeat-it",
        "GET /mirrorlist?path=pub/linux/italy&country=CH,FR,CH&ip=203.0.113.1",
    ),
    case(
        "country-twice-is-named-once",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=de,global,DE,de,Global",
    ),
    case(
        "country-without-continent-hosts-is-as-absent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=AQ&ip=192.0.2.200",
    ),
    case(
        "country-unknown-is-as-absent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=ZZ,nowhere,&ip=192.0.2.200",
    ),
    case(
        "country-whose-only-host-is-not-for-the-client",
        "GET /mirrorlist?path=pub/linux/italy&country=IT&ip=192.0.2.1",
    ),
    case(
        "country-excluded",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&country=!us,!fr",
    ),
    case(
        "country-excluded-with-its-private-hosts",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&country=!de",
    ),
    case(
        "country-excluded-percent-encoded-in-any-case",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&country=%21De%2C%20!%20jP%20",
    ),
    case(
        "country-excluded-from-the-world",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=global,!us,!DE",
    ),
    case(
        "country-excluded-from-itself-gives-continent-without-it",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=de,!de",
    ),
    case(
        "country-excluded-from-its-continent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=CH,!fr,!il",
    ),
    case(
        "country-excluded-unknown-is-ignored",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&country=!xx1,!global,!,!!de",
    ),
    case(
        "country-excluded-leaves-nothing",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=!de,!fr,!us,!jp,!au,!il&protocol=https",
    ),
    case(
        "country-excluded-leaves-nothing-metalink",
        "GET /metalink?repo=linux-1&arch=x86_64&country=!de,!fr,!us,!jp,!au,!il&protocol=https",
    ),
    case(
        "country-excluded-last-parameter-counts",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=!us&country=us",
    ),
    case(
        "country-excluded-redirect",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=us,de,!us&redirect=1",
    ),
    // Families
    with_health(
        "ip-version-6",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&ip_version=6",
    ),
    with_health(
        "ip-version-4",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&ip_version=4",
    ),
    with_health(
        "ip-version-6-metalink",
        "GET /metalink?repo=linux-1&arch=x86_64&country=de,fr&ip_version=6",
    ),
    with_health(
        "ip-version-unknown-is-ignored",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=de&ip_version=5",
    ),
    with_health(
        "ip-version-leaves-nothing",
        "GET /mirrorlist?path=pub/linux/odd%20dir/50%25%20%C3%BC&ip_version=4&protocol=https",
    ),
    with_health(
        "ip-version-and-excluded-countries-leave-nothing",
        "GET /mirrorlist?path=pub/linux/odd%20dir/50%25%20%C3%BC&ip_version=4&country=!de&protocol=https",
    ),
    case(
        "ip-version-without-a-health-file",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=de&ip_version=6",
    ),
    // Settings
    configured(
        "setting-maximum",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200",
        "maximum = 2",
        ChoiceSettings {
            maximum: NonZeroUsize::new(2),
            ..ChoiceSettings::STANDARD
        },
    ),
    configured(
        "setting-maximum-metalink-has-five",
        "GET /metalink?repo=linux-1&arch=x86_64&ip=192.0.2.200",
        "maximum = 2",
        ChoiceSettings {
            maximum: NonZeroUsize::new(2),
            ..ChoiceSettings::STANDARD
        },
    ),
    configured(
        "setting-prefer-family",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=2001:db8::1",
        "prefer_family = true",
        ChoiceSettings {
            prefer_family: true,
            ..ChoiceSettings::STANDARD
        },
    ),
    configured(
        "setting-prefer-family-is-nothing-to-ipv4",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=::ffff:192.0.2.200",
        "prefer_family = true",
        ChoiceSettings {
            prefer_family: true,
            ..ChoiceSettings::STANDARD
        },
    ),
    configured(
        "setting-as-order-bandwidth",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1",
        "as_order = \"bandwidth\"",
        ChoiceSettings {
            as_order: AsOrder::Bandwidth,
            ..ChoiceSettings::STANDARD
        },
    ),
    configured(
        "setting-redirect-sticky",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=198.51.100.200&redirect=1&country=global",
        "redirect.sticky = true",
        ChoiceSettings {
            sticky_redirects: true,
            ..ChoiceSettings::STANDARD
        },
    ),
    // Protocols
    case(
        "protocol-https",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=https&ip=198.51.100.1",
    ),
    case(
        "protocol-several",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=%20HTTP,,https&country=FR",
    ),
    case(
        "protocol-empty-is-as-absent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=&country=FR",
    ),
    case(
        "protocol-unknown-gives-no-url",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=gopher",
    ),
    case(
        "protocol-few-usable-hosts-add-the-world",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=rsync&ip=192.0.2.1",
    ),
    case("rsync-is-never-listed-unasked", "GET /mirrorlist?path=pub/linux/rsync"),
    // Paths and names
    case(
        "path-directory-slashes-do-not-matter",
        "GET /mirrorlist?path=//pub//linux/1/iso///&country=US",
    ),
    case(
        "path-file",
        "GET /mirrorlist?path=pub/linux/1/iso/any-name.iso&country=US",
    ),
    case("path-top-directory", "GET /mirrorlist?path=/pub/linux&country=US"),
    case(
        "path-is-decoded-and-encoded-again",
        "GET /mirrorlist?path=pub/linux/odd%20dir/50%25%20%C3%BC/a%0Ahttp:%23b%25c.rpm",
    ),
    case(
        "path-plus-is-a-plus",
        "GET /mirrorlist?path=pub/linux/1/iso/c++.iso&country=US",
    ),
    case(
        "path-wins-over-repo-and-arch",
        "GET /mirrorlist?path=pub/linux/1/iso/any.iso&redirect=1&country=US&repo=linux-1&arch=x86_64",
    ),
    case("path-unknown", "GET /mirrorlist?path=pub/nothing/here"),
    case("path-empty", "GET /mirrorlist?path="),
    case("path-dot-dot", "GET /mirrorlist?path=pub/linux/1/iso/.."),
    case(
        "endpoint-below-a-prefix",
        "GET /pub/mirrorlist?repo=linux-1&arch=x86_64&country=US",
    ),
    // Repositories
    case(
        "repo-redirected",
        "GET /mirrorlist?repo=linux-rolling&arch=x86_64&country=US",
    ),
    case(
        "repo-source-has-its-own-arch",
        "GET /mirrorlist?repo=linux-source-1&arch=aarch64&country=US",
    ),
    case(
        "repo-repeated-parameter-last-counts",
        "GET /mirrorlist?repo=nope&arch=arm&repo=linux-1&arch=x86_64&country=US",
    ),
    case("repo-disabled", "GET /mirrorlist?repo=linux-0&arch=x86_64"),
    case("repo-unknown", "GET /mirrorlist?repo=nope&arch=x86_64"),
    case(
        "repo-unknown-with-a-line-end",
        "GET /mirrorlist?repo=x%0Ahttps://evil.example/&arch=%0D",
    ),
    case(
        "repo-redirected-to-nothing",
        "GET /mirrorlist?repo=linux-gone&arch=x86_64",
    ),
    case("repo-without-directory", "GET /mirrorlist?repo=linux-lost&arch=x86_64"),
    case("nothing-specified", "GET /mirrorlist"),
    case("only-repo-specified", "GET /mirrorlist?repo=linux-1"),
    case("time", "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&time"),
    case(
        "unknown-parameters-are-ignored",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&countme=3&=",
    ),
    // Redirects
    case(
        "redirect",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&redirect=1",
    ),
    with_images(
        "redirect-to-an-absent-file",
        "GET /mirrorlist?path=pub/linux/1/iso/old.iso&country=DE&redirect",
    ),
    with_images(
        "redirect-to-an-absent-file-in-json",
        "GET /mirrorlist?path=pub/linux/1/iso/old.iso&country=DE&redirect&format=json",
    ),
    with_images(
        "redirect-to-a-file-of-another-kind",
        "GET /mirrorlist?path=pub/linux/1/iso/CHECKSUM&country=DE&redirect",
    ),
    Case {
        settings: "redirect.absent = \"redirect\"",
        choice: ChoiceSettings {
            refuses_absent_files: false,
            ..ChoiceSettings::STANDARD
        },
        ..with_images(
            "setting-redirect-absent",
            "GET /mirrorlist?path=pub/linux/1/iso/old.iso&country=DE&redirect",
        )
    },
    case(
        "redirect-to-a-file",
        "GET /mirrorlist?path=pub/linux/1/iso/a%20b.iso&country=DE&redirect",
    ),
    case(
        "redirect-without-a-web-mirror",
        "GET /mirrorlist?path=pub/linux/rsync&redirect=1",
    ),
    case(
        "redirect-does-not-concern-metalinks",
        "GET /metalink?repo=linux-1&arch=x86_64&country=JP&redirect=1",
    ),
    // Metalinks
    case(
        "metalink-repository",
        "GET /metalink?repo=linux-1&arch=x86_64&ip=192.0.2.200",
    ),
    case(
        "metalink-directory-that-ends-in-repodata",
        "GET /metalink?repo=linux-2&arch=x86_64&country=US",
    ),
    case(
        "metalink-file-with-markup-and-unknown-details",
        "GET /metalink?path=pub/linux/1/iso/a%20%26%20b.iso&country=US",
    ),
    case(
        "metalink-protocol",
        "GET /metalink?repo=linux-1&arch=x86_64&country=FR&protocol=https",
    ),
    case(
        "metalink-without-repodata-directory",
        "GET /metalink?repo=linux-source-1&arch=source",
    ),
    case("metalink-of-a-directory", "GET /metalink?path=pub/linux/1/iso/"),
    case(
        "metalink-of-an-unknown-file",
        "GET /metalink?path=pub/linux/1/iso/%3Cx%3E--%26-",
    ),
    case("metalink-unknown-path", "GET /metalink?path=nope/nope"),
    case("metalink-unknown-repo", "GET /metalink?repo=--%3E%3Cb%3E%26--&arch=%00"),
    case("metalink-disabled", "GET /metalink?repo=linux-0&arch=x86_64"),
    case("metalink-nothing-specified", "GET /metalink?arch=x86_64"),
    // Formats
    case(
        "format-json-mirrorlist",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.200&format=json",
    ),
    case(
        "format-json-metalink",
        "GET /metalink?repo=linux-1&arch=x86_64&ip=192.0.2.200&format=json",
    ),
    case(
        "format-json-path",
        "GET /mirrorlist?path=pub/linux/odd%20dir/50%25%20%C3%BC/a%0A%22b%5C.rpm&country=de&format=json",
    ),
    case(
        "format-json-redirect",
        "GET /mirrorlist?path=pub/linux/1/iso/a%20%26%20b.iso&country=DE&redirect=1&format=json",
    ),
    case(
        "format-json-protocol-unknown-gives-no-tier",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&protocol=gopher&format=json",
    ),
    case(
        "format-json-unknown-repo",
        "GET /mirrorlist?repo=%22%00%3C&arch=x86_64&format=json",
    ),
    case(
        "format-json-disabled",
        "GET /metalink?repo=linux-0&arch=x86_64&format=json",
    ),
    case(
        "format-json-ip-invalid",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=x&format=json",
    ),
    case("format-json-unknown-endpoint", "GET /?format=json"),
    case(
        "format-json-method-post",
        "POST /metalink?repo=linux-1&arch=x86_64&format=json",
    ),
    case(
        "format-json-method-head",
        "HEAD /mirrorlist?repo=linux-1&arch=x86_64&country=US&format=json",
    ),
    case(
        "format-metalink4",
        "GET /metalink?repo=linux-1&arch=x86_64&ip=192.0.2.200&format=metalink4",
    ),
    case(
        "format-metalink4-file-with-markup-and-unknown-details",
        "GET /metalink?path=pub/linux/1/iso/a%20%26%20b.iso&country=US&format=metalink4",
    ),
    case(
        "format-metalink4-protocol-unknown",
        "GET /metalink?repo=linux-1&arch=x86_64&protocol=gopher&format=metalink4",
    ),
    case(
        "format-metalink4-of-an-unknown-file",
        "GET /metalink?path=pub/linux/1/iso/%3Cx%3E--%26-&format=metalink4",
    ),
    case(
        "format-metalink4-unknown-repo",
        "GET /metalink?repo=nope&arch=x86_64&format=metalink4",
    ),
    case(
        "format-metalink4-mirrorlist-has-none",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&format=metalink4",
    ),
    case(
        "format-unknown-is-as-absent",
        "GET /metalink?repo=linux-1&arch=x86_64&country=JP&format=json&format=yaml",
    ),
    case(
        "redirect-to-a-file-with-details",
        "GET /mirrorlist?path=pub/linux/1/iso/a%20%26%20b.iso&ip=192.0.2.1&redirect=1",
    ),
    case(
        "redirect-names-four-more-mirrors",
        "GET /below/mirrorlist?path=pub/linux/1/x86_64/os/repodata/repomd.xml&ip=192.0.2.200&redirect=1",
    ),
    // Errors of the request itself
    case("ip-invalid", "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=300.1.1.1"),
    case(
        "ip-invalid-metalink",
        "GET /metalink?repo=linux-1&arch=x86_64&ip=nowhere",
    ),
    case(
        "ip-empty-is-as-absent",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&country=US&ip=192.0.2.200&ip=",
    ),
    case(
        "ip-percent-encoded",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=2001%3adb8%3A%3A1",
    ),
    case(
        "ip-with-port",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.130:4711",
    ),
    case("unknown-endpoint", "GET /"),
    case("unknown-endpoint-slash", "GET /mirrorlist/"),
    case("method-post", "POST /mirrorlist?repo=linux-1&arch=x86_64"),
    case("method-options-metalink", "OPTIONS /metalink?repo=linux-1&arch=x86_64"),
    case("method-head", "HEAD /mirrorlist?repo=linux-1&arch=x86_64&country=US"),
    // Client addresses
    forwarded("client-is-the-peer", LIST, "192.0.2.130:40000", &[]),
    forwarded("client-forwarded", LIST, LOOPBACK, &["192.0.2.130"]),
    forwarded(
        "client-last-untrusted-of-all-headers",
        LIST,
        LOOPBACK,
        &["198.51.100.1", "192.0.2.130, 10.0.0.1", "10.0.0.2"],
    ),
    forwarded("client-without-space", LIST, LOOPBACK, &["198.51.100.1,192.0.2.130"]),
    forwarded("client-with-port", LIST, LOOPBACK, &["192.0.2.130:4711"]),
    forwarded("client-in-brackets", LIST, LOOPBACK, &["[2001:db8::1]:4711"]),
    forwarded("client-garbage", LIST, LOOPBACK, &["gärbage"]),
    forwarded("client-of-a-stranger", LIST, "198.51.100.1:40000", &["192.0.2.130"]),
    forwarded(
        "client-parameter-before-header",
        "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=198.51.100.1",
        LOOPBACK,
        &["192.0.2.130"],
    ),
];

fn settings(ip_from_trusted_only: bool) -> PublicSettings {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8"]
        .iter()
        .map(|text| network::parse(text).unwrap());
    PublicSettings {
        trusted_proxies: TrustedProxies::new(trusted.collect()),
        ip_from_trusted_only,
        cors: AllowedOrigins::None,
    }
}

fn worker(snapshot: Snapshot, settings: PublicSettings) -> PublicWorker {
    worker_that_chooses(snapshot, settings, ChoiceSettings::STANDARD)
}

fn worker_that_chooses(snapshot: Snapshot, settings: PublicSettings, choice: ChoiceSettings) -> PublicWorker {
    let logger = Logger::root(Discard, o!());
    let log = tempfile::NamedTempFile::new().unwrap();
    let metrics = Arc::new(ServerMetrics::new().unwrap());
    let target = AccessLogTarget::File(log.path().to_owned());
    let access_log = AccessLog::open(target, &metrics, logger.clone()).unwrap();
    let public = Public {
        snapshot: Arc::new(SharedSnapshot::new(snapshot)),
        settings: Arc::new(settings),
        choice: Arc::new(choice),
        access_log: access_log.lines(),
        metrics,
        logger,
    };
    PublicWorker::new(public, 1, Clock::fixed(NOW))
}

/// The answer as a text: status, headers in order of their names, body.
fn answer(worker: &PublicWorker, case: &Case) -> String {
    let (method, target) = case.request.split_once(' ').unwrap();
    let mut request = TestRequest::with_uri(target)
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .peer_addr(case.peer.parse().unwrap());
    for value in case.forwarded_for {
        let name = actix_web::http::header::HeaderName::from_static("x-forwarded-for");
        let value = actix_web::http::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request = request.append_header((name, value));
    }
    let response = worker.respond(&request.to_request());
    let mut text = format!("{}\n", response.status());
    let mut headers: Vec<_> = response.headers().iter().collect();
    headers.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in headers {
        writeln!(text, "{name}: {}", value.to_str().unwrap()).unwrap();
    }
    let body = actix_web::rt::System::new()
        .block_on(to_bytes(response.into_body()))
        .unwrap();
    text.push('\n');
    text.push_str(std::str::from_utf8(&body).unwrap());
    text
}

/// A health file of the fixture's hosts: IPv6 reaches https of de1, fr1 and il1, IPv4 all others and http of de1. No probe has tried
/// jp1 and au1.
const HEALTH: &str = r#"{"format": 1, "made": 1700000000, "valid_until": 4102444800, "urls": [
    {"url": "https://de1.example/pub/linux", "families": ["ipv6"], "standing": {"verdict": "good", "since": 1}},
    {"url": "http://de1.example/pub/linux", "families": ["ipv4"], "standing": {"verdict": "good", "since": 1}},
    {"url": "http://de2.example/pub/linux", "families": ["ipv4"], "standing": {"verdict": "good", "since": 1}},
    {"url": "https://fr1.example/pub/linux", "families": ["ipv4", "ipv6"], "standing": {"verdict": "good", "since": 1}},
    {"url": "http://fr1.example/pub/linux", "families": ["ipv4"], "standing": {"verdict": "good", "since": 1}},
    {"url": "https://us1.example/pub/linux", "families": ["ipv4"], "standing": {"verdict": "good", "since": 1}},
    {"url": "https://il1.example/pub/linux", "families": ["ipv6"], "standing": {"verdict": "good", "since": 1}}
]}"#;

fn snapshot_of(case: &Case) -> Snapshot {
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        if case.has_images {
            let image = |name| (name, vec![fixture::details(1_700_000_000, "a")]);
            let images = fixture::files("pub/linux/1/iso", vec![image("dvd.iso"), image("net.iso")]);
            cache.file_details_cache.push(images);
        }
    });
    if !case.has_health_file {
        return snapshot;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), HEALTH).unwrap();
    let settings = HealthSettings {
        files: vec![file.path().to_owned()],
        ..HealthSettings::default()
    };
    snapshot.with_health_files(&settings)
}

fn golden_text(case: &Case, answer: &str) -> String {
    let mut text = format!("{}\npeer: {}\n", case.request, case.peer);
    for value in case.forwarded_for {
        writeln!(text, "x-forwarded-for: {value}").unwrap();
    }
    if !case.settings.is_empty() {
        writeln!(text, "setting: {}", case.settings).unwrap();
    }
    if case.has_health_file {
        text.push_str("with a health file\n");
    }
    if case.has_images {
        text.push_str("with details of dvd.iso and net.iso\n");
    }
    format!("{text}\n{answer}")
}

#[test]
fn answers_are_what_the_files_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for case in CASES {
        let worker = worker_that_chooses(snapshot_of(case), settings(false), case.choice.clone());
        let found = golden_text(case, &answer(&worker, case));
        let path = folder.join(format!("{}.txt", case.name));
        if update {
            std::fs::write(&path, &found).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(found.as_str()) {
            different.push(format!("{}: now\n{found}", path.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(
        files,
        CASES.len(),
        "a file in {} has no case any more",
        folder.display()
    );
}

#[test]
fn the_ip_parameter_of_strangers_can_be_ignored() {
    let ask = |peer: &'static str| {
        let worker = worker(fixture::snapshot(), settings(true));
        answer(
            &worker,
            &forwarded("", "GET /mirrorlist?repo=linux-1&arch=x86_64&ip=nonsense", peer, &[]),
        )
    };
    assert!(ask(LOOPBACK).starts_with("400 "));
    assert!(ask("192.0.2.130:40000").contains("Using preferred netblock"));
}

#[test]
fn a_comment_line_never_reaches_what_librepo_reads_at_once() {
    let countries =
        (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| String::from_utf8_lossy(&[a, b]).into_owned()));
    let mut countries: Vec<String> = countries.collect();
    let list = countries.join(",");
    countries.retain(|country| country != "IT");
    let abroad = countries.join(",");
    let long = "x".repeat(5_000);
    for request in [
        format!("GET /mirrorlist?repo=linux-1&arch=x86_64&country={list}&protocol=https"),
        format!("GET /mirrorlist?path=pub/linux/italy&country={abroad}&ip=203.0.113.1&protocol={long}"),
        format!("GET /mirrorlist?path=pub/linux/1/iso/{}", "%C3%BC".repeat(2_000)),
        format!("GET /mirrorlist?repo={long}&arch={long}"),
    ] {
        let worker = worker(fixture::snapshot(), settings(false));
        let answer = answer(&worker, &case("", Box::leak(request.into_boxed_str())));
        let (_, body) = answer.split_once("\n\n").unwrap();
        let comment = body.lines().next().unwrap();
        assert!(
            comment.starts_with("# ") && comment.len() < 4_000,
            "{} bytes",
            comment.len()
        );
    }
}
