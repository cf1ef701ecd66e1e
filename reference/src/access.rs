//! Who may speak to the engine at all (D-22, D-31).

use std::{fmt, net::IpAddr};

use hyper::{
    HeaderMap, StatusCode, Uri,
    header::{AUTHORIZATION, HOST, ORIGIN},
    http::uri::Authority,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How much the log has of what a stranger says. The names of hosts are hardly ever longer.
const SHOWN_CHARS_MAX: usize = 256;

/// What those have to show who speak to a listener.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The `Origin`s of web pages that may connect as workers (D-22).
    pub origins: Vec<String>,
    /// Names under which the engine may be asked for, beside `localhost` and addresses. Where it
    /// listens for other machines any name will do if there are none of these (D-31).
    pub hosts: Vec<String>,
    /// What has to be shown on both ports, if anything has (D-31).
    pub token: Option<Token>,
}

/// A bearer token; only its digest is kept.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Why somebody is not served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is a web page.
    Origin(String),
    /// It takes the engine for somebody else.
    Host(String),
    /// It does not show the token.
    Token,
    /// There are as many workers as may be (D-28).
    Full,
}

impl Refused {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Origin(_) | Self::Host(_) => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What is wrong, and what helps.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::Origin(_) => "web pages may not connect to this engine; see --allow-origin",
            Self::Host(_) => "this engine does not go by the name in Host; see --allow-host",
            Self::Token => "this engine asks for its token, as `Authorization: Bearer …`",
            Self::Full => "this engine has as many workers as it takes; see --sessions-max",
        }
    }

    pub(crate) fn log(&self) {
        match self {
            Self::Origin(origin) => tracing::warn!(
                "refused a connection from a web page of `{}`",
                shown(origin)
            ),
            Self::Host(host) => tracing::warn!(
                "refused a request to `{}`, which is no name of this engine",
                shown(host)
            ),
            Self::Token => tracing::warn!("refused a request without the token"),
            Self::Full => tracing::warn!("refused a worker: there are as many as may be"),
        }
    }
}

/// What a stranger says, as the log has it: without control characters, and not at length.
fn shown(text: &str) -> String {
    let mut rest = text.chars();
    let start: String = rest.by_ref().take(SHOWN_CHARS_MAX).collect();
    let end = if rest.next().is_some() { "…" } else { "" };
    format!("{}{end}", start.escape_debug())
}

/// What is asked at one listener.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    access: Access,
    /// Whether it is reached from this machine alone.
    is_loopback: bool,
}

impl Gate {
    pub(crate) fn new(access: Access, address: IpAddr) -> Self {
        Self {
            access,
            is_loopback: address.is_loopback(),
        }
    }

    /// Whether somebody may connect as a worker.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn admit_worker(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        // Only browsers send an `Origin`.
        if let Some(origin) = headers.get(ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            if !self.access.origins.iter().any(|it| *it == origin) {
                return Err(Refused::Origin(origin.into_owned()));
            }
        }
        self.admit(uri, headers)
    }

    /// Whether a request is answered.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        // RFC 9112, section 3.2.2: in the target it counts for more than in the header.
        let named = match (uri.authority(), headers.get(HOST)) {
            (Some(authority), _) => Some(authority.as_str().into()),
            (None, host) => host.map(|it| String::from_utf8_lossy(it.as_bytes())),
        };
        if let Some(host) = named.filter(|it| !self.goes_by(it)) {
            return Err(Refused::Host(host.into_owned()));
        }
        match &self.access.token {
            Some(token) if !shows(token, headers) => Err(Refused::Token),
            _ => Ok(()),
        }
    }

    /// A page of another name that has come to point here still names itself (D-31).
    fn goes_by(&self, host: &str) -> bool {
        let names = &self.access.hosts;
        if !self.is_loopback && names.is_empty() {
            return true;
        }
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || names.iter().any(|it| it.eq_ignore_ascii_case(&name))
    }
}

