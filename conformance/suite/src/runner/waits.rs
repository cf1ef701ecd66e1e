//! The steps that wait for something, or for nothing.

use serde_json::Value;
use tokio::time::Instant;

use super::exec::{CaseRun, Fault, one_of};
use crate::{
    case::{Alternative, AlternativeKind},
    frame::Frame,
    session::Stop,
    template::{KEY_FIELDS, Key, Mismatch, Scope, TemplateError, template_for_people, token},
};

/// How many of the frames are named that came instead of what was expected.
const KINDS_MAX: usize = 10;

/// What a frame is to one of several templates.
enum Match {
    /// It is what the template of this index wants.
    Whole(usize, Scope),
    /// It has the key of the template of this index, but none matches it.
    KeyOnly(usize),
}

impl CaseRun<'_> {
    pub(super) async fn expect(&mut self, on: &str, template: &Value) -> Result<(), Fault> {
        let templates = Templates::new(&self.scope, [template])?;
        self.take_one(on, &templates).await.map(|_| ())
    }

    pub(super) async fn expect_all(&mut self, on: &str, templates: &[Value]) -> Result<(), Fault> {
        let mut left: Vec<&Value> = templates.iter().collect();
        while !left.is_empty() {
            let templates = Templates::new(&self.scope, left.iter().copied())?;
            let index = self.take_one(on, &templates).await?;
            left.remove(index);
        }
        Ok(())
    }

    pub(super) async fn expect_one(
        &mut self,
        on: &str,
        alternatives: &[Alternative],
    ) -> Result<(), Fault> {
        let frames = || alternatives.iter().filter_map(Alternative::frame);
        let templates = Templates::new(&self.scope, frames().map(|(_, template)| template))?;
        let silence = alternatives.iter().find_map(Alternative::silence);
        let outcome = match silence {
            None => self.take_one(on, &templates).await,
            // Whatever was to come has come once a fence is answered.
            Some(_) => match self.settle(on).await {
                Ok(()) => self.take_kept(on, &templates).await,
                Err(fault) => Err(fault),
            },
        };
        let label = match outcome {
            Ok(index) => frames().nth(index).map(|(label, _)| label),
            Err(fault) => {
                // A frame that came and differs is not excused by what came after it.
                let differs = !fault.mismatches.is_empty();
                let closed = self.close_code(on).await.filter(|_| !differs);
                let by_close = alternatives.iter().find_map(|it| it.closed_by(closed));
                match (by_close, silence) {
                    (Some(label), _) => Some(label),
                    (None, Some((label, template))) if !differs => {
                        self.none_like(on, template)?;
                        Some(label)
                    }
                    _ => return Err(alternatives_fault(alternatives, fault)),
                }
            }
        };
        self.branches.extend(label.map(str::to_owned));
        Ok(())
    }

    pub(super) async fn quiet(&mut self, on: &str, template: &Value) -> Result<(), Fault> {
        self.settle(on).await?;
        self.none_like(on, template)
    }

    /// Waits until all that was under way has arrived, and a little longer.
    async fn settle(&mut self, on: &str) -> Result<(), Fault> {
        self.fence(on, "an answer, after which nothing more is to come")
            .await?;
        let window = self.context.pace.quiet;
        self.session(on)?.linger(window).await;
        Ok(())
    }

    fn none_like(&mut self, on: &str, template: &Value) -> Result<(), Fault> {
        let scope = self.scope.clone();
        let key = scope.key(template)?;
        for frame in self.session(on)?.kept() {
            if scope.clone().compare(template, frame)?.is_empty() {
                let expected = format!("`{on}` does not get {}", key.describe());
                let unwanted = unwanted(template, frame);
                let expected = match unwanted.is_empty() {
                    true => expected,
                    false => format!("{expected} like this"),
                };
                return Err(Fault {
                    mismatches: unwanted,
                    ..Fault::new(expected, format!("it arrived: {}", frame.text))
                });
            }
        }
        Ok(())
    }

    /// The code that the engine closed a session with, if it has.
    async fn close_code(&mut self, on: &str) -> Option<u16> {
        let now = Instant::now();
        self.session(on).ok()?.ended(now).await.ok().flatten()
    }

    async fn take_kept(&mut self, on: &str, templates: &Templates<'_>) -> Result<usize, Fault> {
        self.take_until(on, templates, Instant::now(), 0).await
    }

    async fn take_one(&mut self, on: &str, templates: &Templates<'_>) -> Result<usize, Fault> {
        let (deadline, patience_ms) = self.deadline();
        self.take_until(on, templates, deadline, patience_ms).await
    }

    /// Takes the first frame that any template is about; its index, if it matches.
    async fn take_until(
        &mut self,
        on: &str,
        templates: &Templates<'_>,
        deadline: Instant,
        patience_ms: u128,
    ) -> Result<usize, Fault> {
        let mut scope = self.scope.clone();
        let session = self.session(on)?;
        let taken = session
            .take(deadline, |frame| templates.meet(&scope, frame).transpose())
            .await;
        match taken {
            Ok((frame, matched)) => match matched? {
                Match::Whole(index, captured) => {
                    self.scope = captured;
                    Ok(index)
                }
                Match::KeyOnly(index) => {
                    let mismatches = templates.mismatches(index, &mut scope, &frame)?;
                    Err(Fault::differs(templates.describe(on), mismatches))
                }
            },
            Err(stop) => {
                let mut fault = Fault::stopped(templates.describe(on), stop, patience_ms);
                let others = session.kept();
                if stop == Stop::Patience && !others.is_empty() {
                    fault.problem += &format!("; other frames that did: {}", kinds(others));
                }
                Err(fault)
            }
        }
    }
}

