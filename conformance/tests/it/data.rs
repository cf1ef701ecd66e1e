//! The data that the suite carries: the ledger, the schemas, the documents' blocks, the cases.

use std::collections::BTreeSet;

use conformance_suite::{
    assets,
    case::{Action, AlternativeKind, Case, Cases, Level},
    environment::Environment,
    ledger::{Clause, Coverage, Kind, Ledger},
    schema::validator,
    target_file::TargetFile,
};
use serde_json::Value;

fn ledger() -> Ledger {
    Ledger::embedded().unwrap()
}

fn cases(ledger: &Ledger) -> Cases {
    Cases::embedded(ledger).unwrap_or_else(|error| panic!("{error}"))
}

fn faults(schema: &str, instance: &Value) -> Vec<String> {
    let schema = validator(schema).unwrap_or_else(|error| panic!("{error}"));
    let errors = schema.iter_errors(instance);
    errors
        .map(|it| format!("{}: {it}", it.instance_path()))
        .collect()
}

/// The JSON blocks of a document, as they stand in it.
fn blocks_of(document: &str) -> Vec<&str> {
    let mut rest = assets::document(document).unwrap();
    let mut blocks = Vec::new();
    while let Some((_, after)) = rest.split_once("```json\n") {
        let (block, after) = after.split_once("```").unwrap();
        blocks.push(block);
        rest = after;
    }
    blocks
}