/// Whether the token is shown; how long that takes says nothing of it.
fn shows(token: &Token, headers: &HeaderMap) -> bool {
    let shown = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let Some((scheme, shown)) = shown.and_then(|it| it.split_once(' ')) else {
        return false;
    };
    let is_it = Token::new(shown.trim()).0.ct_eq(&token.0);
    scheme.eq_ignore_ascii_case("bearer") && is_it.into()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn asked(gate: &Gate, uri: &str, headers: &[(&'static str, &str)]) -> Result<(), Refused> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        gate.admit_worker(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn on_this_machine_only_its_own_names_will_do() {
        let access = Access {
            hosts: vec!["engine.test".to_owned()],
            ..Access::default()
        };
        let gate = Gate::new(access, Ipv4Addr::LOCALHOST.into());
        for host in [
            "127.0.0.1:3111",
            "127.0.0.1",
            "[::1]:3111",
            "localhost",
            "LocalHost.:80",
            "app.localhost:3111",
            "Engine.test:1",
            "192.168.0.1",
        ] {
            assert_eq!(asked(&gate, "/", &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:3111",
            "localhost.evil.test",
            "notlocalhost",
            "a.engine.test",
            "127.0.0.1.evil.test",
            "",
            "a b",
        ] {
            let refused = Err(Refused::Host(host.to_owned()));
            assert_eq!(asked(&gate, "/", &[("host", host)]), refused, "{host}");
        }
        // Programs of the last century name none.
        assert_eq!(asked(&gate, "/", &[]), Ok(()));
        let elsewhere = asked(&gate, "http://evil.test/", &[("host", "localhost")]);
        assert_eq!(elsewhere, Err(Refused::Host("evil.test".to_owned())));
    }

    #[test]
    fn for_other_machines_any_name_will_do_unless_some_are_given() {
        let anywhere = Ipv4Addr::UNSPECIFIED.into();
        let gate = Gate::new(Access::default(), anywhere);
        assert_eq!(asked(&gate, "/", &[("host", "engine")]), Ok(()));
        let access = Access {
            hosts: vec!["engine".to_owned()],
            ..Access::default()
        };
        let gate = Gate::new(access, anywhere);
        assert_eq!(asked(&gate, "/", &[("host", "engine:49134")]), Ok(()));
        let other = asked(&gate, "/", &[("host", "other")]);
        assert_eq!(other, Err(Refused::Host("other".to_owned())));
    }

    #[test]
    fn a_token_is_shown_whole_or_not_at_all() {
        let access = Access {
            token: Some(Token::new("tok-3n")),
            ..Access::default()
        };
        let gate = Gate::new(access, Ipv4Addr::LOCALHOST.into());
        for shown in ["Bearer tok-3n", "bearer tok-3n", "BEARER  tok-3n "] {
            let headers = [("host", "localhost"), ("authorization", shown)];
            assert_eq!(asked(&gate, "/", &headers), Ok(()), "{shown}");
        }
        for shown in [
            "",
            "Bearer",
            "Bearer ",
            "tok-3n",
            "Basic tok-3n",
            "Bearer tok-3",
            "Bearer tok-3nn",
        ] {
            let headers = [("host", "localhost"), ("authorization", shown)];
            assert_eq!(asked(&gate, "/", &headers), Err(Refused::Token), "{shown}");
        }
        assert_eq!(
            asked(&gate, "/", &[("host", "localhost")]),
            Err(Refused::Token)
        );
        assert!(format!("{gate:?}").contains("Token(redacted)"));
    }

    #[test]
    fn of_what_strangers_say_the_log_has_the_start_and_nothing_that_acts() {
        assert_eq!(shown("http://evil.test"), "http://evil.test");
        assert_eq!(shown(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(shown(&"é".repeat(257)), "é".repeat(256) + "…");
        let acting = "a\u{1b}[2J\u{9b}2J\r\nWARN forged\u{202e}";
        let inert = r"a\u{1b}[2J\u{9b}2J\r\nWARN forged\u{202e}";
        assert_eq!(shown(acting), inert);
        let long = shown(&"\u{9b}".repeat(15 << 10));
        assert_eq!(long, r"\u{9b}".repeat(256) + "…");
    }
}
