//! TLS by rustls: roots, client certificates and revocation lists from files, and whose certificate is good.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    version,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database::{ClientFile, Roots, TlsMode, TlsSettings};
use crate::settings::ConfigError;

/// Prepares TLS: reads the files, connects to nothing. Gives nothing if TLS is not wanted.
///
/// # Errors
/// If a file that is asked for can't be used.
pub(super) fn prepare(settings: &TlsSettings) -> Result<Option<MakeRustlsConnect>, ConfigError> {
    if settings.mode == TlsMode::Disable {
        return Ok(None);
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = verifier(settings, &provider)?;
    let versions: Vec<&'static SupportedProtocolVersion> = [
        (settings.version_1_3, &version::TLS13),
        (settings.version_1_2, &version::TLS12),
    ]
    .into_iter()
    .filter_map(|(allowed, version)| allowed.then_some(version))
    .collect();
    let unusable = |error: rustls::Error| ConfigError::new(format!("TLS: {error}"));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match settings.certificate.as_ref().filter(|file| file.counts()) {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let chain = entries_of(file, "certificate")?;
            let Some(key_file) = &settings.key else {
                return Err(file.mistake("its key is missing; name the key's file with sslkey"));
            };
            builder
                .with_client_auth_cert(chain, private_key(key_file)?)
                .map_err(|error| key_file.mistake(format!("it is not usable with the certificate: {error}")))?
        }
    };
    config.enable_sni = settings.server_name;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// As libpq, looks at certificates in every mode if there are roots, and at names with `verify-full` only.
fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ConfigError> {
    let revoked = settings.revoked.as_ref().filter(|file| file.counts());
    let (roots, certificates) = match (&settings.roots, settings.mode) {
        (Roots::File(file), _) if file.counts() => roots_of(file)?,
        (_, TlsMode::VerifyFull) => (system_roots()?, Vec::new()),
        (_, TlsMode::VerifyCa) => {
            return Err(ConfigError::new(
                "DB_URL: sslmode=verify-ca: name the file of the certificates that sign the server's with sslrootcert=",
            ));
        }
        _ => {
            let asked_for = [revoked, settings.revoked_folder.as_ref()];
            if let Some(file) = asked_for.into_iter().flatten().find(|file| file.asked_for) {
                return Err(file.mistake("without sslrootcert no certificate is looked at; give that, too"));
            }
            return Ok(Arc::new(AnyCertificate(provider.clone())));
        }
    };
    let mut lists: Vec<CertificateRevocationListDer<'static>> = match revoked {
        Some(file) => entries_of(file, "revocation list")?,
        None => Vec::new(),
    };
    if let Some(folder) = &settings.revoked_folder {
        for entry in fs::read_dir(&folder.path).map_err(|error| folder.mistake(error))? {
            let path = entry.map_err(|error| folder.mistake(error))?.path();
            if path.is_file() {
                let entries =
                    CertificateRevocationListDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                lists.extend(entries.map_err(|error| folder.mistake(format!("{}: {error}", path.display())))?);
            }
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(lists)
        .build()
        .map_err(|error| ConfigError::new(format!("DB_URL: sslrootcert or sslcrl: {error}")))?;
    Ok(Arc::new(SignedCertificate {
        verifier,
        certificates,
        any_name: settings.mode != TlsMode::VerifyFull,
    }))
}

fn entries_of<T: PemObject>(file: &ClientFile, kind: &str) -> Result<Vec<T>, ConfigError> {
    let entries = T::pem_file_iter(&file.path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| match error {
        pem::Error::Io(error) => file.mistake(error),
        error => file.mistake(error),
    })?;
    if entries.is_empty() {
        return Err(file.mistake(format!("there is no {kind} in it")));
    }
    Ok(entries)
}

/// The roots of a file, and its certificates as they are.
fn roots_of(file: &ClientFile) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), ConfigError> {
    let certificates: Vec<CertificateDer<'static>> = entries_of(file, "certificate")?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| file.mistake(error))?;
    }
    Ok((roots, certificates))
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

/// The key of a client's certificate, by libpq's rule on who may read it.
fn private_key(file: &ClientFile) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let unreadable = |error: std::io::Error| file.mistake(error);
    let mut opened = fs::File::open(&file.path).map_err(unreadable)?;
    let metadata = opened.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(file.mistake("it is not a regular file"));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(
            file.mistake("others may read this private key; chmod it to 0600 or less, or 0640 or less if root owns it")
        );
    }
    let mut content = Vec::new();
    opened.read_to_end(&mut content).map_err(unreadable)?;
    if memchr::memmem::find(&content, b"ENCRYPTED").is_some() {
        return Err(file.mistake("the key is encrypted, which is not supported; decrypt it with openssl pkey"));
    }
    // The error's text could hold a part of the key.
    PrivateKeyDer::from_pem_slice(&content).map_err(|_| file.mistake("there is no private key in PEM form in it"))
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

/// Takes a certificate that the roots signed, or that is one of them itself; for the host's name or, as libpq does for all modes
/// but `verify-full`, for whatever name.
#[derive(Debug)]
struct SignedCertificate {
    verifier: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
    any_name: bool,
}

impl ServerCertVerifier for SignedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is looked at last, when the signatures have been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            // A certificate that `openssl req -x509` made signs itself and may sign others. It has been found to be of this time.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
                    && self.certificates.iter().any(|root| root == end_entity) =>
            {
                if !self.any_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
