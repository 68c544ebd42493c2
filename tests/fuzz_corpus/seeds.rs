//! What fuzzing begins with: small inputs of the project's own making, good ones and such as have been bad.

use std::fs;
use std::path::Path;

use mirrorlist_server::cache::proto::{IntCoordinatesMap, IntStringMap, MirrorList, StringStringMap};
use mirrorlist_server::settings::server_settings;
use prost::Message as _;

use crate::fuzz_targets::fixture;
use crate::mmdb::{City, mmdb, mmdb_of_cities, mmdb_with};

/// The seeds of a target.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "cache" => caches(),
        "connection" => connections(),
        "csv" => texts(&[
            fixture::CONTINENTS,
            "\"iso 3166 country\",\"continent code\"\n\"DE\",\"EU\"\r\nus, na\nA1,--\n\nXX\nFR,Europe\n",
        ]),
        "db_url" => texts(&DB_URLS),
        "forwarded_for" => texts(&FORWARDED_FOR),
        "health_file" => texts(&HEALTH_FILES),
        "mmdb" => databases(),
        "netblock_text" => texts(&NETBLOCK_TEXTS),
        "netblocks" => texts(&[
            fixture::GLOBAL_NETBLOCKS,
            "10.0.0.0/33 1\nnonsense\n192.0.2.0/24\n\n192.0.2.0/24 AS64496\n::ffff:192.0.2.0/120 64497\n2001:db8::1 4294967295\r\n",
            "0.0.0.0/0 1\n128.0.0.0/1 2\n255.255.255.255 3\n::/0 4\n",
        ]),
        "query" => requests().into_iter().map(|(_, query)| query.into_bytes()).collect(),
        "repomd" => texts(&REPOMDS),
        "rules_file" => texts(&RULES_FILES),
        "settings_file" => settings_files(),
        _ => Vec::new(),
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// `PW` stands for a part of the password.
const DB_URLS: [&str; 16] = [
    "",
    "s%40cret\n",
    "a@b/\n",
    "5432/\n\n?user=mm",
    "a?\n",
    "\n:x\n?sslmode=verify-full&sslrootcert=%2Fca.pem",
    "\n\n?sslmode=disable&connect_timeout=3",
    "postgresql://mm:PW@host/db",
    "postgres://mm:PW@%2Frun%2Fpostgresql/mm?options=-c%20x",
    "postgresql://mm:PW@[2001:db8::1]:5432,other:5433/db?target_session_attrs=any&password=PW",
    "host=h user=mm password=PW",
    "DB_URL=\"postgresql://mm:PW@host/db?sslmode=maybe\"\n",
    "# a comment\nexport DB_URL='postgresql://mm:PW@host:port/db'\n",
    "DB_URL=postgresql://mm:$PW@${HOME}/db\n",
    "DB_URL=\"postgresql://mm:PW\n",
    "PW=1\nDB URL=PW\n",
];

const FORWARDED_FOR: [&str; 10] = [
    "198.51.100.7",
    "203.0.113.9, 198.51.100.7,10.0.0.1",
    "spoofed\n198.51.100.7\n10.0.0.1, 127.0.0.1",
    "10.1.2.3, 10.9.9.9",
    " , 198.51.100.7 ,, ",
    "198.51.100.7:4711",
    "\"[2001:db8::7]:4711\", fd00::1",
    "::ffff:198.51.100.7, ::ffff:10.0.0.1",
    "198.51.100.7, _hidden, ::1",
    "1.2.3.4.5, 300.1.1.1, <script>",
];

const HEALTH_FILES: [&str; 4] = [
    r#"{"format":1,"program":"p/1","place":"here","made":9,"valid_until":10,"cache_created":8,"urls":[{"url":"https://a.example/pub","host_id":1,
"country":"DE","standing":{"verdict":"good","since":1,"strikes":1},"families":["ipv4","ipv6"],"last_answer":"200, current version","checked":9,
"repositories":[{"directory":"pub/x/os","standing":{"verdict":"stale","since":2,"good_answers":1},"last_answer":"404","etag":"\"1\"",
"last_modified":"x","sha256":"ab","timestamp":7}]}]}"#,
    r#"{"format":1,"made":1,"valid_until":2,"more":[[]],"urls":[{"url":"x","standing":{"verdict":"haunted"},"families":["ipv9"]}]}"#,
    r#"{"format":2,"made":1,"valid_until":2,"urls":[]}"#,
    r#"{"format":1,"made":-1,"valid_until":1e400,"urls":[{},{"standing":{"verdict":7}}]}"#,
];

