//! Query strings: decoding never grows, and every query has answers that a client can read.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use mirrorlist_server::mirrorlist::MirrorQuery;
use mirrorlist_server::snapshot::Snapshot;

use super::answers::assert_readable_answers;
use super::fixture;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(fixture::snapshot);

const CLIENTS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The bytes are a query string.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let query = MirrorQuery::parse(text);
    let values = [
        &query.repo,
        &query.arch,
        &query.path,
        &query.country,
        &query.ip,
        &query.protocol,
        &query.ip_version,
    ];
    let decoded: usize = values.iter().copied().flatten().map(|value| value.len()).sum();
    assert!(decoded <= text.len(), "{decoded} bytes of {text:?}");
    if !text.contains('%') {
        let copied = |value: &Option<Cow<'_, str>>| matches!(value, Some(Cow::Owned(_)));
        assert!(!values.into_iter().any(copied), "{text:?}");
    }
    for client in CLIENTS {
        assert_readable_answers(&SNAPSHOT, &query, client);
    }
}
