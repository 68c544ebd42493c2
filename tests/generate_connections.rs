//! The ways into a database that libpq knows: both forms of `DB_URL`, variables, password files, Unix sockets, several servers,
//! TLS with the certificates of either side.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod support;

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber, SigningKey as _, date_time_ymd,
};
use support::generator::{Setup, checked, closed_port, fails, generator, setup_in, wait_for};
use support::postgres::{Cluster, PASSWORD};
use support::process::{describe, run};
use support::proxy::Proxy;
use support::standby;

/// A server in which `reader` gets in as a test's lines of pg_hba.conf say, and a home folder.
struct World<'a> {
    cluster: &'a Cluster,
    setup: Setup<'a>,
    home: PathBuf,
}

impl<'a> World<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let statements = format!(
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO reader"
        );
        let setup = setup_in(cluster, &[&statements]);
        let home = cluster.folder.join("home");
        fs::create_dir_all(home.join(".postgresql")).unwrap();
        let world = Self { cluster, setup, home };
        world.admit("host all reader all scram-sha-256\nlocal all reader scram-sha-256");
        world
    }

    /// Says how `reader` gets in.
    fn admit(&self, lines: &str) {
        let hba = format!(
            "{lines}\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
        );
        fs::write(self.cluster.folder.join("data/pg_hba.conf"), hba).unwrap();
        self.reload();
    }

    /// Has the server read its files again.
    fn reload(&self) {
        let mut client = self.setup.database.client();
        let loaded = "SELECT pg_conf_load_time()::text";
        let before: String = client.query_one(loaded, &[]).unwrap().get(0);
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        wait_for("the reload", || {
            // A new process has what the postmaster has.
            let now: String = self.setup.database.client().query_one(loaded, &[]).unwrap().get(0);
            (now != before).then_some(())
        });
    }

    fn command(&self, url: &str) -> Command {
        let mut command = self.setup.command_at(url, &["--no-dns"]);
        command.env("HOME", &self.home);
        command
    }

    fn attempt(&self, url: &str) -> Output {
        checked(run(&mut self.command(url)))
    }

    /// `host=… user=reader …` and more.
    fn pairs(&self, more: &str) -> String {
        let (port, name) = (self.cluster.port, &self.setup.database.name);
        format!("port={port} dbname={name} user=reader {more}")
    }

    fn succeeds(&self, url: &str) {
        let output = self.attempt(url);
        assert!(output.status.success(), "{url}: {}", describe(&output));
    }

    fn fails(&self, url: &str, code: i32, said: &str) {
        fails(&self.attempt(url), code, said);
    }
}

fn write(path: &Path, content: &str, mode: u32) -> String {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    path.display().to_string()
}

