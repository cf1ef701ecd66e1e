//! The certificate and the key with which the engine's own ports speak TLS (D-31).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

/// A certificate and its key: the ports that have them speak TLS 1.2 and 1.3, and nothing else.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ServerConfig>);

/// Why a certificate and a key cannot be used; it names the flag and the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{flag}: cannot read `{}`: {source}", file.display())]
    Unreadable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not in the PEM format.
    #[error("{flag}: `{}` is no PEM file: {source}", file.display())]
    NotPem {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file has no certificate in it, or no private key.
    #[error("{flag}: there is no {what} in `{}`", file.display())]
    Missing {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is looked for.
        what: &'static str,
    },
    /// The certificate or the key is of a kind that cannot be used.
    #[error("{flag}: `{}` cannot be used: {source}", file.display())]
    Unusable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The key is another one's.
    #[error("--tls-key: the key in `{}` is not that of the certificate in `{}`, which --tls-cert names",
            key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

const CERTIFICATE_FLAG: &str = "--tls-cert";
const KEY_FLAG: &str = "--tls-key";

impl Tls {
    /// Reads a chain of certificates, the server's own first, and the private key of that one,
    /// in the PEM format. The files are not looked at again.
    ///
    /// # Errors
    ///
    /// What is wrong with which of the files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = sections::<CertificateDer<'static>>(CERTIFICATE_FLAG, certificate)?;
        if chain.is_empty() {
            return Err(TlsError::Missing {
                flag: CERTIFICATE_FLAG,
                file: certificate.to_owned(),
                what: "certificate",
            });
        }
        let first_key = sections::<PrivateKeyDer<'static>>(KEY_FLAG, key)?
            .into_iter()
            .next()
            .ok_or_else(|| TlsError::Missing {
                flag: KEY_FLAG,
                file: key.to_owned(),
                what: "private key that is not encrypted",
            })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, first_key)
            })
            .map_err(|source| unusable(source, certificate, key))?;
        // Neither port speaks another protocol over it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

/// All that a file has of a kind.
fn sections<T: PemObject>(flag: &'static str, file: &Path) -> Result<Vec<T>, TlsError> {
    let text = fs::read(file).map_err(|source| TlsError::Unreadable {
        flag,
        file: file.to_owned(),
        source,
    })?;
    let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&text).collect();
    found.map_err(|source| TlsError::NotPem {
        flag,
        file: file.to_owned(),
        source,
    })
}

fn unusable(source: rustls::Error, certificate: &Path, key: &Path) -> TlsError {
    let (flag, file) = match source {
        rustls::Error::InconsistentKeys(_) => {
            return TlsError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            };
        }
        rustls::Error::InvalidCertificate(_) => (CERTIFICATE_FLAG, certificate),
        _ => (KEY_FLAG, key),
    };
    TlsError::Unusable {
        flag,
        file: file.to_owned(),
        source,
    }
}
