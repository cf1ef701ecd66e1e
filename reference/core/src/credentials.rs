//! Credentials of HTTP-invoked functions, resolved once, at registration (RF-15).

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    error::Failure,
    input::{Environment, Variable},
    wire::Auth,
};

/// A value that must never be printed: it has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the request that has to carry or use it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A secret that has become the key of signatures: there is none that could not sign.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    fn new(secret: &Secret) -> Option<Self> {
        Hmac::new_from_slice(secret.0.as_bytes()).ok().map(Self)
    }

    /// `sha256=` and the hexadecimal HMAC-SHA256 of `<unix seconds>:<base64 of the body>`
    /// (CO-21).
    #[must_use]
    pub fn sign(&self, unix_seconds: u64, body: &str) -> String {
        let signed = format!("{unix_seconds}:{}", BASE64_STANDARD.encode(body));
        let mac = self.0.clone().chain_update(signed.as_bytes());
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// What a request to an endpoint proves itself with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// RF-05.
    Bearer(Secret),
    /// RF-06.
    Hmac(SigningKey),
    /// RF-07.
    ApiKey {
        /// The header that carries it.
        header: String,
        /// Its value.
        value: Secret,
    },
}

/// Looks up what `auth` names.
///
/// # Errors
///
/// `missing_env_var` (RF-08, D-02), `invalid_env_var` for a value that is empty, not UTF-8 or
/// not fit for a header, `invalid_request` for an unknown `auth.type` or header name (D-26).
pub(crate) fn resolve(
    auth: &Auth<'_>,
    environment: &dyn Environment,
) -> Result<Credential, Failure> {
    match auth {
        Auth::Bearer { token_key } => {
            let secret = variable(environment, token_key, "Bearer token")?;
            header_safe(secret, token_key, "Bearer token").map(Credential::Bearer)
        }
        Auth::Hmac { secret_key } => {
            let secret = variable(environment, secret_key, "HMAC")?;
            let key = SigningKey::new(&secret)
                .ok_or_else(|| Failure::unusable_variable(secret_key, "HMAC", "is no key"))?;
            Ok(Credential::Hmac(key))
        }
        Auth::ApiKey { header, value_key } => {
            check_header_name("invocation.auth.header", header)?;
            let name = header.to_ascii_lowercase();
            if name == "content-type" || name.starts_with("x-iii-") {
                let problem = format!("`invocation.auth.header`: '{header}' is set by the engine");
                return Err(Failure::invalid_request(problem));
            }
            let secret = variable(environment, value_key, "API key")?;
            Ok(Credential::ApiKey {
                header: header.to_string(),
                value: header_safe(secret, value_key, "API key")?,
            })
        }
        Auth::Unknown { kind } => Err(Failure::invalid_request(format!(
            "`invocation.auth.type` must be bearer, hmac or api_key, got '{}'",
            kind
        ))),
    }
}

fn variable(environment: &dyn Environment, name: &str, purpose: &str) -> Result<Secret, Failure> {
    match environment.variable(name) {
        Variable::Value(value) if value.is_empty() => {
            Err(Failure::unusable_variable(name, purpose, "is empty"))
        }
        Variable::Value(value) => Ok(Secret(value)),
        Variable::Missing => Err(Failure::missing_variable(name, purpose)),
        Variable::NotAllowed => Err(Failure::unusable_variable(
            name,
            purpose,
            "is not one that registrations may name",
        )),
        Variable::NotUnicode => Err(Failure::unusable_variable(name, purpose, "is not UTF-8")),
    }
}

fn header_safe(secret: Secret, name: &str, purpose: &str) -> Result<Secret, Failure> {
    if is_header_value(&secret.0) {
        Ok(secret)
    } else {
        Err(Failure::unusable_variable(
            name,
            purpose,
            "holds characters that an HTTP header cannot carry",
        ))
    }
}

/// Headers that frame the message or belong to the connection: the engine sets them itself.
const RESERVED_HEADERS: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a registration may give a header of this name.
pub(crate) fn check_header_name(field: &str, name: &str) -> Result<(), Failure> {
    if !is_header_name(name) {
        let problem = format!("`{field}`: '{name}' is not a header name");
        Err(Failure::invalid_request(problem))
    } else if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        let problem = format!("`{field}`: '{name}' is set by the engine and cannot be given");
        Err(Failure::invalid_request(problem))
    } else {
        Ok(())
    }
}

/// A token of RFC 9110, section 5.6.2.
pub(crate) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A field value of RFC 9110, section 5.5: no control characters but the tab.
pub(crate) fn is_header_value(value: &str) -> bool {
    value
        .bytes()
        .all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_another_tool() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/vectors/hmac.json"
        );
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let text = |field: &str| vector[field].as_str().unwrap();
            let key = SigningKey::new(&Secret::new(text("secret").to_owned())).unwrap();
            let timestamp = vector["timestamp"].as_u64().unwrap();
            assert_eq!(key.sign(timestamp, text("body")), text("signature"));
        }
    }

    #[test]
    fn a_key_of_any_length_signs_and_none_is_shown() {
        for length in [1, 63, 64, 65, 4_096] {
            let secret = "k".repeat(length);
            let key = SigningKey::new(&Secret::new(secret)).unwrap();
            let signature = key.sign(1, "{}");
            assert_eq!(signature.len(), "sha256=".len() + 64, "{length}");
            assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
        }
    }
}