#[test]
fn both_forms_variables_sockets_and_password_files_lead_in() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let socket = folder.path().display().to_string();
    let sockets = format!("unix_socket_directories={socket}");
    let Some(cluster) = Cluster::alone_with(&["-c", &sockets]) else {
        return;
    };
    let world = World::new(&cluster);
    let (port, name) = (cluster.port, world.setup.database.name.clone());
    let encoded = socket.replace('/', "%2F");
    let secret = format!("password='{PASSWORD}'");
    for url in [
        world.pairs(&format!("host = 127.0.0.1 {secret}")),
        world.pairs(&format!("hostaddr=127.0.0.1 {secret} options='-c search_path=public'")),
        world.pairs(&format!("host={socket} {secret}")),
        // As in libpq, nothing encrypts what no network sees.
        world.pairs(&format!("host={socket} {secret} sslmode=require")),
        format!("postgresql://reader:{PASSWORD}@{encoded}:{port}/{name}"),
        format!("postgresql://reader:{PASSWORD}@:{port}/{name}?host={socket}"),
        format!("postgres:///{name}?host=127.0.0.1&port={port}&user=reader&password={PASSWORD}&ssl=true"),
    ] {
        world.succeeds(&url);
    }
    // Variables alone, and below a URL.
    let with_variables = |url: Option<&str>, variables: &[(&str, &str)]| {
        let mut command = world.command(url.unwrap_or_default());
        if url.is_none() {
            command.env_remove("DB_URL").args(["-c", "/nonexistent.cfg"]);
        }
        checked(run(command.envs(variables.iter().copied())))
    };
    let port_text = port.to_string();
    let all = [
        ("PGHOST", socket.as_str()),
        ("PGPORT", &port_text),
        ("PGUSER", "reader"),
        ("PGDATABASE", &name),
        ("PGPASSWORD", PASSWORD),
    ];
    let output = with_variables(None, &all);
    assert!(output.status.success(), "{}", describe(&output));
    let output = with_variables(Some("postgresql://127.0.0.1"), &all);
    assert!(output.status.success(), "{}", describe(&output));
    fails(&with_variables(None, &all[1..2]), 64, "set DB_URL in the environment");
    fails(
        &with_variables(Some("host=127.0.0.1"), &[("PGSERVICE", "mm")]),
        64,
        "PGSERVICE: it is not supported",
    );
    // Password files: the usual one, others, and one that others may read.
    world.fails(&world.pairs("host=127.0.0.1"), 69, "or the password file");
    let passwords = world.home.join(".pgpass");
    write(
        &passwords,
        &format!("*:1:*:*:x\n127.0.0.1:{port}:{name}:reader:{PASSWORD}\n"),
        0o600,
    );
    world.succeeds(&world.pairs("host=127.0.0.1"));
    world.fails(&world.pairs(&format!("host={socket}")), 69, "or the password file");
    write(&passwords, &format!("localhost:{port}:*:reader:{PASSWORD}\n"), 0o600);
    world.succeeds(&world.pairs(&format!("host={socket}")));
    write(
        &passwords,
        &format!("localhost:*:*:*:wrong\n{socket}:*:*:*:{PASSWORD}"),
        0o600,
    );
    world.succeeds(&world.pairs(&format!("host={socket}")));
    write(&passwords, &format!("*:*:*:*:{PASSWORD}\n"), 0o640);
    // The reason is in the error, since a warning is only said with -d or on a terminal.
    world.fails(&world.pairs("host=127.0.0.1"), 69, "its group or others may read");
    world.fails(
        &world.pairs("host=127.0.0.1 passfile=/nonexistent"),
        69,
        "the password file /nonexistent is not there",
    );
    let other = write(&folder.path().join("passwords"), "*:*:*:*:wrong-s3cret", 0o600);
    world.fails(
        &world.pairs(&format!("host=127.0.0.1 passfile={other}")),
        69,
        &format!("the password is of {other}"),
    );
    write(Path::new(&other), &format!("*:*:*:*:{PASSWORD}"), 0o600);
    let output = with_variables(Some(&world.pairs("host=127.0.0.1")), &[("PGPASSFILE", &other)]);
    assert!(output.status.success(), "{}", describe(&output));
}