const REPOMDS: [&str; 5] = [
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">\n<revision>1700000001</revision>\n\
     <data type=\"primary\"><checksum type=\"sha256\">ab</checksum><timestamp>1700000000</timestamp><size>1</size></data>\n\
     <data type=\"group\"><timestamp> 1700000002.5 </timestamp></data></repomd>\n",
    "<repomd><data><timestamp><![CDATA[7]]></timestamp><timestamp>&#55;</timestamp><timestamp>8</data></repomd>",
    "<r:repomd xmlns:r=\"x\"><r:data><r:timestamp>1<!-- --></r:timestamp></r:data></r:repomd>",
    "<html><head><title>404</title></head><body>not here",
    "<repomd><data><timestamp>99999999999999999999</timestamp><timestamp/></data></repomd>",
];

const RULES_FILES: [&str; 6] = [
    "# none\n",
    "[[clients]]\nname = \"farm\"\ncomment = \"x\"\nuntil = 2099-12-31\nnetworks = [\"192.0.2.0/24\", \"2001:db8::/32\"]\nas = [64496, \"AS64497\"]\n\
     countries = [\"us\"]\nrepositories = [\"example-*\"]\nonly = [7, \"mirror.berlin.example\"]\nprotocols = [\"ftp\"]\notherwise = \"none\"\n",
    "[[clients]]\nname = \"a\"\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\nprefer = [\"9\"]\nnever = [\"DE\", 5, \"mirror.tokyo.example\"]\nminimum = 0\nmaximum = 1\n",
    "[[mirrors]]\nname = \"cdn\"\nhost = 7\ncountries = [\"*\"]\nnetworks = [\"198.51.100.7\"]\nweight = 1000000\n\
     [[mirrors]]\nname = \"b\"\nhost = 5\nout = true\nuntil = 2001-01-01T00:00:00-12:00\nnever_for = { as = [64496], countries = [\"CO\"] }\n",
    "[[repositories]]\nname = \"s\"\nmatch = \"*a*a*a*a*[!x]?\"\nhttps_at_least = 2\nprotocols = [\"rsync\"]\nminimum = 9\n",
    "clients = [{ name = \"\\u0000\", networks = [] }]\n[[mirrors]]\nname = 1\n\"\\n\" = 2\n",
];

const NETBLOCK_TEXTS: [&str; 18] = [
    "192.0.2.0/24",
    "10.0.0.5/8",
    " 10.0.0.0/255.0.0.0 ",
    "10.0.0.0/255.0.255.0",
    "10.0.0.0/33",
    "192.0.2.7",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8::1 / 48",
    "::ffff:192.0.2.7/120",
    "::ffff:0.0.0.0/96",
    "::/0",
    "mirror.example.org.",
    "a-1.b_2.xn--p1ai",
    "10.0",
    "0x7f.1",
    "192.0.2.0-192.0.2.255\u{a0}",
    "line\nend \u{1b}[31m",
];

