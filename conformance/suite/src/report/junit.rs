//! JUnit's XML, as continuous integration reads it: a suite a document, a case an entry. What
//! fails the run is a failure or an error; what does not decide is skipped, with a reason.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    document::{CaseReport, Document},
    plain,
    serial::timestamp,
    shown,
};
use crate::{expectation::Stale, histories, verdict::CaseVerdict};

pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("conformance");
    report.set_timestamp(
        chrono::DateTime::parse_from_rfc3339(&timestamp(document.heading.started))
            .unwrap_or_default(),
    );
    report.set_time(document.result.duration_ms);
    for (name, cases) in document.suites() {
        let mut suite = suite_of(document, name);
        suite.add_test_cases(cases.into_iter().map(|case| entry(case, name)));
        report.add_test_suite(suite);
    }
    let mut whole = suite_of(document, "The run");
    if let Some(problem) = document.result.problem {
        whole.add_test_case(wrong("target", NonSuccessKind::Error, problem));
    }
    if let Some(gone) = &document.result.engine_gone {
        whole.add_test_case(wrong("target", NonSuccessKind::Error, &gone.describe()));
    }
    for stale in document.result.stale_expectations {
        if let Stale::Unknown(case) = stale {
            whole.add_test_case(wrong(case, NonSuccessKind::Failure, &stale.describe()));
        }
    }
    if whole.tests > 0 {
        report.add_test_suite(whole);
    }
    report.serialize(out).map_err(io::Error::other)
}

fn suite_of(document: &Document<'_>, name: &str) -> TestSuite {
    let mut suite = TestSuite::new(name);
    let heading = &document.heading;
    suite.add_property(Property::new("target", shown(heading.target)));
    suite.add_property(Property::new("suite_version", heading.suite_version));
    suite.add_property(Property::new("strict", heading.options.strict.to_string()));
    if let Some(seed) = &heading.options.seed {
        suite.add_property(Property::new("seed", seed.as_str()));
    }
    suite
}

fn entry(case: &CaseReport<'_>, suite: &str) -> TestCase {
    let mut status = match case.verdict {
        CaseVerdict::Passed => TestCaseStatus::success(),
        CaseVerdict::Failed | CaseVerdict::UnexpectedPass => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        CaseVerdict::HarnessError => TestCaseStatus::non_success(NonSuccessKind::Error),
        CaseVerdict::Differs
        | CaseVerdict::Observed
        | CaseVerdict::ExpectedFailure
        | CaseVerdict::NotApplicable
        | CaseVerdict::Untestable
        | CaseVerdict::PassedMapped => TestCaseStatus::skipped(),
    };
    let told = case.verdict != CaseVerdict::Passed;
    if told {
        status.set_message(plain::headline(case));
        status.set_type(case.verdict.name());
    }
    if let Some(failure) = &case.failure {
        status.set_description(plain::details(failure).join("\n"));
    }
    let mut entry = TestCase::new(shown(case.id), status);
    entry.set_classname(suite).set_time(case.duration_ms);
    entry.add_property(Property::new("title", shown(case.title)));
    entry.add_property(Property::new("level", case.level));
    entry.add_property(Property::new("clauses", shown(&case.clauses.join(","))));
    let transcript = plain::transcript(case, plain::LINES_MAX, plain::FRAME_CHARACTERS);
    if !transcript.is_empty() {
        entry.set_system_out(transcript.join("\n"));
    }
    entry
}

fn wrong(name: &str, kind: NonSuccessKind, message: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(shown(message));
    TestCase::new(shown(name), status)
}

impl<'r> Document<'r> {
    /// The cases by what their first clause stands under, random histories apart.
    pub(super) fn suites(&self) -> Vec<(&'r str, Vec<&CaseReport<'r>>)> {
        let mut suites: Vec<(&'r str, Vec<&CaseReport<'r>>)> = Vec::new();
        let headings = self.result.clauses.iter().map(|it| (it.id, it.heading()));
        let headings: Vec<(&str, &'r str)> = headings.collect();
        let heading_of = |case: &CaseReport<'r>| {
            if case.id == histories::ID {
                return "Random histories";
            }
            let first = case.clauses.first().map(String::as_str);
            let found = headings.iter().find(|(id, _)| Some(*id) == first);
            found.map_or("Other", |(_, heading)| heading)
        };
        for case in &self.cases {
            let name = heading_of(case);
            match suites.iter_mut().find(|(other, _)| *other == name) {
                Some((_, cases)) => cases.push(case),
                None => suites.push((name, vec![case])),
            }
        }
        let place = |name: &str| headings.iter().position(|(_, it)| *it == name);
        suites.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
        suites
    }
}
