//! The parts of `spec/` and `fixtures/` that the suite carries with it.

use include_dir::{Dir, include_dir};

static SCHEMAS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../spec/schema");
static CASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/cases");
static BLOCKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../fixtures/documents");
static DOCUMENTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../spec/documents");

/// The ledger of clauses.
pub const LEDGER: &str = include_str!("../../../spec/requirements.json");

/// The environment that the cases assume.
pub const ENVIRONMENT: &str = include_str!("../../../fixtures/environment.json");

/// The profiles that the suite carries.
pub const PROFILES: &str = include_str!("../../../fixtures/profiles.json");

/// A file with its path below the folder that it was taken from.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// With slashes between its parts.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Every JSON Schema, by file name.
#[must_use]
pub fn schemas() -> Vec<Asset> {
    files(&SCHEMAS)
}

/// Every case file.
#[must_use]
pub fn cases() -> Vec<Asset> {
    files(&CASES)
}

/// Every JSON block of the documents.
#[must_use]
pub fn blocks() -> Vec<Asset> {
    files(&BLOCKS)
}

/// One JSON block of the documents, such as `register-trigger/01-….request.json`.
#[must_use]
pub fn block(path: &str) -> Option<&'static str> {
    BLOCKS.get_file(path)?.contents_utf8()
}

/// The text of a document, by its name in the ledger.
#[must_use]
pub fn document(name: &str) -> Option<&'static str> {
    DOCUMENTS.get_file(format!("{name}.md"))?.contents_utf8()
}

fn files(folder: &'static Dir<'static>) -> Vec<Asset> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        found.extend(folder.files().filter_map(|file| {
            Some(Asset {
                path: file.path().to_str()?,
                text: file.contents_utf8()?,
            })
        }));
    }
    found.sort_unstable_by_key(|file| file.path);
    found
}
