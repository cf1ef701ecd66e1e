//! Texts without what differs from run to run, so that those of two runs can be compared.

use std::{borrow::Cow, sync::LazyLock};

use regex::Regex;

/// What differs from run to run, and what stands for it; the first that fits.
const UNSTEADY: [(&str, &str); 7] = [
    (
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
        "‹uuid›",
    ),
    // An id of the suite's own: a label, the run, the case or the history.
    (r"-[0-9a-f]{6}-([0-9a-f]{8}\b|[0-9]+\b)", "-‹run›"),
    (
        r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2}\b)?",
        "‹time›",
    ),
    (r"\b[0-9]{13}\b", "‹time›"),
    (r"\b[0-9]+(\.[0-9]+)? ?m?s\b", "‹duration›"),
    // A signature, or a digest.
    (r"\b[0-9a-f]{32,}\b", "‹digest›"),
    (
        r"(\b[0-9]{1,3}(\.[0-9]{1,3}){3}|\blocalhost|\[::1\]):[0-9]{1,5}\b",
        "‹address›",
    ),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compiled = UNSTEADY.into_iter();
    compiled
        .filter_map(|(pattern, name)| Some((Regex::new(pattern).ok()?, name)))
        .collect()
});

/// A text without what differs from run to run.
pub(crate) fn steady(text: &str) -> Cow<'_, str> {
    let mut steady = Cow::Borrowed(text);
    for (pattern, name) in PATTERNS.iter() {
        if let Cow::Owned(replaced) = pattern.replace_all(&steady, regex::NoExpand(name)) {
            steady = Cow::Owned(replaced);
        }
    }
    steady
}

#[cfg(test)]
mod tests {
    use super::{PATTERNS, UNSTEADY, steady};

    #[test]
    fn what_differs_from_run_to_run_is_left_out_and_nothing_else() {
        assert_eq!(PATTERNS.len(), UNSTEADY.len());
        for (text, left) in [
            (
                r#""f-0a1b2c-89abcdef" of 123e4567-e89b-42d3-a456-426614174000"#,
                r#""f-‹run›" of ‹uuid›"#,
            ),
            ("h-0a1b2c-17, 13 times", "h-‹run›, 13 times"),
            (
                "nothing of the kind arrived within 1250 ms",
                "nothing of the kind arrived within ‹duration›",
            ),
            ("http://127.0.0.1:40213/hook", "http://‹address›/hook"),
            (
                "at 2026-01-02T03:04:05.678Z, 1767323045678",
                "at ‹time›, ‹time›",
            ),
            (
                "\"trigger_type_not_found\" 404 1.5",
                "\"trigger_type_not_found\" 404 1.5",
            ),
            ("0 * * * *", "0 * * * *"),
        ] {
            assert_eq!(steady(text), left);
        }
    }
}