/// The fields which make a frame one that is not to come, beside those that name it.
fn unwanted(template: &Value, frame: &Frame) -> Vec<Mismatch> {
    let fields = template.as_object().filter(|_| token(template).is_none());
    let fields = fields.into_iter().flatten();
    let telling = fields.filter(|(field, _)| !KEY_FIELDS.contains(&field.as_str()));
    telling
        .map(|(field, wanted)| Mismatch {
            path: field.clone(),
            expected: match token(wanted) {
                Some(("$any", _)) => "(no such field)".to_owned(),
                _ => format!("anything but {}", template_for_people(wanted)),
            },
            received: frame
                .value
                .get(field)
                .map(Value::to_string)
                .unwrap_or_default(),
        })
        .collect()
}

fn kinds(frames: &[Frame]) -> String {
    let named = frames.iter().take(KINDS_MAX);
    let named: Vec<String> = named.map(|it| format!("`{}`", it.kind())).collect();
    let more = match frames.len().saturating_sub(KINDS_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    named.join(", ") + &more
}

/// Templates of which a frame is to match one.
struct Templates<'t> {
    templates: Vec<(&'t Value, Key)>,
}

impl<'t> Templates<'t> {
    fn new(
        scope: &Scope,
        templates: impl IntoIterator<Item = &'t Value>,
    ) -> Result<Self, TemplateError> {
        let keyed = templates
            .into_iter()
            .map(|template| Ok((template, scope.key(template)?)));
        Ok(Self {
            templates: keyed.collect::<Result<_, TemplateError>>()?,
        })
    }

    fn meet(&self, scope: &Scope, frame: &Frame) -> Result<Option<Match>, TemplateError> {
        for (index, (template, _)) in self.templates.iter().enumerate() {
            let mut scope = scope.clone();
            if scope.compare(template, frame)?.is_empty() {
                return Ok(Some(Match::Whole(index, scope)));
            }
        }
        let named = |(_, key): &(&Value, Key)| key.names(frame);
        Ok(self.templates.iter().position(named).map(Match::KeyOnly))
    }

    fn mismatches(
        &self,
        index: usize,
        scope: &mut Scope,
        frame: &Frame,
    ) -> Result<Vec<Mismatch>, TemplateError> {
        match self.templates.get(index) {
            Some((template, _)) => scope.compare(template, frame),
            None => Ok(Vec::new()),
        }
    }

    fn describe(&self, on: &str) -> String {
        let keys: Vec<String> = self
            .templates
            .iter()
            .map(|(_, key)| key.describe())
            .collect();
        format!("`{on}` gets {}", keys.join(", or "))
    }
}

fn alternatives_fault(alternatives: &[Alternative], fault: Fault) -> Fault {
    let labels: Vec<String> = alternatives
        .iter()
        .map(|it| format!("`{}`", it.label))
        .collect();
    Fault {
        expected: format!("one of {}: {}", labels.join(", "), fault.expected),
        ..fault
    }
}

impl Alternative {
    fn frame(&self) -> Option<(&str, &Value)> {
        match &self.kind {
            AlternativeKind::Expect(template) => Some((&self.label, template)),
            AlternativeKind::Close(_) | AlternativeKind::Quiet(_) => None,
        }
    }

    fn silence(&self) -> Option<(&str, &Value)> {
        match &self.kind {
            AlternativeKind::Quiet(template) => Some((&self.label, template)),
            AlternativeKind::Close(_) | AlternativeKind::Expect(_) => None,
        }
    }

    fn closed_by(&self, code: Option<u16>) -> Option<&str> {
        match &self.kind {
            AlternativeKind::Close(codes) if codes.contains(&code?) => Some(&self.label),
            _ => None,
        }
    }

    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            AlternativeKind::Expect(template) => template_for_people(template),
            AlternativeKind::Close(codes) => format!("the engine closes with {}", one_of(codes)),
            AlternativeKind::Quiet(template) => {
                format!("nothing like {}", template_for_people(template))
            }
        }
    }
}
