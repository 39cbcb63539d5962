//! TLS as libpq's `sslmode` asks for it, by rustls.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Settings, Verify};
use runtime::failure::Failure;

/// What makes TLS of a connection.
///
/// # Errors
/// Certificates to trust that can't be read: exit 2, with the file's name.
pub(super) fn connector(settings: &Settings) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        provider: provider.clone(),
        verify: settings.verify,
        trusted: match settings.verify {
            Verify::Nothing => None,
            Verify::Authority | Verify::Name => {
                Some(Trusted::new(settings.root.as_deref(), provider.clone())?)
            }
        },
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("preparing TLS")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Whom to trust.
#[derive(Debug)]
struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
    chains: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    fn new(root: Option<&Path>, provider: Arc<CryptoProvider>) -> Result<Self> {
        let certificates = match root {
            Some(file) => read(file)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build().map_err(|error| {
            Failure::usage(format!(
                "there is no certificate to trust ({error}): name the file of the server's authority in sslrootcert \
                 (in DATABASE_URL, or PGSSLROOTCERT)"
            ))
        })?;
        // Only what a person has named may vouch for itself.
        Ok(Self {
            certificates: if root.is_some() {
                certificates
            } else {
                Vec::new()
            },
            chains,
        })
    }

    /// Whether the certificate is signed by somebody trusted, and is the host's.
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        match self
            .chains
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
        {
            // A certificate that signed itself, as Postgres's own manual makes one, says that it is
            // an authority. That is looked at after the time of its validity, which
            // therefore holds.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.certificates.contains(certificate) =>
            {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            }
            result => result.map(drop),
        }
    }
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    certificates.map_err(|error| {
        Failure::usage(format!(
            "the certificates in {} (sslrootcert in DATABASE_URL, or PGSSLROOTCERT) can't be read: {error}",
            file.display()
        ))
    })
}

/// Verifies as much as `sslmode` asks for; whoever holds the connection's key is the certificate's
/// owner in all modes.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    verify: Verify,
    trusted: Option<Trusted>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else {
            return Ok(ServerCertVerified::assertion());
        };
        match trusted.check(certificate, intermediates, name, ocsp, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.verify == Verify::Authority => Ok(ServerCertVerified::assertion()),
            result => result.map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
