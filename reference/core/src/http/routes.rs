//! The table of routes: which trigger a request is for.
//!
//! A tree of decoded segments. Its work on a path depends on the path, and on how many routes
//! there are only as the depth of balanced trees does; a branch goes with the last route in it.
//! Where literal segments and parameters overlap at several places of a path, every
//! combination that routes spell out is tried.

use std::collections::BTreeMap;

use super::{
    path::{Pattern, SEGMENTS_MAX, requested},
    tree::{Line, Node},
};
use crate::error::Failure;

/// Which triggers serve which paths and methods. `K` names a trigger, which has one route.
#[derive(Debug)]
pub(crate) struct Routes<K> {
    root: Node,
    /// The triggers of each line by their age, the oldest of which serves.
    waiting: BTreeMap<(Line, u64), K>,
    places: BTreeMap<K, Place>,
    /// The last number that a line or a trigger was given.
    last: u64,
}

/// Where a trigger stands.
#[derive(Debug)]
struct Place {
    /// As it was registered.
    path: Box<str>,
    method: Box<str>,
    line: Line,
    age: u64,
}

/// How a trigger has come into the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inserted<K> {
    /// The trigger that serves the same path and method before this one does.
    pub(crate) shadowed_by: Option<K>,
}

/// The trigger that a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matched<'r, K> {
    pub(crate) key: &'r K,
    /// The path of its route, as it was registered.
    pub(crate) path: &'r str,
    /// The method of its route; `GET` may also serve `HEAD`.
    pub(crate) method: &'r str,
    /// The values of the path's parameters, decoded, from left to right.
    pub(crate) parameters: Vec<(&'r str, String)>,
}

/// Why a request is for no trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmatched<'r> {
    /// It asks for the methods of a path, and no trigger answers that itself.
    Options {
        allow: Vec<&'r str>,
    },
    /// The path has routes, of other methods.
    MethodNotAllowed {
        allow: Vec<&'r str>,
    },
    NotFound,
    /// No route can have such a path.
    BadPath {
        problem: String,
    },
}

impl<K> Default for Routes<K> {
    fn default() -> Self {
        Self {
            root: Node::default(),
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            last: 0,
        }
    }
}

impl<K: Ord + Clone> Routes<K> {
    /// Whether a route of this path can be inserted, by any trigger and with any method.
    ///
    /// # Errors
    ///
    /// `invalid_config`: the path is none that a route can have, or differs from that of
    /// another route only in the names of its parameters (RT-09).
    pub(crate) fn check(&self, path: &str) -> Result<(), Failure> {
        self.read(path).map(drop)
    }

    /// Adds a trigger, as the youngest. One that is there already leaves its place for it.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; nothing has changed then.
    pub(crate) fn insert(
        &mut self,
        path: &str,
        method: &str,
        key: K,
    ) -> Result<Inserted<K>, Failure> {
        let pattern = self.read(path)?;
        self.remove(&key);
        let age = self.next();
        let new_line = self.next();
        let line = self.root.get_or_insert(&pattern).line_of(method, new_line);
        let shadowed_by = self.serving(line).map(|(key, _)| key.clone());
        let place = Place {
            path: path.into(),
            method: method.into(),
            line,
            age,
        };
        self.waiting.insert((line, age), key.clone());
        self.places.insert(key, place);
        Ok(Inserted { shadowed_by })
    }

