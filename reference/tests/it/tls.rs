//! Endpoints over TLS: a certificate counts if its authority is one of the system's.

use std::{
    fs,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    },
};

use crate::{
    client::Client,
    process::{command, start_as},
};

/// A certificate authority of a test's own, in a file as long as this lives.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("ca-{}-{number}.pem", process::id()));
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(&file, authority.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, key);
        Self { issuer, file }
    }

    /// The PEM texts of a certificate for `localhost` and 127.0.0.1, with the authority's own
    /// behind it, and of its key.
    pub(crate) fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let authority = fs::read_to_string(&self.file).unwrap();
        (certificate.pem() + &authority, key.serialize_pem())
    }

    /// Trusts this authority and no other.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(&self.file).unwrap();
        roots.add(authority).unwrap();
        roots
    }

    /// Takes connections as `localhost`, and offers these protocols.
    pub(crate) fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// The command of an engine on a system that has this authority and no other.
    pub(crate) fn trusting(&self) -> tokio::process::Command {
        let mut command = command();
        command.env("SSL_CERT_FILE", &self.file);
        command
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

async fn endpoint(acceptor: TlsAcceptor) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let mut request = [0; 4_096];
            let _ = tls.read(&mut request).await;
            let _ = tls
                .write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n\"seen\"",
                )
                .await;
            let _ = tls.shutdown().await;
        }
    });
    format!("https://localhost:{port}/")
}

async fn call(engine: &str, endpoint: &str) -> Value {
    let mut client = Client::connect(engine).await;
    let invocation = json!({"url": endpoint});
    let frame = json!({"type": "registerfunction", "id": "f", "invocation": invocation});
    client.send(&frame.to_string()).await;
    client
        .send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1}"#)
        .await;
    client.frame().await
}

#[tokio::test]
async fn a_certificate_of_the_systems_authorities_is_trusted_and_another_is_not() {
    let authority = Authority::new();
    let url = endpoint(authority.acceptor(&[])).await;
    let (_trusting, engine) = start_as(authority.trusting()).await;
    assert_eq!(call(&engine, &url).await["result"], "seen");

    let other_name = url.replace("localhost", "127.0.0.1");
    let (_strange, strange) = start_as(command()).await;
    for (engine, url, problem) in [
        (
            &strange,
            &url,
            "the certificate is of no authority that is trusted",
        ),
        (&engine, &other_name, "the certificate is for another name"),
    ] {
        let refused = call(engine, url).await;
        assert_eq!(refused["error"]["code"], "http_request_failed");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(problem), "{message}");
    }
}