#[test]
fn the_first_server_that_works_and_is_as_wanted_is_read() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::new(&cluster);
    let (port, closed, name) = (cluster.port, closed_port(), &world.setup.database.name);
    let url = |servers: &str, more: &str| format!("postgresql://reader:{PASSWORD}@{servers}/{name}?{more}");
    world.succeeds(&url(&format!("127.0.0.1:{closed},127.0.0.1:{port}"), ""));
    world.succeeds(&url(
        &format!("127.0.0.1:{port},127.0.0.1:{closed}"),
        "load_balance_hosts=random",
    ));
    world.succeeds(&url(&format!("name.invalid:{port},127.0.0.1:{port}"), ""));
    world.succeeds(&format!(
        "host=a,b hostaddr=127.0.0.1,127.0.0.1 port={closed},{port} user=reader password={PASSWORD} dbname={name}"
    ));
    world.fails(
        &url(&format!("127.0.0.1:{closed},localhost:{closed}"), ""),
        69,
        &format!("127.0.0.1:{closed}: error connecting to server"),
    );
    // A server that says no is the last one, as with libpq.
    let text = describe(
        &world.attempt(&url(&format!("127.0.0.1:{port},127.0.0.1:{closed}"), "").replace(PASSWORD, "wrong-s3cret")),
    );
    assert!(
        text.contains("password authentication failed") && !text.contains("connecting to server"),
        "{text}"
    );
    // A server that is there and says nothing.
    let proxy = Proxy::start(port);
    proxy.silence(0, usize::MAX);
    let silent = proxy.port;
    world.succeeds(&url(
        &format!("127.0.0.1:{silent},127.0.0.1:{port}"),
        "connect_timeout=1",
    ));
    world.fails(
        &url(&format!("127.0.0.1:{silent}"), "connect_timeout=1"),
        69,
        "it did not let us in within 2 s",
    );

    let standby = standby::follow(&cluster);
    let (primary, standby) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", standby.port));
    let both = format!("{standby},{primary}");
    for (servers, wanted, fits) in [
        (&primary, "any", true),
        (&primary, "read-write", true),
        (&primary, "primary", true),
        (&primary, "prefer-standby", true),
        (&primary, "read-only", false),
        (&primary, "standby", false),
        (&standby, "any", true),
        (&standby, "read-only", true),
        (&standby, "standby", true),
        (&standby, "prefer-standby", true),
        (&standby, "read-write", false),
        (&standby, "primary", false),
        (&both, "primary", true),
        (&both, "read-write", true),
        (&both, "standby", true),
    ] {
        let url = url(servers, &format!("target_session_attrs={wanted}"));
        if fits {
            world.succeeds(&url);
        } else {
            world.fails(&url, 69, "check the hosts and target_session_attrs in DB_URL");
        }
    }
    // The standby has TLS off.
    for (mode, fits) in [("allow", true), ("prefer", true), ("disable", true), ("require", false)] {
        let url = url(&standby, &format!("sslmode={mode}"));
        if fits {
            world.succeeds(&url);
        } else {
            world.fails(&url, 69, "server does not support TLS");
        }
    }
    // A password of its own for each server; the second is reached where the first one is not as wanted.
    let passwords = world.home.join(".pgpass");
    write(&passwords, &format!("{}:*:*:{PASSWORD}\n", standby), 0o600);
    let url = format!("postgresql://reader@{both}/{name}?target_session_attrs=");
    world.succeeds(&format!("{url}standby"));
    world.fails(&format!("{url}primary"), 69, "or the password file");
}

/// An authority with what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = parameters.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(parameters, key);
        Self { issuer, pem }
    }

    /// A certificate and its key.
    fn sign(&self, names: &[&str], common_name: &str, serial: u64) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        parameters.serial_number = Some(SerialNumber::from(serial));
        (
            parameters.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// A certificate of X.509 version 1 and its key, as `openssl x509 -req` makes them: without extensions, so without
    /// alternative names.
    fn sign_version_1(&self, common_name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let parts = elements(certificate.der());
        // Between the version and the extensions.
        let content = &elements(parts[0])[1..7];
        let signed = element(0x30, &content.concat());
        let signature = [vec![0], self.issuer.key().sign(&signed).unwrap()].concat();
        let der = element(0x30, &[signed, parts[1].to_vec(), element(0x03, &signature)].concat());
        (pem::encode(&pem::Pem::new("CERTIFICATE", der)), key.serialize_pem())
    }

    fn revoke(&self, serial: u64) -> String {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2124, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .unwrap()
        .pem()
        .unwrap()
    }
}

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..0x80) => &[tag, low],
        (0, _) => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// The elements in one of DER, each with its head.
