//! Endpoints over TLS: a certificate counts if its authority is one of the system's.

use std::{path::PathBuf, process, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::{
    client::Client,
    process::{command, start_as},
};

/// An endpoint with a certificate of an authority of its own, and that authority's certificate.
async fn endpoint() -> (String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
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
    (format!("https://localhost:{port}/"), authority_certificate)
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
    let (url, authority) = endpoint().await;
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{}.pem", process::id()));
    std::fs::write(&file, authority).unwrap();
    let mut trusting = command();
    trusting.env("SSL_CERT_FILE", &file);
    let (_trusting, engine) = start_as(trusting).await;
    assert_eq!(call(&engine, &url).await["result"], "seen");

    let (_strange, engine) = start_as(command()).await;
    let refused = call(&engine, &url).await;
    assert_eq!(refused["error"]["code"], "http_request_failed");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("certificate"), "{message}");
    std::fs::remove_file(&file).unwrap();
}
