//! A file of rules: it is refused in one line, or its rules make answers that clients can read.

use std::net::IpAddr;

use mirrorlist_server::mirrorlist::MirrorQuery;
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::snapshot::Loaded;
use mirrorlist_server::{demo, snapshot::Snapshot};

use super::answers::assert_readable_answers;
use super::assert_one_line;

/// The requests that are made by the rules: clients in each network of the demonstration.
const REQUESTS: [(&str, &str); 4] = [
    ("repo=example-1&arch=x86_64", "192.0.2.200"),
    (
        "path=pub/example/2/aarch64/os/repodata/repomd.xml&protocol=http",
        "198.51.100.7",
    ),
    ("repo=example-source-1&arch=source&country=de,global", "2001:db8::1"),
    ("repo=example-2&arch=x86_64&netblock=0", "203.0.113.200"),
];

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rules = match RulesFile::read(text) {
        Ok(rules) => rules,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    let snapshot: Snapshot = demo::snapshot_with_rules(Loaded::built_in("fuzzed", rules)).expect("the cache is good");
    for rule in snapshot.rules().into_iter().flat_map(|rules| rules.all()) {
        rule.warnings.iter().for_each(|warning| assert_one_line(warning));
    }
    for (query, address) in REQUESTS {
        let address: IpAddr = address.parse().expect("it is one");
        assert_readable_answers(&snapshot, &MirrorQuery::parse(query), address);
    }
}
