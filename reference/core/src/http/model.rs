//! The table of routes against a list that is read from its beginning.

use std::cmp::Reverse;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

use super::{Routes, Unmatched};

/// The routes in the order of their insertion.
#[derive(Default)]
struct List(Vec<Listed>);

#[derive(Clone)]
struct Listed {
    segments: Vec<String>,
    path: String,
    method: &'static str,
    key: u8,
}

/// `:name` stays apart from a literal that begins with an escaped colon.
fn cut(path: &str) -> Vec<String> {
    let decoded = |raw: &str| percent_decode_str(raw).decode_utf8().unwrap().into_owned();
    let segments = path.split('/').skip(1);
    segments
        .map(|raw| match raw.strip_prefix(':') {
            Some(name) => format!(":{}", decoded(name)),
            None => format!("={}", decoded(raw)),
        })
        .collect()
}

fn shape(segments: &[String]) -> Vec<&str> {
    let segments = segments.iter();
    segments
        .map(|it| if it.starts_with(':') { ":" } else { it })
        .collect()
}

impl List {
    /// Whether the trigger is in; then also who serves before it.
    fn insert(&mut self, path: &str, method: &'static str, key: u8) -> Option<Option<u8>> {
        let segments = cut(path);
        let conflict =
            |it: &Listed| shape(&it.segments) == shape(&segments) && it.segments != segments;
        let named = |it: &&String| it.starts_with(':');
        let names: Vec<&String> = segments.iter().filter(named).collect();
        let twice = (1..names.len()).any(|at| names[..at].contains(&names[at]));
        if twice || self.0.iter().any(conflict) {
            return None;
        }
        self.0.retain(|it| it.key != key);
        let mut before = self.0.iter();
        let before = before.find(|it| it.segments == segments && it.method == method);
        let before = before.map(|it| it.key);
        self.0.push(Listed {
            segments,
            path: path.to_owned(),
            method,
            key,
        });
        Some(before)
    }

    fn find(&self, path: &str, method: &str) -> String {
        let asked: Vec<String> = path
            .split('/')
            .skip(1)
            .map(|raw| percent_decode_str(raw).decode_utf8().unwrap().into_owned())
            .collect();
        let fits = |it: &&Listed| {
            it.segments.len() == asked.len()
                && it.segments.iter().zip(&asked).all(|(segment, asked)| {
                    segment.strip_prefix('=') == Some(asked)
                        || (segment.starts_with(':') && !asked.is_empty())
                })
        };
        let literal = |it: &&Listed| {
            let literals = it.segments.iter().map(|segment| segment.starts_with('='));
            literals.collect::<Vec<bool>>()
        };
        let Some(best) = self.0.iter().filter(fits).max_by_key(literal) else {
            return "none".to_owned();
        };
        let route = || self.0.iter().filter(|it| it.segments == best.segments);
        let served = |method: &str| route().find(|it| it.method == method);
        let by_get = || served("GET").filter(|_| method == "HEAD");
        if let Some(it) = served(method).or_else(by_get) {
            let named = it.segments.iter().zip(&asked);
            let named = named.filter_map(|(name, value)| Some((name.strip_prefix(':')?, value)));
            let values: String = named
                .map(|(name, value)| format!(" {name}={value:?}"))
                .collect();
            return format!("{} {} {}{values}", it.key, it.method, it.path);
        }
        let allowed = |it: &&str| {
            *it == "OPTIONS" || served(it).is_some() || (*it == "HEAD" && served("GET").is_some())
        };
        let allow: Vec<&str> = ["GET", "HEAD", "OPTIONS", "POST"]
            .into_iter()
            .filter(allowed)
            .collect();
        let kind = if method == "OPTIONS" {
            "options"
        } else {
            "not"
        };
        format!("{kind} {}", allow.join(","))
    }
}

fn found(table: &Routes<u8>, path: &str, method: &str) -> String {
    match table.find(path, method) {
        Ok(it) => {
            let values = it.parameters.iter();
            let values: String = values
                .map(|(name, value)| format!(" {name}={value:?}"))
                .collect();
            format!("{} {} {}{values}", it.key, it.method, it.path)
        }
        Err(Unmatched::NotFound) => "none".to_owned(),
        Err(Unmatched::Options { allow }) => format!("options {}", allow.join(",")),
        Err(Unmatched::MethodNotAllowed { allow }) => format!("not {}", allow.join(",")),
        Err(Unmatched::BadPath { problem }) => problem,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String, &'static str, u8),
    Remove(u8),
}

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "OPTIONS"];

fn path(segments: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(select(segments), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn route() -> impl Strategy<Value = String> {
    path(&[
        "a", "b", "ab", "", ":x", ":x", ":y", ":%78", "%61", "é", "%C3%A9", "a%2Fb", "{x}", "*",
        "%3Ax",
    ])
}

fn asked() -> impl Strategy<Value = String> {
    path(&[
        "a", "b", "ab", "", ":x", "%61", "c%20d", "%c3%a9", "a%2fb", "{x}", "%2A",
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (route(), select(&METHODS), 0..24u8)
            .prop_map(|(path, method, key)| Step::Insert(path, method, key)),
        1 => (0..24u8).prop_map(Step::Remove),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_table_is_a_list_that_is_read_from_its_beginning(
        steps in vec(step(), 0..40),
        asked in vec((prop_oneof![asked(), route()], select(&METHODS)), 1..40),
    ) {
        let mut table = Routes::default();
        let mut list = List::default();
        for step in steps {
            match step {
                Step::Insert(path, method, key) => {
                    let inserted = table.insert(&path, method, key).ok();
                    let expected = list.insert(&path, method, key);
                    prop_assert_eq!(inserted.map(|it| it.shadowed_by), expected, "{}", path);
                }
                Step::Remove(key) => {
                    let was_there = list.0.iter().any(|it| it.key == key);
                    list.0.retain(|it| it.key != key);
                    prop_assert_eq!(table.remove(&key), was_there);
                }
            }
            for (path, method) in &asked {
                prop_assert_eq!(found(&table, path, method), list.find(path, method), "{}", path);
            }
        }
        // Whatever is left goes, and leaves nothing.
        list.0.sort_by_key(|it| Reverse(it.path.clone()));
        for it in &list.0 {
            prop_assert!(table.remove(&it.key));
        }
        prop_assert!(table.is_empty());
    }

    #[test]
    fn parameters_are_decoded(first in ".{1,8}", second in ".{1,8}") {
        let dots = |it: &str| matches!(it, "." | "..");
        prop_assume!(!dots(&first) && !dots(&second));
        let mut table = Routes::default();
        table.insert("/a/:first/:second", "GET", 1u8).unwrap();
        let encode = |it: &str| utf8_percent_encode(it, NON_ALPHANUMERIC).to_string();
        let path = format!("/a/{}/{}", encode(&first), encode(&second));
        let matched = table.find(&path, "GET").unwrap();
        prop_assert_eq!(matched.parameters, vec![("first", first), ("second", second)]);
    }
}