#[test]
fn every_schema_is_json_schema_2020_12() {
    assert!(assets::schemas().len() > 20);
    for asset in assets::schemas() {
        let schema: Value = serde_json::from_str(asset.text).unwrap();
        assert_eq!(
            schema["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{}",
            asset.path
        );
        assert!(jsonschema::meta::is_valid(&schema), "{}", asset.path);
        validator(asset.path).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_fixtures_are_the_blocks_of_the_documents() {
    let mut count = 0;
    for document in ["register-function", "register-trigger"] {
        let fixtures: Vec<_> = assets::blocks()
            .into_iter()
            .filter(|it| it.path.starts_with(document))
            .collect();
        let blocks = blocks_of(document);
        assert_eq!(fixtures.len(), blocks.len(), "{document}");
        for (fixture, block) in fixtures.iter().zip(blocks) {
            assert_eq!(fixture.text, block, "{}", fixture.path);
            count += 1;
        }
    }
    assert_eq!(count, 18);
}

#[test]
fn every_block_is_what_its_schema_describes() {
    for block in assets::blocks() {
        let value: Value = serde_json::from_str(block.text).unwrap();
        let schema = match value["type"].as_str() {
            Some(kind) => format!("{kind}.json"),
            None => "error-body.json".to_owned(),
        };
        assert_eq!(faults(&schema, &value), [""; 0], "{}", block.path);
    }
}

#[test]
fn every_case_file_is_what_the_case_schema_describes() {
    assert!(assets::cases().len() > 100);
    for file in assets::cases() {
        let case: Value = serde_json::from_str(file.text).unwrap();
        assert_eq!(faults("case.json", &case), [""; 0], "{}", file.path);
        assert_eq!(
            case["$schema"], "../../../spec/schema/case.json",
            "{}",
            file.path
        );
    }
}

#[test]
fn every_target_file_is_what_its_schema_describes_and_can_be_used() {
    let folder = format!("{}/../fixtures/targets", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(faults("target.json", &value), [""; 0], "{}", path.display());
        TargetFile::read(&path).unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn the_ledger_is_what_its_schema_describes() {
    let value: Value = serde_json::from_str(assets::LEDGER).unwrap();
    assert_eq!(faults("requirements.json", &value), [""; 0]);
}

/// What is wrong with the quotes of a ledger: a documented clause has one that stands in its
/// document, and others have none.
fn misquoted(ledger: Ledger) -> Vec<String> {
    let wrong = |clause: &Clause| match (clause.kind, &clause.document, &clause.quote) {
        (Kind::Documented, Some(document), Some(quote)) => {
            !assets::document(document).is_some_and(|it| it.contains(quote))
        }
        (Kind::Companion | Kind::Decided, None, None) => false,
        _ => true,
    };
    let wrong = ledger.clauses.into_iter().filter(wrong);
    wrong.map(|it| it.id).collect()
}

#[test]
fn every_quote_of_the_ledger_is_in_its_document() {
    assert_eq!(misquoted(ledger()), [""; 0]);
    let with = |change: fn(&mut Clause)| {
        let mut ledger = ledger();
        change(
            ledger
                .clauses
                .iter_mut()
                .find(|it| it.id == "RT-07")
                .unwrap(),
        );
        misquoted(ledger)
    };
    let wrong: [fn(&mut Clause); 5] = [
        |it| it.quote.as_mut().unwrap().push_str(", perhaps"),
        |it| it.quote = None,
        |it| it.document = None,
        |it| it.document = Some("no-such-document".to_owned()),
        |it| it.kind = Kind::Companion,
    ];
    for change in wrong {
        assert_eq!(with(change), ["RT-07"]);
    }
}

#[test]
fn every_clause_is_exercised_as_far_as_the_ledger_says() {
    let ledger = ledger();
    let cases = cases(&ledger);
    for clause in &ledger.clauses {
        let judging: Vec<&Case> = cases
            .iter()
            .filter(|case| case.clauses.contains(&clause.id))
            .collect();
        let exercised = !judging.is_empty();
        assert_eq!(
            exercised,
            clause.coverage != Coverage::None,
            "{}",
            clause.id
        );
        if exercised && clause.kind == Kind::Documented {
            let musts = judging.iter().filter(|case| case.level == Level::Must);
            assert!(musts.count() > 0, "{} has no case that decides", clause.id);
        }
    }
}

#[test]
fn a_case_weighs_what_its_clauses_can_bear() {
    let ledger = ledger();
    for case in cases(&ledger).iter() {
        let kinds: BTreeSet<Kind> = case
            .clauses
            .iter()
            .map(|id| ledger.clause(id).unwrap().kind)
            .collect();
        let documented = kinds.contains(&Kind::Documented);
        match case.level {
            Level::Must | Level::Text | Level::Should => {
                assert!(documented, "{} weighs more than its clauses", case.id);
            }
            Level::Companion => assert!(kinds.contains(&Kind::Companion), "{}", case.id),
            Level::Observe => {}
        }
        let quoted = case.quote.is_some();
        let must_quote = matches!(case.level, Level::Must | Level::Text);
        assert!(quoted || !must_quote, "{} judges without a quote", case.id);
    }
}

#[test]
fn every_block_is_replayed_by_some_case() {
    let ledger = ledger();
    let mut replayed = BTreeSet::new();
    for case in cases(&ledger).iter() {
        for step in &case.steps {
            match &step.action {
                Action::Send(template) | Action::Expect(template) => {
                    documents_in(template, &mut replayed);
                }
                Action::ExpectAll(templates) => {
                    for template in templates {
                        documents_in(template, &mut replayed);
                    }
                }
                Action::ExpectOne(alternatives) => {
                    for alternative in alternatives {
                        if let AlternativeKind::Expect(template) = &alternative.kind {
                            documents_in(template, &mut replayed);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    for block in assets::blocks() {
        assert!(
            replayed.contains(block.path),
            "{} is replayed by no case",
            block.path
        );
    }
}

fn documents_in(template: &Value, found: &mut BTreeSet<String>) {
    match template {
        Value::Object(fields) => {
            if let Some(Value::String(path)) = fields.get("$document") {
                found.insert(path.clone());
            }
            fields.values().for_each(|value| documents_in(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| documents_in(value, found)),
        _ => {}
    }
}

#[test]
fn every_variable_that_a_case_assumes_is_in_the_environment_and_none_is_idle() {
    let environment = Environment::embedded().unwrap();
    let ledger = ledger();
    let (mut set, mut unset) = (BTreeSet::new(), BTreeSet::new());
    for case in cases(&ledger).iter() {
        set.extend(case.environment.set.clone());
        unset.extend(case.environment.unset.clone());
    }
    assert_eq!(set, environment.set.keys().cloned().collect());
    assert_eq!(unset, environment.unset.into_iter().collect());
    // A value that stands in another one would be found where it is not.
    let values: Vec<&String> = environment
        .set
        .values()
        .filter(|it| !it.is_empty())
        .collect();
    for value in &values {
        let holding = values.iter().filter(|it| it.contains(value.as_str()));
        assert_eq!(holding.count(), 1, "{value}");
    }
}

#[test]
fn the_asyncapi_document_refers_to_every_schema_of_the_protocol() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/asyncapi.json");
    let document = std::fs::read_to_string(path).unwrap();
    let files_of_the_suite = [
        "case.json",
        "defs.json",
        "diff.json",
        "profiles.json",
        "report.json",
        "requirements.json",
        "target.json",
    ];
    for asset in assets::schemas() {
        let is_frame = !files_of_the_suite.contains(&asset.path);
        let reference = format!("\"./schema/{}\"", asset.path);
        assert_eq!(document.contains(&reference), is_frame, "{}", asset.path);
    }
}

fn spec(file: &str) -> String {
    let path = format!("{}/../spec/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn coverage_in_words(coverage: Coverage) -> &'static str {
    match coverage {
        Coverage::Full => "full",
        Coverage::Registration => "registration only",
        Coverage::None => "none",
    }
}

/// What stands below a heading, up to the next one.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, after) = text
        .split_once(&format!("{heading}\n"))
        .unwrap_or_else(|| panic!("there is no `{heading}`"));
    after.split("\n##").next().unwrap()
}

#[test]
fn the_protocol_says_of_each_clause_what_the_ledger_says() {
    let protocol = spec("protocol.md");
    for clause in ledger().clauses {
        let coverage = coverage_in_words(clause.coverage);
        if clause.kind == Kind::Decided {
            let row = format!(
                "| {} | {}: {} | {coverage} |",
                clause.id, clause.title, clause.statement
            );
            assert!(protocol.lines().any(|line| line == row), "{row}");
            continue;
        }
        let heading = format!("#### {} {}", clause.id, clause.title);
        // A clause that two examples show stands at both of them.
        let line = format!("{heading}\n");
        let parts = protocol.split(&line).skip(1);
        let mut told = parts.map(|part| part.split("\n##").next().unwrap_or_default());
        let tells = |part: &str| {
            part.contains(&clause.statement)
                && part.contains(&format!("Coverage: {coverage}."))
                && clause.later.as_ref().is_none_or(|it| part.contains(it))
        };
        assert!(told.any(tells), "{heading}");
    }
}

#[test]
fn the_decisions_say_what_the_ledger_says() {
    let decisions = spec("decisions.md");
    for clause in ledger().clauses {
        if clause.kind != Kind::Decided {
            continue;
        }
        let told = section(&decisions, &format!("## {} {}", clause.id, clause.title));
        assert_eq!(told.trim_start().lines().next(), Some(&*clause.statement));
        let later = told
            .lines()
            .find_map(|line| line.strip_prefix("- **Later.** "));
        assert_eq!(later, clause.later.as_deref(), "{}", clause.id);
    }
}

#[test]
fn the_readme_says_of_each_clause_what_the_ledger_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    for clause in ledger().clauses {
        let exercised = match clause.coverage {
            Coverage::Full => "yes",
            Coverage::Registration => "registration only",
            Coverage::None => "no case yet",
        };
        let row = format!("| {} | {} | {exercised} |", clause.id, clause.statement);
        let documented = clause.kind == Kind::Documented;
        assert_eq!(readme.lines().any(|line| line == row), documented, "{row}");
    }
}
