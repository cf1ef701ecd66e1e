//! The flags that turn TLS on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    process::{command, finish, printed},
    tls::Authority,
};

/// A directory of a test's own, for as long as this lives.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn the_command_says_that_it_speaks_tls() {
    let (authority, files) = (Authority::new(), Files::new("command"));
    let (certificate, key) = authority.issue();
    let (certificate, key) = (
        files.write("cert.pem", &certificate),
        files.write("key.pem", &key),
    );
    let (lines, log) = printed(&[
        "--listen",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ])
    .await;
    let (first, second) = lines.split_once('\n').unwrap();
    assert!(
        first.starts_with("listening on wss://127.0.0.1:"),
        "{lines}"
    );
    assert!(
        second.starts_with("http triggers on https://127.0.0.1:"),
        "{lines}"
    );
    assert!(log.contains("http triggers on https://"), "{log}");
}

#[tokio::test]
async fn a_certificate_or_a_key_that_will_not_do_is_an_error_of_its_own() {
    let (authority, files) = (Authority::new(), Files::new("errors"));
    let (certificate, key) = authority.issue();
    let (_, other_key) = authority.issue();
    let certificate = files.write("cert.pem", &certificate);
    let key = files.write("key.pem", &key);
    let other_key = files.write("other-key.pem", &other_key);
    let nowhere = files.path("nowhere.pem");
    let empty = files.write("empty.pem", "");
    let cut = files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let encode = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let odd = files.write("odd.pem", &encode("CERTIFICATE"));
    let odd_key = files.write("odd-key.pem", &encode("PRIVATE KEY"));
    for (cert, key, problem) in [
        (
            Some(&certificate),
            None,
            format!("--tls-cert: `{certificate}` needs its private key; see --tls-key"),
        ),
        (
            None,
            Some(&key),
            format!("--tls-key: `{key}` needs its certificate; see --tls-cert"),
        ),
        (
            Some(&nowhere),
            Some(&key),
            format!("--tls-cert: cannot read `{nowhere}`: "),
        ),
        (
            Some(&certificate),
            Some(&nowhere),
            format!("--tls-key: cannot read `{nowhere}`: "),
        ),
        (
            Some(&empty),
            Some(&key),
            format!("--tls-cert: there is no certificate in `{empty}`"),
        ),
        (
            Some(&certificate),
            Some(&certificate),
            format!("--tls-key: there is no private key that is not encrypted in `{certificate}`"),
        ),
        (
            Some(&cut),
            Some(&key),
            format!("--tls-cert: `{cut}` is no PEM file: "),
        ),
        (
            Some(&odd),
            Some(&key),
            format!("--tls-cert: `{odd}` cannot be used: "),
        ),
        (
            Some(&certificate),
            Some(&odd_key),
            format!("--tls-key: `{odd_key}` cannot be used: "),
        ),
        (
            Some(&certificate),
            Some(&other_key),
            format!(
                "--tls-key: the key in `{other_key}` is not that of the certificate in `{certificate}`"
            ),
        ),
    ] {
        let mut command = command();
        let values = [("REFERENCE_TLS_CERT", cert), ("REFERENCE_TLS_KEY", key)];
        for (name, value) in values {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let (code, errors) = finish(command.spawn().unwrap()).await;
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(&problem), "`{problem}` in {errors}");
    }
}