fn elements(outer: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = &outer[head_length(outer)..];
    while !rest.is_empty() {
        let head = head_length(rest);
        let length = match head {
            2 => usize::from(rest[1]),
            _ => rest[2..head].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        let (part, after) = rest.split_at(head + length);
        parts.push(part);
        rest = after;
    }
    parts
}

/// The length of an element's tag and length.
fn head_length(element: &[u8]) -> usize {
    2 + usize::from(element[1].saturating_sub(0x80))
}

/// Gives the server another certificate.
fn serve(world: &World<'_>, certificate: &str, key: &str) {
    // Written over, so that they stay the server's.
    fs::write(world.cluster.folder.join("server.pem"), certificate).unwrap();
    fs::write(world.cluster.folder.join("server.key"), key).unwrap();
    world.reload();
}

#[test]
fn certificates_of_servers_are_looked_at_as_asked() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::new(&cluster);
    let authority = Authority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| write(&folder.path().join(name), content, 0o644);
    let ca = file("ca.pem", &authority.pem);
    let other = file("other.pem", &Authority::new("other").pem);
    let (certificate, key) = authority.sign(&["localhost", "127.0.0.1"], "server", 7);
    serve(&world, &certificate, &key);
    let url = |place: &str, more: &str| world.pairs(&format!("{place} password={PASSWORD} {more}"));
    let (by_name, by_address) = ("host=localhost hostaddr=127.0.0.1", "host=127.0.0.1");
    let by_other_name = "host=db.example.org hostaddr=127.0.0.1";
    let advice = "check sslmode and sslrootcert";
    for (place, more, refused) in [
        (by_name, format!("sslmode=verify-full sslrootcert={ca}"), None),
        (by_address, format!("sslmode=verify-full sslrootcert={ca}"), None),
        (
            by_other_name,
            format!("sslmode=verify-full sslrootcert={ca}"),
            Some((69, advice)),
        ),
        (by_other_name, format!("sslmode=verify-ca sslrootcert={ca}"), None),
        (
            by_name,
            format!("sslmode=verify-ca sslrootcert={other}"),
            Some((69, advice)),
        ),
        (
            by_name,
            format!("sslmode=require sslrootcert={other}"),
            Some((69, advice)),
        ),
        // As with libpq, a connection that is not encrypted will do then.
        (by_name, format!("sslmode=prefer sslrootcert={other}"), None),
        (by_name, "sslmode=verify-ca".to_owned(), Some((64, "sslrootcert="))),
        (
            by_name,
            "sslmode=verify-ca sslrootcert=/nonexistent".to_owned(),
            Some((64, "sslrootcert /nonexistent")),
        ),
        (
            by_name,
            "sslmode=require sslrootcert=system".to_owned(),
            Some((64, "needs verify-full")),
        ),
        (
            by_name,
            format!("sslmode=require sslcrl={ca}"),
            Some((64, "without sslrootcert")),
        ),
        (by_name, "sslmode=require channel_binding=require".to_owned(), None),
        (
            by_name,
            "sslmode=disable channel_binding=require".to_owned(),
            Some((69, "channel_binding=require needs")),
        ),
        (
            by_name,
            "sslmode=require sslsni=0 ssl_min_protocol_version=TLSv1.3".to_owned(),
            None,
        ),
        (
            by_name,
            "sslmode=require ssl_max_protocol_version=TLSv1.2".to_owned(),
            None,
        ),
    ] {
        match refused {
            None => world.succeeds(&url(place, &more)),
            Some((code, said)) => world.fails(&url(place, &more), code, said),
        }
    }
    // Variables protect, too: nothing of the password is sent to a server that they don't trust.
    let mut command = world.command(&url(by_name, ""));
    let output = checked(run(command
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &other)));
    fails(&output, 69, advice);
    let mut command = world.command(&url(by_name, ""));
    let output = checked(run(command
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", "/nonexistent")));
    fails(&output, 64, "PGSSLROOTCERT /nonexistent");
    // The roots of the system.
    for (roots, code) in [(&ca, 0), (&other, 69)] {
        let mut command = world.command(&url(by_name, "sslmode=verify-full sslrootcert=system"));
        let output = checked(run(command.env("SSL_CERT_FILE", roots)));
        assert_eq!(output.status.code(), Some(code), "{}", describe(&output));
    }
    // Roots in the home folder count in every mode.
    let roots = world.home.join(".postgresql/root.crt");
    fs::copy(&other, &roots).unwrap();
    world.fails(&url(by_name, "sslmode=require"), 69, advice);
    fs::copy(&ca, &roots).unwrap();
    world.succeeds(&url(by_name, "sslmode=verify-full"));
    world.succeeds(&url(by_name, "sslmode=verify-ca"));
    // Revocation lists.
    let others = file("others.crl", &authority.revoke(8));
    let its = file("its.crl", &authority.revoke(7));
    world.succeeds(&url(by_name, &format!("sslmode=verify-full sslcrl={others}")));
    world.fails(&url(by_name, &format!("sslmode=verify-full sslcrl={its}")), 69, advice);
    let lists = folder.path().join("lists");
    fs::create_dir(&lists).unwrap();
    fs::copy(&its, lists.join("0123abcd.r0")).unwrap();
    world.fails(
        &url(by_name, &format!("sslmode=verify-ca sslcrldir={}", lists.display())),
        69,
        advice,
    );
    fs::remove_file(&roots).unwrap();
    // A certificate that signs itself, as `openssl req -x509` makes them.
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = parameters.self_signed(&key).unwrap().pem();
    serve(&world, &own, &key.serialize_pem());
    let own = file("own.pem", &own);
    world.succeeds(&url(by_name, &format!("sslmode=verify-full sslrootcert={own}")));
    world.succeeds(&url(by_address, &format!("sslmode=verify-ca sslrootcert={own}")));
    world.fails(
        &url(by_address, &format!("sslmode=verify-full sslrootcert={own}")),
        69,
        advice,
    );
    world.fails(
        &url(by_name, &format!("sslmode=verify-full sslrootcert={ca}")),
        69,
        advice,
    );
    // One of X.509 version 1 encrypts, and is never verified.
    let (certificate, key) = authority.sign_version_1("localhost");
    serve(&world, &certificate, &key);
    for more in ["", "ssl_max_protocol_version=TLSv1.2", "channel_binding=require"] {
        world.succeeds(&url(by_name, &format!("sslmode=require {more}")));
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        world.fails(
            &url(by_name, &format!("sslmode={mode} sslrootcert={ca}")),
            69,
            "of X.509 version 1",
        );
    }
}

#[test]
fn encryption_is_what_sslmode_and_the_server_agree_on() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::new(&cluster);
    let url = |mode: &str| world.pairs(&format!("host=127.0.0.1 password={PASSWORD} sslmode={mode}"));
    let scram = "all reader all scram-sha-256";
    for (lines, modes) in [
        (
            format!("hostssl {scram}"),
            [("disable", false), ("allow", true), ("prefer", true), ("require", true)],
        ),
        (
            format!("hostnossl {scram}"),
            [("disable", true), ("allow", true), ("prefer", true), ("require", false)],
        ),
        (
            format!("hostnossl {scram}\nhostssl all reader all reject"),
            [("disable", true), ("allow", true), ("prefer", true), ("require", false)],
        ),
        (
            format!("hostssl {scram}\nhostnossl all reader all reject"),
            [("disable", false), ("allow", true), ("prefer", true), ("require", true)],
        ),
    ] {
        // Without this nothing else lets the reader in.
        world.admit(&format!("{lines}\nhost all reader all reject"));
        for (mode, fits) in modes {
            if fits {
                world.succeeds(&url(mode));
            } else {
                world.fails(
                    &url(mode),
                    69,
                    "check the user and the password in DB_URL, and the server's pg_hba.conf",
                );
            }
        }
    }
}