    /// Whether the trigger was there. The next oldest of its path and method takes over.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let Some(place) = self.places.remove(key) else {
            return false;
        };
        self.waiting.remove(&(place.line, place.age));
        if self.serving(place.line).is_none()
            && let Ok(pattern) = Pattern::parse(&place.path)
        {
            self.root.remove(&pattern.segments, &place.method);
        }
        true
    }

    /// The trigger that a request is for. Of several routes that match the path, the one counts
    /// that has a literal segment where the others have a parameter, from left to right; only
    /// then is its method looked at.
    pub(crate) fn find(&self, path: &str, method: &str) -> Result<Matched<'_, K>, Unmatched<'_>> {
        if path.split('/').skip(1).count() > SEGMENTS_MAX {
            return Err(Unmatched::NotFound);
        }
        let segments = requested(path).map_err(|problem| Unmatched::BadPath { problem })?;
        let mut values = Vec::new();
        let route = self.root.find(&segments, &mut values);
        let route = route.ok_or(Unmatched::NotFound)?;
        let line = match method {
            "HEAD" => route.line("HEAD").or_else(|| route.line("GET")),
            method => route.line(method),
        };
        let Some((key, place)) = line.and_then(|line| self.serving(line)) else {
            let allow = route.allow();
            return Err(match method {
                "OPTIONS" => Unmatched::Options { allow },
                _ => Unmatched::MethodNotAllowed { allow },
            });
        };
        let names = route.parameters.iter().map(|name| &**name);
        let values = values.into_iter().map(str::to_owned);
        Ok(Matched {
            key,
            path: &place.path,
            method: &place.method,
            parameters: names.zip(values).collect(),
        })
    }

    /// Whether nothing is left, not even of what was removed.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.root.is_empty() && self.waiting.is_empty() && self.places.is_empty()
    }

    fn read<'p>(&self, path: &'p str) -> Result<Pattern<'p>, Failure> {
        let refuse = |problem: String| {
            Failure::invalid_config(format!("Invalid http config: `path` {problem}"))
        };
        let pattern = Pattern::parse(path).map_err(refuse)?;
        let same = self.root.get(&pattern);
        let Some(other) = same.filter(|same| !same.is_named_as(&pattern)) else {
            return Ok(pattern);
        };
        let line = other.methods.first().map(|(_, line)| *line);
        let oldest = line.and_then(|line| self.serving(line));
        let other = oldest.map_or("", |(_, place)| &place.path);
        Err(refuse(format!(
            "must not differ from '{other}' in the names of parameters alone, got '{path}'"
        )))
    }

    fn serving(&self, line: Line) -> Option<(&K, &Place)> {
        let mut waiting = self.waiting.range((line, 0)..=(line, u64::MAX));
        let (_, key) = waiting.next()?;
        Some((key, self.places.get(key)?))
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str, &'static str)]) -> Routes<&'static str> {
        let mut table = Routes::default();
        for (method, path, key) in routes {
            table.insert(path, method, *key).unwrap();
        }
        table
    }

    /// The trigger and the parameters, or why there is none.
    fn found(table: &Routes<&'static str>, method: &str, path: &str) -> String {
        match table.find(path, method) {
            Ok(matched) => {
                let values = matched.parameters.iter();
                values.fold((*matched.key).to_owned(), |all, (name, value)| {
                    format!("{all} {name}={value}")
                })
            }
            Err(Unmatched::Options { allow }) => format!("options {}", allow.join(",")),
            Err(Unmatched::MethodNotAllowed { allow }) => format!("not {}", allow.join(",")),
            Err(Unmatched::NotFound) => "none".to_owned(),
            Err(Unmatched::BadPath { problem }) => problem,
        }
    }

    #[test]
    fn paths() {
        let table = table(&[
            ("GET", "/", "root"),
            ("GET", "/users/me", "me"),
            ("GET", "/users/me/x", "me-x"),
            ("GET", "/users/:id", "user"),
            ("GET", "/users/:id/y", "user-y"),
            ("GET", "/:any/:thing/y/z", "any"),
            ("GET", "/users/:id/orders/:order", "order"),
            ("GET", "/slash/", "slash"),
            ("GET", "//a", "empty"),
            ("GET", "/{id}/*", "braces"),
            ("GET", "/%3Aid", "colon"),
        ]);
        for (path, expected) in [
            ("/", "root"),
            ("/users/me", "me"),
            ("/users/m%65", "me"),
            ("/users/you", "user id=you"),
            ("/users/me/x", "me-x"),
            ("/users/me/y", "user-y id=me"),
            ("/users/me/y/z", "any any=users thing=me"),
            ("/users/7/orders/a%2Fb%20c", "order id=7 order=a/b c"),
            ("/users/%F0%9F%A6%80", "user id=🦀"),
            ("/users/{}", "user id={}"),
            ("/users/:id", "user id=:id"),
            ("/:id", "colon"),
            ("/slash/", "slash"),
            ("/slash", "none"),
            ("//a", "empty"),
            ("/a", "none"),
            ("/users", "none"),
            ("/users/", "none"),
            ("/users//y", "none"),
            ("/users%2Fme", "none"),
            ("/{id}/*", "braces"),
            ("/x/y", "none"),
            ("/Users/me", "none"),
            (
                "/users/%ff",
                "The path '/users/%ff' holds '%ff', which is not percent-encoded UTF-8",
            ),
            (
                "/users/..",
                "The path '/users/..' holds the dot segment '..'",
            ),
        ] {
            assert_eq!(found(&table, "GET", path), expected, "{path}");
        }
        assert_eq!(found(&table, "GET", &"/a".repeat(100_000)), "none");
    }

    #[test]
    fn a_request_of_more_segments_than_a_route_may_have_is_for_none() {
        let longest = "/a".repeat(SEGMENTS_MAX);
        let mut table = Routes::default();
        table.insert(&longest, "GET", "longest").unwrap();
        assert_eq!(found(&table, "GET", &longest), "longest");
        // Whatever is in the others: they are not looked at.
        assert_eq!(found(&table, "GET", &format!("{longest}/%ff")), "none");
    }

    #[test]
    fn methods() {
        let table = table(&[
            ("GET", "/a", "get"),
            ("POST", "/a", "post"),
            ("HEAD", "/b", "head"),
            ("GET", "/b", "get-b"),
            ("OPTIONS", "/c", "options"),
            ("POST", "/u/:id", "user"),
            ("GET", "/u/me", "me"),
        ]);
        for (method, path, expected) in [
            ("GET", "/a", "get"),
            ("HEAD", "/a", "get"),
            ("HEAD", "/b", "head"),
            ("OPTIONS", "/a", "options GET,HEAD,OPTIONS,POST"),
            ("OPTIONS", "/c", "options"),
            ("OPTIONS", "/u/7", "options OPTIONS,POST"),
            ("OPTIONS", "/none", "none"),
            ("PUT", "/a", "not GET,HEAD,OPTIONS,POST"),
            ("get", "/a", "not GET,HEAD,OPTIONS,POST"),
            ("HEAD", "/c", "not OPTIONS"),
            ("HEAD", "/u/7", "not OPTIONS,POST"),
            // The path decides before the method does.
            ("POST", "/u/me", "not GET,HEAD,OPTIONS"),
            ("POST", "/u/you", "user id=you"),
        ] {
            assert_eq!(found(&table, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_oldest_serves_and_the_next_takes_over() {
        let mut table = Routes::default();
        let mut add = |key, path| table.insert(path, "GET", key).unwrap().shadowed_by;
        assert_eq!(add("old", "/caf%C3%A9"), None);
        assert_eq!(add("mid", "/café"), Some("old"));
        assert_eq!(add("new", "/caf%c3%a9"), Some("old"));
        assert_eq!(found(&table, "GET", "/café"), "old");
        let path = |table: &Routes<&'static str>| {
            table.find("/café", "GET").map(|it| it.path.to_owned()).ok()
        };
        assert_eq!(path(&table).as_deref(), Some("/caf%C3%A9"));
        assert!(table.remove(&"mid"));
        assert!(!table.remove(&"mid"));
        assert_eq!(found(&table, "GET", "/café"), "old");
        assert!(table.remove(&"old"));
        assert_eq!(path(&table).as_deref(), Some("/caf%c3%a9"));
        assert_eq!(found(&table, "POST", "/café"), "not GET,HEAD,OPTIONS");
        assert!(table.remove(&"new"));
        assert_eq!(found(&table, "GET", "/café"), "none");
        assert!(table.is_empty());
    }

    #[test]
    fn names_of_parameters_alone_do_not_tell_routes_apart() {
        let mut table = table(&[("GET", "/a/:x", "first"), ("GET", "/a/:x/:z", "second")]);
        let conflict = table.insert("/a/:y", "POST", "third").unwrap_err();
        assert_eq!(conflict, table.check("/a/:y").unwrap_err());
        assert_eq!(conflict.code().as_str(), "invalid_config");
        assert_eq!(
            conflict.message(),
            "Invalid http config: `path` must not differ from '/a/:x' \
             in the names of parameters alone, got '/a/:y'"
        );
        assert_eq!(found(&table, "POST", "/a/b"), "not GET,HEAD,OPTIONS");
        assert!(table.check("/a/:y/c").is_ok());
        assert!(table.check("/a/:%78").is_ok());
        assert!(table.remove(&"first"));
        assert!(table.insert("/a/:y", "POST", "third").is_ok());
        assert_eq!(found(&table, "POST", "/a/b"), "third y=b");
        assert_eq!(
            table.check("nowhere").unwrap_err().message(),
            "Invalid http config: `path` must start with '/', got 'nowhere'"
        );
    }

    #[test]
    fn a_trigger_has_one_route() {
        let mut table = table(&[("GET", "/a", "one"), ("GET", "/a", "two")]);
        let moved = table.insert("/a", "GET", "one").unwrap();
        assert_eq!(moved.shadowed_by, Some("two"));
        table.insert("/b", "POST", "two").unwrap();
        assert_eq!(found(&table, "GET", "/a"), "one");
        assert_eq!(found(&table, "POST", "/b"), "two");
    }
}
