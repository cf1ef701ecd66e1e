use super::Config;
use crate::{error::Failure, http::Pattern};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const METHOD_DEFAULT: &str = "GET";

/// The route of an `http` trigger (RT-04).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// As it was given: segments behind slashes, `:name` for a parameter (D-25).
    pub path: String,
    /// One of the methods that a route may have (D-25).
    pub method: String,
}

pub(super) fn read(config: &Config<'_>) -> Result<HttpConfig, Failure> {
    let path = config.required_text("path", config.raw.path)?;
    Pattern::parse(&path).map_err(|problem| config.refuse("path", &problem))?;
    let method = config
        .text("method", config.raw.method)?
        .unwrap_or_else(|| METHOD_DEFAULT.to_owned());
    if !METHODS.contains(&method.as_str()) {
        let problem = format!("must be one of {}, got '{}'", METHODS.join(", "), method);
        return Err(config.refuse("method", &problem));
    }
    Ok(HttpConfig { path, method })
}

#[cfg(test)]
mod tests {
    use crate::config::{Builtin, test_support::verdict};

    #[test]
    fn routes() {
        for (config, expected) in [
            (r#"{"path":"/webhooks/github","method":"POST"}"#, "ok"),
            (r#"{"path":"/test"}"#, "ok"),
            (r#"{"path":"/a","method":null,"other":1}"#, "ok"),
            (r#"{"path":"/users/:id/{literal}/caf%C3%A9/"}"#, "ok"),
            (r"{}", "Invalid http config: `path` is missing"),
            (
                r#"{"path":7}"#,
                "Invalid http config: `path` must be a string, got 7",
            ),
            (
                r#"{"path":"test"}"#,
                "Invalid http config: `path` must start with '/', got 'test'",
            ),
            (
                r#"{"path":"/a?b"}"#,
                "Invalid http config: `path` must be a path alone, but '/a?b' holds '?'",
            ),
            (
                r#"{"path":"/a/%2e%2e"}"#,
                "Invalid http config: `path` must not hold a dot segment, \
                 but '/a/%2e%2e' holds '%2e%2e'",
            ),
            (
                r#"{"path":"/a","method":"FETCH"}"#,
                "Invalid http config: `method` must be one of \
                 GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, got 'FETCH'",
            ),
        ] {
            assert_eq!(verdict(Builtin::Http, config), expected, "{config}");
        }
    }
}
