//! Paths of routes and of requests in one normal form: segments, decoded (RT-04).
//!
//! A path is cut at its slashes before anything is decoded, so `%2F` is never a separator, and
//! `/caf%C3%A9` and `/café` are one path. An empty segment is a segment, also the one behind a
//! slash at the end.

use std::{borrow::Cow, collections::BTreeSet};

use percent_encoding::percent_decode_str;

use super::clipped;

/// The longest path of a route, in bytes.
const PATH_BYTES_MAX: usize = 2_048;
/// The most segments that the path of a route may have.
pub(super) const SEGMENTS_MAX: usize = 64;

/// The path of a route.
#[derive(Debug)]
pub(crate) struct Pattern<'a> {
    pub(super) segments: Vec<Segment<'a>>,
}

#[derive(Debug)]
pub(super) enum Segment<'a> {
    /// Itself alone.
    Literal(Cow<'a, str>),
    /// `:name`: any one segment that is not empty.
    Parameter(Cow<'a, str>),
}

impl<'a> Pattern<'a> {
    /// # Errors
    ///
    /// What is wrong with the path, as a text that the name of its field goes before (RT-09).
    pub(crate) fn parse(path: &'a str) -> Result<Self, String> {
        let Some(inside) = path.strip_prefix('/') else {
            return Err(format!("must start with '/', got '{}'", clipped(path)));
        };
        if path.len() > PATH_BYTES_MAX {
            return Err(format!(
                "must not be longer than {PATH_BYTES_MAX} bytes, got {}",
                path.len()
            ));
        }
        let odd = |c: &char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control();
        if let Some(odd) = path.chars().find(odd) {
            return Err(format!("must be a path alone, but '{path}' holds '{odd}'"));
        }
        let count = inside.split('/').count();
        if count > SEGMENTS_MAX {
            return Err(format!(
                "must not have more than {SEGMENTS_MAX} segments, got {count}"
            ));
        }
        let mut names = BTreeSet::new();
        let segments = inside.split('/').map(|raw| {
            let segment = Segment::parse(path, raw)?;
            if let Segment::Parameter(name) = &segment
                && !names.insert(name.clone())
            {
                return Err(format!(
                    "must not name two parameters alike, but '{path}' holds '{raw}' twice"
                ));
            }
            Ok(segment)
        });
        let segments = segments.collect::<Result<_, String>>()?;
        Ok(Self { segments })
    }

    /// The names of its parameters, from left to right.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Parameter(name) => Some(&**name),
        })
    }
}

impl<'a> Segment<'a> {
    fn parse(path: &str, raw: &'a str) -> Result<Self, String> {
        let (parameter, text) = match raw.strip_prefix(':') {
            Some(name) => (true, name),
            None => (false, raw),
        };
        let Some(text) = decode(text) else {
            return Err(format!(
                "must be percent-encoded as UTF-8, but '{path}' holds '{raw}'"
            ));
        };
        match (parameter, &*text) {
            (true, "") => Err(format!(
                "must name its parameters, but '{path}' holds ':' alone"
            )),
            (true, _) => Ok(Self::Parameter(text)),
            // Clients resolve these before they ask, so no request would find the route.
            (false, "." | "..") => Err(format!(
                "must not hold a dot segment, but '{path}' holds '{raw}'"
            )),
            (false, _) => Ok(Self::Literal(text)),
        }
    }
}

/// The segments of a path that was requested.
///
/// # Errors
///
/// What is wrong with it: it holds what no route can have, or what no function should be given
/// as the value of a parameter.
pub(super) fn requested(path: &str) -> Result<Vec<Cow<'_, str>>, String> {
    let shown = clipped(path);
    let Some(inside) = path.strip_prefix('/') else {
        return Err(format!("The path '{shown}' does not start with '/'"));
    };
    let segments = inside.split('/').map(|raw| match decode(raw) {
        None => Err(format!(
            "The path '{shown}' holds '{}', which is not percent-encoded UTF-8",
            clipped(raw)
        )),
        Some(text) if matches!(&*text, "." | "..") => {
            Err(format!("The path '{shown}' holds the dot segment '{raw}'"))
        }
        Some(text) => Ok(text),
    });
    segments.collect()
}

