//! No query makes an answer that a client can't read. (Other bytes from outside: fuzz_corpus.rs.)
#![allow(clippy::panic, clippy::unwrap_used, reason = "a helper that fails fails the test")]

#[path = "fuzz_targets/answers.rs"]
#[allow(dead_code, reason = "fuzz targets use the rest")]
mod answers;
mod fixture;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::ChoiceSettings;
use mirrorlist_server::snapshot::Snapshot;
use proptest::prelude::*;

use answers::assert_readable;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(fixture::snapshot);

/// Query strings as they come: real names and parameters, percent-encoded bytes, markup, control characters.
fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("repo"),
        Just("arch"),
        Just("path"),
        Just("country"),
        Just("ip"),
        Just("protocol"),
        Just("ip_version"),
        Just("redirect"),
        Just("netblock"),
        Just("time"),
        Just("format"),
        Just("countme"),
        Just("re%70o"),
    ];
    let value = prop_oneof![
        Just("linux-1".to_owned()),
        Just("x86_64".to_owned()),
        Just("pub/linux/1/iso/%3C!--%20--%3E%26%00%ff.iso".to_owned()),
        Just("pub/linux/1/x86_64/os/repodata/repomd.xml".to_owned()),
        Just("pub/linux/odd dir/50% \u{fc}".to_owned()),
        Just("de,global,%0A".to_owned()),
        Just("!de,%21us, !fr,!%00,!!".to_owned()),
        "(!?[A-Za-z0-9]{2},){0,8}",
        "[46]",
        Just("192.0.2.200".to_owned()),
        Just("json".to_owned()),
        Just("metalink4".to_owned()),
        "[ -~\u{a0}-\u{ff}]{0,20}",
        "(%[0-9a-fA-F]{2}){0,12}",
    ];
    let parameter = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(parameter, 0..6).prop_map(|parameters| parameters.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn every_answer_can_be_read(query in query(), metalink in any::<bool>(), seed in any::<u64>()) {
        let query = MirrorQuery::parse(&query);
        let endpoint = if metalink { Endpoint::Metalink } else { Endpoint::Mirrorlist };
        let request = MirrorRequest {
            endpoint,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            query: &query,
            settings: &ChoiceSettings::STANDARD,
            now: 0,
        };
        let date = "Sat, 31 Jan 2026 23:59:59 GMT";
        assert_readable(&answer(&SNAPSHOT, &request, date, &mut Answerer::seeded(seed)));
    }
}
