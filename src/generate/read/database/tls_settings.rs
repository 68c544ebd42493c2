//! The parameters of TLS, checked; the files that they name are read for each run.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use tokio_postgres::config::SslNegotiation;

use super::environment::GivenParameters;
use crate::settings::ConfigError;

/// The protection of a connection.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    pub(crate) mode: TlsMode,
    pub(crate) roots: Roots,
    /// `sslcrl`.
    pub(crate) revoked: Option<ClientFile>,
    /// `sslcrldir`.
    pub(crate) revoked_folder: Option<ClientFile>,
    /// `sslcert`.
    pub(crate) certificate: Option<ClientFile>,
    /// `sslkey`.
    pub(crate) key: Option<ClientFile>,
    /// `sslsni`.
    pub(crate) server_name: bool,
    /// The minor versions of TLS 1 that are allowed.
    pub(crate) versions: RangeInclusive<u8>,
    pub(crate) negotiation: SslNegotiation,
}

/// The conditions under which a connection is encrypted and a certificate is good (`sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsMode {
    /// Never.
    Disable,
    /// If the server does not let us in otherwise.
    Allow,
    /// If the server can and lets us in so.
    Prefer,
    /// Always.
    Require,
    /// Always; the certificate has to be signed by the roots.
    VerifyCa,
    /// Always; the certificate has to be signed by the roots and be for the host.
    VerifyFull,
}

/// The certificates that sign those of servers (`sslrootcert`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Nothing is given, and the user has no folder: the system's, if they are needed.
    Usual,
    /// The system's.
    System,
    /// Those of a file.
    File(ClientFile),
}

/// A file of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFile {
    pub(crate) path: PathBuf,
    /// Whether it is asked for, so that it has to be there.
    pub(crate) asked_for: bool,
    /// Its setting, as in `DB_URL: sslrootcert`.
    name: String,
}

impl ClientFile {
    /// The file of a parameter; without that, the one of this name in a folder, which counts if it is there.
    pub(super) fn new(settings: &GivenParameters, parameter: &str, folder: Option<&Path>, usual: &str) -> Option<Self> {
        let given = settings.get(parameter).filter(|given| !given.value.is_empty());
        let (path, name) = match given {
            Some(given) => (given.value.clone().into(), given.origin.clone()),
            None => (folder?.join(usual), parameter.to_owned()),
        };
        let asked_for = given.is_some();
        Some(Self { path, asked_for, name })
    }

    /// Whether it is to be read.
    pub(crate) fn counts(&self) -> bool {
        self.asked_for || self.path.exists()
    }

    /// An error about the file.
    pub(crate) fn mistake(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError::new(format!("{} {}: {problem}", self.name, self.path.display()))
    }
}

impl TlsSettings {
    pub(super) fn new(settings: &GivenParameters, home: Option<&Path>) -> Result<Self, ConfigError> {
        let folder = home.map(|home| home.join(".postgresql"));
        let file = |parameter: &str, usual: &str| ClientFile::new(settings, parameter, folder.as_deref(), usual);
        let roots = match settings.text("sslrootcert") {
            Some("system") => Roots::System,
            _ => file("sslrootcert", "root.crt").map_or(Roots::Usual, Roots::File),
        };
        let mode = mode(settings, &roots)?;
        let negotiation = match settings.get("sslnegotiation").filter(|given| given.value == "direct") {
            Some(given) if mode < TlsMode::Require => {
                return Err(given.mistake("direct needs sslmode require, verify-ca or verify-full"));
            }
            Some(_) => SslNegotiation::Direct,
            None => SslNegotiation::Postgres,
        };
        let oldest = settings.text("ssl_min_protocol_version").map_or(2, minor_version);
        let newest = settings.text("ssl_max_protocol_version").map_or(3, minor_version);
        let too_old = newest < 2 || newest < oldest;
        if let Some(given) = settings.get("ssl_max_protocol_version").filter(|_| too_old) {
            return Err(given.mistake(
                "TLSv1.2 and TLSv1.3 are spoken; allow one of them, not older than ssl_min_protocol_version",
            ));
        }
        let certificate = match settings.text("sslcertmode") {
            Some("disable") => None,
            _ => file("sslcert", "postgresql.crt"),
        };
        Ok(Self {
            mode,
            roots,
            revoked: file("sslcrl", "root.crl"),
            revoked_folder: ClientFile::new(settings, "sslcrldir", None, ""),
            certificate,
            key: file("sslkey", "postgresql.key"),
            server_name: settings.text("sslsni") != Some("0"),
            versions: oldest..=newest,
            negotiation,
        })
    }
}

fn mode(settings: &GivenParameters, roots: &Roots) -> Result<TlsMode, ConfigError> {
    let system = *roots == Roots::System;
    let Some(given) = settings.get("sslmode") else {
        return Ok(if system { TlsMode::VerifyFull } else { TlsMode::Prefer });
    };
    let mode = match given.value.as_str() {
        "disable" => TlsMode::Disable,
        "allow" => TlsMode::Allow,
        "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        _ => TlsMode::VerifyFull,
    };
    // Any owner of a host gets a certificate of one of the system's roots for it.
    if system && mode != TlsMode::VerifyFull {
        return Err(given.mistake("sslrootcert=system needs verify-full"));
    }
    Ok(mode)
}

/// The last digit of a version of TLS.
fn minor_version(version: &str) -> u8 {
    match version.to_ascii_lowercase().as_str() {
        "tlsv1.3" => 3,
        "tlsv1.2" => 2,
        "tlsv1.1" => 1,
        _ => 0,
    }
}