/// The first bytes that a server of its own gets from a generator with these parameters.
fn first_bytes(parameters: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut bytes = vec![0; 4096];
        let count = listener.accept().unwrap().0.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    });
    let folder = tempfile::tempdir().unwrap();
    let url =
        format!("host=db.example.org hostaddr=127.0.0.1 port={port} user=reader password={PASSWORD} {parameters}");
    let mut command = generator(&url);
    command
        .env("HOME", folder.path())
        .arg("-o")
        .arg(folder.path().join("cache"));
    fails(&checked(run(&mut command)), 69, "DB_URL");
    server.join().unwrap()
}

#[test]
fn the_first_bytes_are_those_of_the_mode() {
    let startup: &[u8] = &196_608_u32.to_be_bytes();
    let encryption: &[u8] = &80_877_103_u32.to_be_bytes();
    for (mode, code) in [
        ("disable", startup),
        ("allow", startup),
        ("prefer", encryption),
        ("require", encryption),
        ("verify-full", encryption),
    ] {
        let bytes = first_bytes(&format!("sslmode={mode}"));
        assert_eq!(bytes.get(4..8), Some(code), "{mode}: {bytes:?}");
    }
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let bytes = first_bytes("sslmode=disable application_name=own options='-c a=b'");
    assert!(
        has(&bytes, "application_name\0own\0") && has(&bytes, "options\0-c a=b\0"),
        "{bytes:?}"
    );
    let hello = first_bytes("sslmode=require sslnegotiation=direct");
    assert_eq!(hello.first(), Some(&22), "{hello:?}");
    assert!(has(&hello, "postgresql") && has(&hello, "db.example.org"), "{hello:?}");
    let hello = first_bytes("sslmode=require sslnegotiation=direct sslsni=0");
    assert!(!has(&hello, "db.example.org"), "{hello:?}");
}

