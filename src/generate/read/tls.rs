//! TLS by rustls: roots, client certificates and revocation lists from files, and which certificates of servers are good.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme, version,
};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres_rustls::MakeRustlsConnect;
use webpki::RawPublicKeyEntity;

use super::database::{ClientFile, Roots, TlsMode, TlsSettings};
use crate::settings::ConfigError;

/// Prepares TLS: reads the files, connects to nothing. Returns `None` if TLS is not wanted.
///
/// # Errors
/// If a file that is asked for can't be used.
pub(super) fn prepare(settings: &TlsSettings) -> Result<Option<MakeRustlsConnect>, ConfigError> {
    if settings.mode == TlsMode::Disable {
        return Ok(None);
    }
    let provider = Arc::new(ring::default_provider());
    let verifier = LikeLibpq {
        algorithms: provider.signature_verification_algorithms,
        signed: signed_certificates(settings, &provider)?,
    };
    let versions: Vec<_> = [(3, &version::TLS13), (2, &version::TLS12)]
        .into_iter()
        .filter_map(|(minor, version)| settings.versions.contains(&minor).then_some(version))
        .collect();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| ConfigError::new(format!("TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let provider = builder.crypto_provider().clone();
    let mut config = match settings.certificate.as_ref().filter(|file| file.counts()) {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let chain = entries_of(file, "certificate")?;
            let Some(key_file) = &settings.key else {
                return Err(file.mistake("its key is missing; name the key's file with sslkey"));
            };
            let certified = certified_key(&provider, chain, private_key(key_file)?)
                .map_err(|error| key_file.mistake(format!("it is not usable with the certificate: {error}")))?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    config.enable_sni = settings.server_name;
    if settings.negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(Some(MakeRustlsConnect::new(config)))
}

/// As libpq, looks at certificates in every mode if there are roots, and at names with `verify-full` only. Returns `None` if
/// every certificate is good.
fn signed_certificates(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<SignedCertificates>, ConfigError> {
    let revoked = settings.revoked.as_ref().filter(|file| file.counts());
    let (store, roots) = match (&settings.roots, settings.mode) {
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
            return Ok(None);
        }
    };
    let mut lists: Vec<CertificateRevocationListDer<'static>> = Vec::new();
    if let Some(file) = revoked {
        lists = entries_of(file, "revocation list")?;
    }
    if let Some(folder) = &settings.revoked_folder {
        lists.extend(lists_of(folder)?);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .with_crls(lists)
        .build()
        .map_err(|error| ConfigError::new(format!("DB_URL: sslrootcert or sslcrl: {error}")))?;
    Ok(Some(SignedCertificates {
        verifier,
        roots,
        any_name: settings.mode != TlsMode::VerifyFull,
    }))
}

/// The revocation lists of all files of a folder.
fn lists_of(folder: &ClientFile) -> Result<Vec<CertificateRevocationListDer<'static>>, ConfigError> {
    let mut lists = Vec::new();
    for entry in fs::read_dir(&folder.path).map_err(|error| folder.mistake(error))? {
        let path = entry.map_err(|error| folder.mistake(error))?.path();
        if path.is_file() {
            let entries = all_entries(&path).map_err(|error| folder.mistake(format!("{}: {error}", path.display())))?;
            lists.extend(entries);
        }
    }
    Ok(lists)
}

fn all_entries<T: PemObject>(path: &Path) -> Result<Vec<T>, pem::Error> {
    T::pem_file_iter(path).and_then(Iterator::collect)
}

fn entries_of<T: PemObject>(file: &ClientFile, kind: &str) -> Result<Vec<T>, ConfigError> {
    let entries = all_entries(&file.path).map_err(|error| match error {
        pem::Error::Io(error) => file.mistake(error),
        error => file.mistake(error),
    })?;
    if entries.is_empty() {
        return Err(file.mistake(format!("there is no {kind} in it")));
    }
    Ok(entries)
}

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

/// A client's certificate with its key. Only the key in the certificate is looked at, so that one of X.509 version 1 will do,
/// as `openssl x509 -req` makes them.
fn certified_key(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let key = provider.key_provider.load_private_key(key)?;
    if let (Some(certificate), Some(own_key)) = (chain.first(), key.public_key())
        && public_key(certificate)? != own_key
    {
        return Err(InconsistentKeys::KeyMismatch.into());
    }
    Ok(CertifiedKey::new(chain, key))
}

/// The key in a certificate of any version.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, rustls::Error> {
    let anchor = webpki::anchor_from_trusted_cert(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(webpki::spki_for_anchor(&anchor))
}

/// Takes certificates as libpq does. Without roots, it takes every one, as `prefer` and `require` want it: protection from
/// listeners, not from impostors.
#[derive(Debug)]
struct LikeLibpq {
    algorithms: WebPkiSupportedAlgorithms,
    signed: Option<SignedCertificates>,
}

/// Takes a certificate that the roots signed, or that is one of them itself; for the host's name or, in all modes but
/// `verify-full`, for any name.
#[derive(Debug)]
struct SignedCertificates {
    verifier: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
    any_name: bool,
}

impl ServerCertVerifier for LikeLibpq {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(signed) = &self.signed else {
            return Ok(ServerCertVerified::assertion());
        };
        let verifier = &signed.verifier;
        match verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when the signatures have been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if signed.any_name => Ok(ServerCertVerified::assertion()),
            // A certificate that `openssl req -x509` made signs itself and may sign others. It has been found to be of this time.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
                    && signed.roots.contains(end_entity) =>
            {
                if !signed.any_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.downcast_ref::<webpki::Error>() == Some(&webpki::Error::UnsupportedCertVersion) =>
            {
                Err(rustls::Error::General(
                    "the server's certificate is of X.509 version 1, which can't be verified; sign one with alternative names \
                     (openssl x509 -extfile)"
                        .to_owned(),
                ))
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
        if self.signed.is_some() {
            return verify_tls12_signature(message, certificate, signature, &self.algorithms);
        }
        // Without roots a certificate of version 1 is as good as another one, which that function refuses.
        let key = public_key(certificate)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let known = self.algorithms.mapping.iter();
        let mut algorithms = known
            .filter(|(scheme, _)| *scheme == signature.scheme)
            .flat_map(|(_, algorithms)| *algorithms);
        let verified =
            algorithms.any(|algorithm| key.verify_signature(*algorithm, message, signature.signature()).is_ok());
        match verified {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.signed.is_some() {
            return verify_tls13_signature(message, certificate, signature, &self.algorithms);
        }
        verify_tls13_signature_with_raw_key(message, &public_key(certificate)?, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
