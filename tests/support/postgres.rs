//! A PostgreSQL of the tests' own: started once for a test process, with a database for each test, TLS and a password. It
//! ends with the process, whatever that dies of.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use postgres::{Client, NoTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{PATIENCE, process};

/// The password that must never be seen.
pub(crate) const PASSWORD: &str = "s3cret-hunter2";

/// A running server.
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    /// Its standard input is what keeps the server up.
    keeper: Child,
}

impl Drop for Cluster {
    /// The keeper's standard input closes, and the server ends, even one that is stopped.
    fn drop(&mut self) {
        let _ = self.send_signal("CONT").status();
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The server of this process; none where PostgreSQL isn't installed, and then the test is skipped.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| programs().map(|programs| Cluster::start(&programs, &[])));
    if cluster.is_none() {
        eprintln!(
            "SKIPPED: tests of the generator: PostgreSQL's programs are not in /usr/lib/postgresql or on the path"
        );
        let required = std::env::var("TESTS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(!required, "PostgreSQL is required and not there");
    }
    cluster.as_ref()
}

/// The folder of the newest server's programs.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").is_file());
    folders.sort();
    folders
        .pop()
        .or_else(|| Some(process::find("initdb")?.parent()?.to_owned()))
}

/// A command as somebody who is not root: PostgreSQL refuses to run as root, and root may write everywhere.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program);
    command
}

pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

impl Cluster {
    /// A server that no other test uses; none if PostgreSQL isn't installed.
    pub(crate) fn alone() -> Option<Self> {
        Self::alone_with(&[])
    }

    /// The same with other settings on its command line.
    pub(crate) fn alone_with(arguments: &[&str]) -> Option<Self> {
        cluster()?;
        Some(Self::start(&programs()?, arguments))
    }

    fn start(programs: &Path, arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("mirrorlist-postgres-")
            .tempdir()
            .unwrap()
            .keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let data = folder.join("data");
        fs::write(folder.join("password"), PASSWORD).unwrap();
        process::succeed(
            unprivileged(&programs.join("initdb"))
                .args([
                    "--auth=scram-sha-256",
                    "--username=mm",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                ])
                .arg(format!("--pwfile={}", folder.join("password").display()))
                .arg(&data),
        );
        certificates(&folder);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::run(programs, folder, port, arguments)
    }

    /// Runs a server on the data in a folder, which is removed at the end.
    pub(crate) fn run(programs: &Path, folder: PathBuf, port: u16, arguments: &[&str]) -> Self {
        let data = folder.join("data");
        let server = unprivileged(&programs.join("postgres"));
        // The shell ends the server and tidies up when nobody holds its standard input any more.
        let keeper = Command::new("sh")
            .args([
                "-c",
                "\"$@\" </dev/null & cat >/dev/null; kill -QUIT $!; wait; rm -rf \"$FOLDER\"",
                "sh",
            ])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F"])
            .args([
                "-c",
                "ssl=on",
                "-c",
                "unix_socket_directories=",
                "-c",
                "log_min_messages=panic",
            ])
            .args(arguments)
            .arg("-c")
            .arg(format!("ssl_cert_file={}", folder.join("server.pem").display()))
            .arg("-c")
            .arg(format!("ssl_key_file={}", folder.join("server.key").display()))
            .env("FOLDER", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self { folder, port, keeper };
        let started = Instant::now();
        while let Err(error) = Client::connect(&cluster.url("postgres"), NoTls) {
            assert!(started.elapsed() < PATIENCE, "PostgreSQL doesn't start: {error}");
            std::thread::yield_now();
        }
        cluster
    }

    /// Stops all its processes as they are, or lets them go on: the kernel still accepts connections and bytes.
    pub(crate) fn signal(&self, name: &str) {
        process::succeed(&mut self.send_signal(name));
    }

    fn send_signal(&self, name: &str) -> Command {
        let postmaster = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        let postmaster = postmaster.lines().next().unwrap_or_default();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("kill -s {name} {postmaster} $(cat /proc/{postmaster}/task/{postmaster}/children)"),
        ]);
        command
    }

    /// The URL of a database, without TLS.
    pub(crate) fn url(&self, database: &str) -> String {
        self.url_at(self.port, database, "sslmode=disable")
    }

    /// The URL of a database as seen through another port.
    pub(crate) fn url_at(&self, port: u16, database: &str, parameters: &str) -> String {
        format!("postgresql://mm:{PASSWORD}@127.0.0.1:{port}/{database}?{parameters}")
    }

    /// A new database with these statements.
    pub(crate) fn database(&self, statements: &[&str]) -> Database<'_> {
        self.database_in("UTF8", statements)
    }

    /// A new database in an encoding with these statements.
    pub(crate) fn database_in(&self, encoding: &str, statements: &[&str]) -> Database<'_> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut client = Client::connect(&self.url("postgres"), NoTls).unwrap();
        let create =
            format!("CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        client.batch_execute(&create).unwrap();
        let database = Database { cluster: self, name };
        let mut client = database.client();
        for statement in statements {
            client.batch_execute(statement).unwrap();
        }
        database
    }
}

/// A database of a test.
#[derive(Clone)]
pub(crate) struct Database<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
}

impl Database<'_> {
    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.url(), NoTls).unwrap()
    }
}

/// A certificate for localhost by `ca.pem`, and `other.pem`, which signed nothing.
fn certificates(folder: &Path) {
    let authority = |file: &str| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.join(file), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(parameters, key)
    };
    let ca = authority("ca.pem");
    authority("other.pem");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    let key_file = folder.join("server.key");
    fs::write(&key_file, key.serialize_pem()).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&key_file, Some(65534), Some(65534)).unwrap();
    }
}
