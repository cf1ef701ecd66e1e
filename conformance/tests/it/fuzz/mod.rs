//! The suite's fuzz targets: plain functions of bytes, which panic on a finding. Tests replay
//! their corpora; `reference/fuzz` feeds them new bytes.

#![allow(unreachable_pub, reason = "it does so from outside")]

pub mod case_files;
#[cfg(test)]
#[path = "../../../../reference/core/tests/it/fuzz/replay.rs"]
mod replay;
pub mod target_files;

use std::sync::LazyLock;

use conformance_suite::{
    case::Case,
    ledger::Ledger,
    lint::{File, Linter, Severity},
    target_file::TargetFile,
};

static LEDGER: LazyLock<Ledger> = LazyLock::new(|| Ledger::embedded().unwrap());
static LINTER: LazyLock<Linter<'static>> = LazyLock::new(|| Linter::new(&LEDGER).unwrap());

/// What has no fault is read, and whatever is found stands in the file.
fn judge(path: &str, input: &[u8]) {
    let file = File {
        path: path.to_owned(),
        bytes: input.to_owned(),
    };
    let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
    let found = LINTER.lint(&[file]);
    for finding in &found {
        assert!((1..=lines).contains(&finding.line), "{finding:?}");
        assert!(
            (1..=input.len() + 1).contains(&finding.column),
            "{finding:?}"
        );
        assert_ne!(finding.message, "");
    }
    if found.iter().all(|it| it.severity == Severity::Warning) {
        let text = std::str::from_utf8(input).unwrap();
        let as_target = TargetFile::from_text(path, text).map(drop);
        let as_case = serde_json::from_str::<Case>(text).map(drop);
        assert!(
            as_target.is_ok() || as_case.is_ok(),
            "{as_target:?}; {as_case:?}"
        );
    }
}

#[cfg(test)]
mod corpus {
    use super::{case_files, replay::replay, target_files};

    const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reference/fuzz/corpus/");

    #[test]
    fn case_files() {
        replay(CORPORA, "case_files", case_files::target);
    }

    #[test]
    fn target_files() {
        replay(CORPORA, "target_files", target_files::target);
    }
}
