//! Every JSON block of the two documents, read and written.

use std::fs;

use reference_core::wire::Message;
use serde_json::json;

use crate::support::{Lab, fixture, parse};

const ERROR_BODY: &str = "05-missing-environment-variable.json";

/// Each block with its file's name.
fn blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    for document in ["register-function", "register-trigger"] {
        for entry in fs::read_dir(fixture("documents").join(document)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            blocks.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    blocks.sort();
    blocks
}

#[test]
fn the_documents_hold_eighteen_blocks() {
    assert_eq!(blocks().len(), 18);
}

#[test]
fn each_frame_of_the_documents_is_read_and_written_back_without_a_change() {
    let frames = blocks().into_iter().filter(|(name, _)| name != ERROR_BODY);
    let mut count = 0;
    for (name, block) in frames {
        let message = Message::decode(&block).unwrap_or_else(|error| panic!("{name}: {error}"));
        // Equality of whole values: a field that was absent has not become a null.
        assert_eq!(parse(&message.encode()), parse(&block), "{name}");
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn the_engine_refuses_a_missing_variable_with_the_body_of_the_document() {
    let blocks = blocks();
    let block = |wanted: &str| -> &str {
        let found = blocks.iter().find(|(name, _)| name.starts_with(wanted));
        &found.unwrap_or_else(|| panic!("{wanted}")).1
    };
    let mut lab = Lab::new();
    let worker = lab.connect();
    let answer = lab.ask(worker, block("02-function-with-http-invocation"));
    assert_eq!(
        answer,
        json!({
            "type": "functionregistrationresult", "id": "external.my_lambda",
            "error": parse(block(ERROR_BODY)),
        })
    );
}

/// Replays the document: each request, after what its text takes for granted, gets its response.
#[test]
fn the_requests_of_the_register_trigger_document_get_its_responses() {
    let blocks = blocks();
    let responses = blocks
        .iter()
        .filter(|(name, _)| name.ends_with("response.json"));
    for (name, response) in responses {
        let response = parse(response);
        let mut lab = Lab::new();
        let worker = lab.connect();
        let function = response["function_id"].as_str().unwrap();
        if function != "nonexistent_function" {
            lab.function(worker, function);
        }
        // The document shows no request for the duplicate: any good one does.
        let number: u8 = name.split_once('-').unwrap().0.parse().unwrap();
        let request = format!("{:02}-", number - 1);
        let request = blocks
            .iter()
            .find(|(name, _)| name.starts_with(&request) && name.ends_with("request.json"))
            .map(|(_, request)| parse(request));
        let request = request.unwrap_or_else(|| {
            let mut request = response.clone();
            request["type"] = "registertrigger".into();
            request["config"] = json!({"path": "/existing"});
            request.as_object_mut().unwrap().remove("error");
            let first = lab.ask(worker, &request);
            assert_eq!(first.get("error"), None);
            request
        });
        assert_eq!(lab.ask(worker, &request), response, "{name}");
    }
}
