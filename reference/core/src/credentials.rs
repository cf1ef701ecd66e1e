//! Credentials of HTTP-invoked functions, resolved once, at registration (RF-15).

use std::fmt;

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

/// What a request to an endpoint proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// RF-05.
    Bearer(Secret),
    /// RF-06.
    Hmac(Secret),
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
            variable(environment, secret_key, "HMAC").map(Credential::Hmac)
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
