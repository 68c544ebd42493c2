//! A connection to PostgreSQL, with TLS by rustls, and errors of the database in words.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database_url::{Database, Tls};
use super::error::GenerateError;
use super::session::ReadError;
use crate::config::ConfigError;

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    database: Database,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// Prepares connections: reads the root certificates, connects to nothing yet.
    ///
    /// # Errors
    /// Where root certificates are asked for and can't be read.
    pub(super) fn new(database: &Database) -> Result<Self, ConfigError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Option<Arc<dyn ServerCertVerifier>> = match database.tls() {
            Tls::Disable => None,
            Tls::Prefer | Tls::Require(None) => Some(Arc::new(AnyCertificate(provider.clone()))),
            Tls::Require(Some(roots)) => Some(Arc::new(AnyName(verifier(&provider, roots_of(roots)?)?))),
            Tls::VerifyFull(Some(roots)) => Some(verifier(&provider, roots_of(roots)?)?),
            Tls::VerifyFull(None) => Some(verifier(&provider, system_roots()?)?),
        };
        let tls = match verifier {
            Some(verifier) => Some(MakeRustlsConnect::new(client_config(provider, verifier)?)),
            None => None,
        };
        Ok(Self {
            database: database.clone(),
            tls,
        })
    }

    /// Opens a connection. A task of its own keeps it going, and ends with it.
    ///
    /// # Errors
    /// If the database can't be reached or doesn't let us in.
    pub(super) async fn open(&self) -> Result<(Client, JoinHandle<Result<(), Error>>), Error> {
        let driver = self.database.driver();
        match &self.tls {
            Some(tls) => {
                let (client, connection) = driver.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(connection)))
            }
            None => {
                let (client, connection) = driver.connect(NoTls).await?;
                Ok((client, tokio::spawn(connection)))
            }
        }
    }

    /// Asks the server to cancel what a connection has asked for.
    ///
    /// # Errors
    /// If the database can't be reached.
    pub(super) async fn cancel(&self, token: CancelToken) -> Result<(), Error> {
        match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    /// An error of the driver in words.
    pub(super) fn explain(&self, error: &Error) -> ReadError {
        let problem = match error.as_db_error() {
            Some(said) => {
                let advice = advice(said.code()).unwrap_or("see the database's log");
                format!("{}; {advice}", said.message())
            }
            None => format!("{}; {}", causes(error), transport_advice(error)),
        };
        ReadError {
            error: self.failure(&problem),
            passing: error.code().is_some_and(is_passing),
        }
    }

    /// What is wrong with the database, with its name.
    pub(super) fn failure(&self, problem: &str) -> GenerateError {
        GenerateError::Database(format!("{}: {}", self.database, problem.replace('\n', " ")))
    }
}

/// The error and what led to it. The driver's texts name what failed, never what was sent.
pub(super) fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

fn transport_advice(error: &Error) -> &'static str {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<rustls::Error>().is_some() {
            return "check sslmode and sslrootcert in DB_URL against the server's certificate";
        }
        // An io::Error's source is what its inner error came from; the inner error itself is asked for here.
        let wrapped = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if wrapped.is_some_and(|wrapped| wrapped.downcast_ref::<rustls::Error>().is_some()) {
            return "check sslmode and sslrootcert in DB_URL against the server's certificate";
        }
        cause = inner.source();
    }
    let text = causes(error);
    if text.contains("TLS") {
        "turn on ssl in the server, or choose another sslmode in DB_URL"
    } else if text.contains("password") {
        "put the password into DB_URL"
    } else {
        "check the host and port in DB_URL, that PostgreSQL runs there, and its log"
    }
}

/// Whether a query that ended with this could succeed now: it was cancelled, or its process was ended, for the sake of
/// something else. A hot standby does both when it has to go on.
fn is_passing(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::QUERY_CANCELED,
        SqlState::ADMIN_SHUTDOWN,
    ]
    .contains(code)
}

fn advice(code: &SqlState) -> Option<&'static str> {
    Some(
        if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
            "check the user and the password in DB_URL, and the server's pg_hba.conf"
        } else if *code == SqlState::INVALID_CATALOG_NAME {
            "check the database's name in DB_URL"
        } else if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN {
            "this is not a MirrorManager2 database, or an older one than is supported: check the database's name and the \
         search_path, or upgrade MirrorManager2"
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            "grant the user SELECT on MirrorManager2's tables"
        } else if *code == SqlState::TOO_MANY_CONNECTIONS {
            "raise max_connections, or run the generator when fewer others are connected"
        } else if *code == SqlState::CANNOT_CONNECT_NOW || *code == SqlState::ADMIN_SHUTDOWN {
            "try again when the server is up"
        } else if *code == SqlState::QUERY_CANCELED {
            "something cancelled the query: see the database's log"
        } else if *code == SqlState::T_R_SERIALIZATION_FAILURE {
            "on a hot standby, raise max_standby_streaming_delay or turn on hot_standby_feedback"
        } else {
            return None;
        },
    )
}

fn roots_of(path: &Path) -> Result<RootCertStore, ConfigError> {
    let unusable = |problem: &dyn std::fmt::Display| {
        ConfigError::new(format!("DB_URL: sslrootcert {}: {problem}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(&error))? {
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err(unusable(&"there is no certificate in it"));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(ConfigError::new(
            "DB_URL: sslmode=verify-full: the system has no root certificates; name a file of them with sslrootcert=",
        ));
    }
    Ok(roots)
}

fn verifier(provider: &Arc<CryptoProvider>, roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, ConfigError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| ConfigError::new(format!("DB_URL: sslrootcert: {error}")))
}

fn client_config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, ConfigError> {
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new(format!("TLS: {error}")))?;
    Ok(versions
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Takes every certificate, as libpq does for `prefer` and `require`: protection from listeners, not from impostors.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes a certificate that the roots signed for whatever name, as libpq does for `require` with `sslrootcert`.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, when the signatures have been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
