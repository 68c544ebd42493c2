//! Cache files: what loads answers requests for what it names, with answers that a client can read.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use mirrorlist_server::geo::{AsTable, ContinentTable, GeoIp};
use mirrorlist_server::mirrorlist::MirrorQuery;
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::snapshot::{Catalogue, DataSet, Loaded, Snapshot};
use mirrorlist_server::warnings::Warnings;

use super::answers::assert_readable_answers;
use super::assert_one_line;

/// So many repositories and directories of a cache are asked for.
const ASKED: usize = 20;

/// An address in the networks and autonomous systems of the seeds.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));

static GLOBAL_NETBLOCKS: LazyLock<Arc<Loaded<AsTable>>> = LazyLock::new(|| {
    let table = AsTable::read(&b"192.0.2.0/24 64496\n"[..], &mut Warnings::default()).unwrap();
    Loaded::built_in("fuzz", table)
});
static CONTINENTS: LazyLock<Arc<Loaded<ContinentTable>>> = LazyLock::new(|| {
    let table = ContinentTable::read(&b"DE,EU\nFR,EU\nUS,NA\n"[..], &mut Warnings::default()).unwrap();
    Loaded::built_in("fuzz", table)
});

/// The bytes are a cache file.
pub(crate) fn check(bytes: &[u8]) {
    let mut warnings = Warnings::default();
    let catalogue = match Catalogue::read(bytes, &mut warnings) {
        Ok(catalogue) => catalogue,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    for warning in warnings.first() {
        assert_one_line(warning);
    }
    let snapshot = Snapshot::new(DataSet {
        cache: Loaded::built_in("fuzz", catalogue),
        global_netblocks: Arc::clone(&GLOBAL_NETBLOCKS),
        country_continent: Arc::clone(&CONTINENTS),
        geoip: Loaded::without_file(GeoIp::empty()),
        rules: Loaded::without_file(RulesFile::default()),
    });
    ask(&snapshot);
}

fn ask(snapshot: &Snapshot) {
    let catalogue: &Catalogue = snapshot.catalogue();
    let plain = MirrorQuery::parse("");
    assert_readable_answers(snapshot, &MirrorQuery::parse("repo=unknown&arch=unknown"), CLIENT);
    for (key, _) in catalogue.repositories().take(ASKED) {
        let (prefix, arch) = key.split_once('+').unwrap_or((key, ""));
        let query = MirrorQuery {
            repo: Some(Cow::Borrowed(prefix)),
            arch: Some(Cow::Borrowed(arch)),
            ..plain.clone()
        };
        assert_readable_answers(snapshot, &query, CLIENT);
    }
    for directory in catalogue.directories().take(ASKED) {
        let name = catalogue.directory_name(directory);
        for path in [name.to_owned(), format!("{name}/repomd.xml")] {
            for redirect in [false, true] {
                let query = MirrorQuery {
                    path: Some(Cow::Borrowed(&path)),
                    protocol: redirect.then_some(Cow::Borrowed("http,https,ftp,rsync")),
                    redirect,
                    ..plain.clone()
                };
                assert_readable_answers(snapshot, &query, CLIENT);
            }
        }
    }
}
