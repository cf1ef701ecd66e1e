//! Target files.

use conformance_suite::target_file::TargetFile;

/// The input is the text of a target file.
pub fn target(input: &[u8]) {
    super::judge("target.json", input);
    if let Ok(text) = std::str::from_utf8(input)
        && let Err(error) = TargetFile::from_text("target.json", text)
    {
        assert!(error.to_string().contains("target.json"), "{error}");
    }
}