#[test]
fn client_certificates_let_in() {
    let Some(cluster) = Cluster::alone() else { return };
    let world = World::new(&cluster);
    let authority = Authority::new("clients");
    let in_server = write(&cluster.folder.join("clients.pem"), &authority.pem, 0o644);
    world
        .setup
        .execute(&format!("ALTER SYSTEM SET ssl_ca_file = '{in_server}'"));
    world.admit("hostssl all reader all cert\nhost all reader all reject");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| write(&folder.path().join(name), content, mode);
    let (certificate, key) = authority.sign(&[], "reader", 1);
    let (certificate, key) = (file("reader.pem", &certificate, 0o644), file("reader.key", &key, 0o600));
    let (another, another_key) = authority.sign(&[], "another", 2);
    let (another, another_key) = (
        file("another.pem", &another, 0o644),
        file("another.key", &another_key, 0o600),
    );
    let url = |more: &str| world.pairs(&format!("host=127.0.0.1 {more}"));
    world.succeeds(&url(&format!("sslmode=require sslcert={certificate} sslkey={key}")));
    world.succeeds(&url(&format!("sslcert={certificate} sslkey={key}")));
    world.fails(&url("sslmode=require"), 69, "valid client certificate");
    world.fails(
        &url(&format!(
            "sslmode=require sslcertmode=disable sslcert={certificate} sslkey={key}"
        )),
        69,
        "valid client certificate",
    );
    world.fails(
        &url(&format!("sslmode=require sslcert={another} sslkey={another_key}")),
        69,
        "check the user",
    );
    world.fails(
        &url(&format!("sslcert={certificate} sslkey={another_key}")),
        64,
        "another.key: it is not usable",
    );
    let (older, older_key) = authority.sign_version_1("reader");
    let (older, older_key) = (file("older.pem", &older, 0o644), file("older.key", &older_key, 0o600));
    world.succeeds(&url(&format!("sslmode=require sslcert={older} sslkey={older_key}")));
    world.fails(
        &url(&format!("sslcert={older} sslkey={key}")),
        64,
        "reader.key: it is not usable",
    );
    world.fails(&url("sslcert=/nonexistent"), 64, "DB_URL: sslcert /nonexistent");
    world.fails(&url(&format!("sslcert={certificate}")), 64, "postgresql.key");
    world.fails(
        &url(&format!("sslcert={certificate} sslkey={key} sslpassword=x")),
        64,
        "sslpassword: it is not supported",
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    world.fails(
        &url(&format!("sslcert={certificate} sslkey={key}")),
        64,
        "others may read this private key",
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let encrypted = fs::read_to_string(&key)
        .unwrap()
        .replace("PRIVATE", "ENCRYPTED PRIVATE");
    let encrypted = file("encrypted.key", &encrypted, 0o600);
    world.fails(
        &url(&format!("sslcert={certificate} sslkey={encrypted}")),
        64,
        "the key is encrypted",
    );
    // Those in the home folder, and variables.
    let usual = world.home.join(".postgresql");
    fs::copy(&certificate, usual.join("postgresql.crt")).unwrap();
    fs::copy(&key, usual.join("postgresql.key")).unwrap();
    world.succeeds(&url("sslmode=require"));
    let mut command = world.command(&url("sslmode=require"));
    let output = checked(run(command.env("PGSSLCERT", &another).env("PGSSLKEY", &another_key)));
    fails(&output, 69, "check the user");
    // A certificate and a password.
    world.admit("hostssl all reader all scram-sha-256 clientcert=verify-full\nhost all reader all reject");
    world.succeeds(&url(&format!("sslmode=require password={PASSWORD}")));
    world.fails(&url("sslmode=require"), 69, "or the password file");
}
