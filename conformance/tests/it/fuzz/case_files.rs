//! Case files, and what their templates say.

use conformance_suite::{
    case::{Action, Case},
    frame::Frame,
    template::Scope,
};
use serde_json::Value;

/// The input is the text of a case file.
pub fn target(input: &[u8]) {
    super::judge("case.json", input);
    let Ok(case) = serde_json::from_slice::<Case>(input) else {
        return;
    };
    let _ = (
        case.is_named_by(&case.id),
        case.is_slow(),
        case.makes_requests(),
    );
    let mut scope = Scope::new("x");
    for step in &case.steps {
        match &step.action {
            Action::Send(template) => drop(scope.frame_text(template)),
            Action::SendText(template) => drop(scope.fill(template)),
            Action::Expect(template) | Action::Quiet(template) => compared(&mut scope, template),
            Action::ExpectAll(templates) => {
                templates.iter().for_each(|it| compared(&mut scope, it));
            }
            _ => {}
        }
    }
}

/// A frame is compared with the template as it stands.
fn compared(scope: &mut Scope, template: &Value) {
    if let Ok(frame) = Frame::read(&template.to_string())
        && let Ok(mismatches) = scope.compare(template, &frame)
    {
        assert!(mismatches.iter().all(|it| !it.expected.is_empty()));
    }
}
