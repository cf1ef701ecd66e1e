//! The `invocation` of a function that is served over HTTP, checked at registration (RF-04).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use url::Url;

use crate::{
    credentials::{self, Credential, Secret, check_header_name, is_header_value},
    error::Failure,
    input::Environment,
    wire::{HttpInvocation, whole_number},
};

/// `timeout_ms` when a registration gives none.
pub const TIMEOUT_MS_DEFAULT: u64 = 30_000;
/// The longest `timeout_ms` that a registration may ask for.
pub const TIMEOUT_MS_MAX: u64 = 600_000;

/// What a registration may put into each of its requests (D-28).
const URL_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 100;
const HEADERS_BYTES_MAX: usize = 32 << 10;

/// A request method that `invocation.method` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the methods of RFC 9110 and 5789 under their own names"
)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Where an endpoint is. Path and query may hold a secret, as in `?token=`, so `Debug` shows the
/// origin alone.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// An absolute URL, `http` or `https`, without user or password.
    ///
    /// # Errors
    ///
    /// `invalid_request`, which says what is wrong with it and does not repeat it.
    pub fn new(text: &str) -> Result<Self, Failure> {
        // The URL itself is not repeated: a refused one may hold a password.
        let refuse =
            |problem: &str| Failure::invalid_request(format!("`invocation.url` {problem}"));
        if text.len() > URL_BYTES_MAX {
            return Err(refuse(&format!(
                "must not be longer than {URL_BYTES_MAX} bytes"
            )));
        }
        let url = Url::parse(text)
            .map_err(|error| refuse(&format!("is not an absolute URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("must be http or https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(
                "must not hold a user name or password, use `invocation.auth`",
            ));
        }
        Ok(Self(url))
    }

    /// Scheme, host and port: as much as may be printed.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The whole URL, for the request itself.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({})", self.origin())
    }
}

/// Where and how a function is called over HTTP, with its credential resolved (RF-14, RF-15).
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it is.
    pub url: EndpointUrl,
    /// `POST` unless the registration says otherwise.
    pub method: Method,
    /// How long a call may take.
    pub timeout: Duration,
    /// Added to every request. A registration may well put a credential here.
    pub headers: BTreeMap<String, Secret>,
    /// What the request proves itself with, if anything.
    pub credential: Option<Credential>,
}

impl Endpoint {
    /// # Errors
    ///
    /// `invalid_request`, naming the field (D-26), or what [`credentials::resolve`] refuses.
    pub(crate) fn register(
        invocation: &HttpInvocation<'_>,
        environment: &dyn Environment,
    ) -> Result<Self, Failure> {
        Ok(Self {
            url: EndpointUrl::new(&invocation.url)?,
            method: invocation
                .method
                .as_deref()
                .map_or(Ok(Method::Post), method)?,
            timeout: timeout(invocation)?,
            headers: headers(invocation)?,
            credential: invocation
                .auth
                .as_ref()
                .map(|auth| credentials::resolve(auth, environment))
                .transpose()?,
        })
    }
}

fn method(name: &str) -> Result<Method, Failure> {
    Ok(match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => {
            return Err(Failure::invalid_request(format!(
                "`invocation.method` must be GET, POST, PUT, PATCH or DELETE, got '{}'",
                name
            )));
        }
    })
}

fn timeout(invocation: &HttpInvocation<'_>) -> Result<Duration, Failure> {
    let Some(number) = invocation.timeout_ms else {
        return Ok(Duration::from_millis(TIMEOUT_MS_DEFAULT));
    };
    match whole_number(number) {
        Some(ms @ 1..=TIMEOUT_MS_MAX) => Ok(Duration::from_millis(ms)),
        _ => Err(Failure::invalid_request(format!(
            "`invocation.timeout_ms` must be a whole number from 1 to {TIMEOUT_MS_MAX}, got {number}"
        ))),
    }
}

fn headers(invocation: &HttpInvocation<'_>) -> Result<BTreeMap<String, Secret>, Failure> {
    let mut headers = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let given = || invocation.headers.iter().flatten();
    let bytes: usize = given().map(|(name, value)| name.len() + value.len()).sum();
    if given().count() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        return Err(Failure::invalid_request(format!(
            "`invocation.headers` must not be more than {HEADERS_MAX}, \
             nor more than {HEADERS_BYTES_MAX} bytes together"
        )));
    }
    for (name, value) in invocation.headers.iter().flatten() {
        check_header_name("invocation.headers", name)?;
        let refuse = |problem: &str| {
            Failure::invalid_request(format!("`invocation.headers`: '{name}' {problem}"))
        };
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(refuse("is given twice"));
        }
        if !is_header_value(value) {
            return Err(refuse("has a value that an HTTP header cannot carry"));
        }
        headers.insert(name.to_string(), Secret::new(value.to_string()));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_origin_is_shown() {
        for (text, origin) in [
            (
                "https://Example.com/tok-3n?t=tok-3n#tok-3n",
                "https://example.com",
            ),
            ("http://[::1]:8080/tok-3n", "http://[::1]:8080"),
        ] {
            let url = EndpointUrl::new(text).unwrap();
            assert_eq!(url.origin(), origin);
            assert_eq!(format!("{url:?}"), format!("EndpointUrl({origin})"));
            assert!(url.expose().as_str().contains("tok-3n"));
        }
    }
}