fn caches() -> Vec<Vec<u8>> {
    let whole = fixture::cache_message();
    let small = MirrorList {
        time: 1,
        hc_url_cache: vec![IntStringMap {
            key: 10,
            value: "https://de1.example/pub".to_owned(),
        }],
        repo_arch_to_directory_name: vec![StringStringMap {
            key: "a+b".to_owned(),
            value: "pub/linux".to_owned(),
        }],
        mirror_list_cache: vec![fixture::directory("pub/linux", |host| host.id == 1)],
        ..MirrorList::default()
    };
    let mut odd = small.clone();
    let odd_names = [
        ("<!--", "pub/linux"),
        ("a--b", "/pub//linux/"),
        ("\u{1}\n", "pub/\u{7f}&\u{fffe}"),
    ];
    odd.repo_arch_to_directory_name
        .extend(odd_names.map(|(key, value)| StringStringMap {
            key: format!("{key}+x"),
            value: value.to_owned(),
        }));
    odd.mirror_list_cache
        .push(fixture::directory("pub/\u{7f}&\u{fffe}", |host| host.id == 1));
    odd.hc_url_cache.extend(
        ["gopher://x", "http://\u{e4}/\r\nX: y", "rsync://"].map(|value| IntStringMap {
            key: 11,
            value: value.to_owned(),
        }),
    );
    let places = [(1, 5_252_000, 1_340_500), (1, 0, 0), (2, i32::MIN, i32::MAX)];
    odd.host_coordinates_cache = places
        .map(|(key, latitude, longitude)| IntCoordinatesMap {
            key,
            latitude,
            longitude,
        })
        .to_vec();
    let mut files = small.clone();
    files.file_details_cache = whole.file_details_cache.clone();
    files
        .mirror_list_cache
        .extend(whole.mirror_list_cache[3..5].iter().cloned());
    [whole, small, odd, files]
        .iter()
        .map(MirrorList::encode_to_vec)
        .collect()
}

fn databases() -> Vec<Vec<u8>> {
    let networks = [
        ("192.0.2.0/24", "DE"),
        ("192.0.2.128/25", "FR"),
        ("2001:db8::/32", "us"),
    ];
    let others = [
        ("198.51.100.0/24", &["registered_country", "iso_code"][..], "JP"),
        ("203.0.113.0/24", &["country_code"], "A1"),
        ("0.0.0.0/1", &["country"], "nowhere"),
    ];
    let city = |network, place, accuracy_radius| City {
        network,
        country: "DE",
        place,
        accuracy_radius,
    };
    let cities = [
        city("192.0.2.0/24", Some((52.52, 13.405)), Some(20)),
        city("198.51.100.0/24", Some((0.0, 0.0)), None),
        city("203.0.113.0/24", None, Some(1_000)),
    ];
    vec![mmdb(&networks), mmdb_with(&others), mmdb_of_cities(&cities)]
}

/// A file with all settings, one with tables, and bad ones.
fn settings_files() -> Vec<Vec<u8>> {
    let all: String = server_settings()
        .iter()
        .map(|setting| format!("{} = \"{}\"\n", setting.key, setting.default))
        .collect();
    let tables = "port = 8080\nworkers = 2\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[admin]\nlisten = \"/run/a.sock\"\n\
                  [timeout]\nhead = \"5s\"\n[reload]\nmax_shrink = \"10%\"\n";
    let mut files = texts(&[
        tables,
        "port = = 1\n",
        "prot = 1\n[admin]\nlisen = 1\n",
        "port = 1e400\nworkers = -1\nlog = 1979-05-27\n",
        "admin = { listen = [[1], { a = 2 }] }\n",
        "\"admin.listen\" = 'off'\n",
    ]);
    files.push(all.into_bytes());
    files
}

/// Pieces of 7 bytes to a buffer of 32 bytes, with waits.
const IN_PIECES: [u8; 3] = [7, 2, 1];

/// All that comes at once.
const AT_ONCE: [u8; 3] = [0, 0, 0];

fn connections() -> Vec<Vec<u8>> {
    let golden = requests();
    let mut heads = golden
        .iter()
        .step_by(9)
        .map(|(line, _)| format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let pipeline: String = heads.by_ref().take(4).collect();
    let bad = [
        "HEAD / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nPUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET http://u@x/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n folded\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "HEAD /a b HTTP/9.9\r\n\r\n",
    ];
    let bad = bad.map(str::to_owned);
    let streams = heads.collect::<Vec<_>>().into_iter().chain([pipeline]).chain(bad);
    streams
        .flat_map(|stream| [IN_PIECES, AT_ONCE].map(|plan| [&plan[..], stream.as_bytes()].concat()))
        .collect()
}

/// The requests of the golden files: method and target, and the query alone.
fn requests() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .filter_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let line = text.lines().next()?;
            Some((line.to_owned(), line.split_once('?')?.1.to_owned()))
        })
        .collect()
}