/// Absent if an escape is malformed, or if what comes out is not UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let two_digits = |after: &str| {
        let digits = after.as_bytes().first_chunk::<2>();
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(two_digits) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The normal form for people: parameters as `:name`, the others in quotes.
    fn shown(path: &str) -> String {
        match Pattern::parse(path) {
            Ok(pattern) => {
                let segments = pattern.segments.iter().map(|segment| match segment {
                    Segment::Literal(text) => format!("{text:?}"),
                    Segment::Parameter(name) => format!(":{name}"),
                });
                segments.collect::<Vec<_>>().join(" ")
            }
            Err(problem) => problem,
        }
    }

    #[test]
    fn paths_of_routes() {
        for (path, expected) in [
            ("/", r#""""#),
            ("/a", r#""a""#),
            ("/a/", r#""a" """#),
            ("//", r#""" """#),
            ("/users/:id/orders/:order", r#""users" :id "orders" :order"#),
            ("/caf%C3%A9", r#""café""#),
            ("/café", r#""café""#),
            ("/%61%2fb", r#""a/b""#),
            ("/%3Aid", r#"":id""#),
            ("/a:id", r#""a:id""#),
            ("/:n%C3%A4me", ":näme"),
            ("/{id}/*/{*rest}", r#""{id}" "*" "{*rest}""#),
            ("/...", r#""...""#),
            ("a", "must start with '/', got 'a'"),
            ("", "must start with '/', got ''"),
            ("/a?b", "must be a path alone, but '/a?b' holds '?'"),
            ("/a#", "must be a path alone, but '/a#' holds '#'"),
            ("/a b", "must be a path alone, but '/a b' holds ' '"),
            (
                "/a\u{a0}",
                "must be a path alone, but '/a\u{a0}' holds '\u{a0}'",
            ),
            ("/\0", "must be a path alone, but '/\0' holds '\0'"),
            (
                "/a/:",
                "must name its parameters, but '/a/:' holds ':' alone",
            ),
            (
                "/:a/:b/:%61",
                "must not name two parameters alike, but '/:a/:b/:%61' holds ':%61' twice",
            ),
            (
                "/a/%zz",
                "must be percent-encoded as UTF-8, but '/a/%zz' holds '%zz'",
            ),
            (
                "/%4",
                "must be percent-encoded as UTF-8, but '/%4' holds '%4'",
            ),
            (
                "/:%",
                "must be percent-encoded as UTF-8, but '/:%' holds ':%'",
            ),
            (
                "/%ff",
                "must be percent-encoded as UTF-8, but '/%ff' holds '%ff'",
            ),
            (
                "/a/../b",
                "must not hold a dot segment, but '/a/../b' holds '..'",
            ),
            ("/.", "must not hold a dot segment, but '/.' holds '.'"),
            (
                "/a/%2e%2E",
                "must not hold a dot segment, but '/a/%2e%2E' holds '%2e%2E'",
            ),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }

    #[test]
    fn bounds_of_paths() {
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(Pattern::parse(&long(PATH_BYTES_MAX)).is_ok());
        assert_eq!(
            shown(&long(PATH_BYTES_MAX + 1)),
            "must not be longer than 2048 bytes, got 2049"
        );
        assert!(Pattern::parse(&"/a".repeat(SEGMENTS_MAX)).is_ok());
        assert_eq!(
            shown(&"/a".repeat(SEGMENTS_MAX + 1)),
            "must not have more than 64 segments, got 65"
        );
    }

    #[test]
    fn paths_of_requests() {
        for (path, expected) in [
            ("/", Ok(vec![""])),
            ("/a/:b//", Ok(vec!["a", ":b", "", ""])),
            ("/a%2Fb/c", Ok(vec!["a/b", "c"])),
            ("/%F0%9F%A6%80+", Ok(vec!["🦀+"])),
            ("*", Err("The path '*' does not start with '/'")),
            ("", Err("The path '' does not start with '/'")),
            (
                "/x/%C3",
                Err("The path '/x/%C3' holds '%C3', which is not percent-encoded UTF-8"),
            ),
            (
                "/%+1",
                Err("The path '/%+1' holds '%+1', which is not percent-encoded UTF-8"),
            ),
            ("/x/..", Err("The path '/x/..' holds the dot segment '..'")),
            ("/%2e", Err("The path '/%2e' holds the dot segment '%2e'")),
        ] {
            let seen = requested(path);
            let seen = seen.map(|it| it.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
            let expected = expected.map(|it| it.into_iter().map(str::to_owned).collect());
            assert_eq!(seen, expected.map_err(str::to_owned), "{path}");
        }
    }
}
