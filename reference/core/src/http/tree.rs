//! The tree of decoded segments that the table of routes stands on.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::path::{Pattern, Segment};

/// All triggers of one path and method.
pub(super) type Line = u64;

#[derive(Debug, Default)]
pub(super) struct Node {
    literals: BTreeMap<Box<str>, Self>,
    parameter: Option<Box<Self>>,
    route: Option<Box<Route>>,
}

/// What ends at a node; it has at least one method.
#[derive(Debug)]
pub(super) struct Route {
    /// The names of its parameters, from left to right.
    pub(super) parameters: Box<[Box<str>]>,
    pub(super) methods: Vec<(Box<str>, Line)>,
}

impl Node {
    /// The route at the end of a path.
    pub(super) fn get(&self, pattern: &Pattern<'_>) -> Option<&Route> {
        let mut segments = pattern.segments.iter();
        let node = segments.try_fold(self, |node, segment| match segment {
            Segment::Literal(text) => node.literals.get(&**text),
            Segment::Parameter(_) => node.parameter.as_deref(),
        });
        node?.route.as_deref()
    }

    /// The same, which is made if it is missing.
    pub(super) fn get_or_insert(&mut self, pattern: &Pattern<'_>) -> &mut Route {
        let segments = pattern.segments.iter();
        let node = segments.fold(self, |node, segment| match segment {
            Segment::Literal(text) => node.literals.entry((&**text).into()).or_default(),
            Segment::Parameter(_) => node.parameter.get_or_insert_default(),
        });
        node.route.get_or_insert_with(|| {
            let parameters = pattern.parameters().map(Box::from).collect();
            Box::new(Route {
                parameters,
                methods: Vec::new(),
            })
        })
    }

    /// Removes a method from a route, and what is empty then.
    pub(super) fn remove(&mut self, segments: &[Segment<'_>], method: &str) {
        match segments.split_first() {
            None => {
                if let Some(route) = &mut self.route {
                    route.methods.retain(|(name, _)| **name != *method);
                }
                self.route.take_if(|route| route.methods.is_empty());
            }
            Some((Segment::Literal(text), rest)) => {
                if let Some(child) = self.literals.get_mut(&**text) {
                    child.remove(rest, method);
                    if child.is_empty() {
                        self.literals.remove(&**text);
                    }
                }
            }
            Some((Segment::Parameter(_), rest)) => {
                if let Some(child) = &mut self.parameter {
                    child.remove(rest, method);
                }
                self.parameter.take_if(|child| child.is_empty());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.parameter.is_none() && self.route.is_none()
    }

    /// Goes no deeper than the routes do, whatever was requested.
    pub(super) fn find<'s>(
        &self,
        segments: &'s [Cow<'_, str>],
        values: &mut Vec<&'s str>,
    ) -> Option<&Route> {
        let Some((first, rest)) = segments.split_first() else {
            return self.route.as_deref();
        };
        let literal = self.literals.get(&**first);
        if let Some(found) = literal.and_then(|child| child.find(rest, values)) {
            return Some(found);
        }
        let child = self.parameter.as_ref().filter(|_| !first.is_empty())?;
        values.push(first);
        let found = child.find(rest, values);
        if found.is_none() {
            values.pop();
        }
        found
    }
}

impl Route {
    /// Whether a path of the same segments names its parameters as this one does.
    pub(super) fn is_named_as(&self, pattern: &Pattern<'_>) -> bool {
        let names = self.parameters.iter().map(|name| &**name);
        names.eq(pattern.parameters())
    }

    pub(super) fn line(&self, method: &str) -> Option<Line> {
        let mut methods = self.methods.iter();
        methods.find_map(|(name, line)| (**name == *method).then_some(*line))
    }

    /// The line of a method, which is `new` if there is none yet.
    pub(super) fn line_of(&mut self, method: &str, new: Line) -> Line {
        self.line(method).unwrap_or_else(|| {
            self.methods.push((method.into(), new));
            new
        })
    }

    /// The methods that are answered, sorted.
    pub(super) fn allow(&self) -> Vec<&str> {
        let mut allow: BTreeSet<&str> = self.methods.iter().map(|(name, _)| &**name).collect();
        allow.insert("OPTIONS");
        if allow.contains("GET") {
            allow.insert("HEAD");
        }
        allow.into_iter().collect()
    }
}
