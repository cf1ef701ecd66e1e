//! Corpora of fuzz targets, replayed.

use std::{fs, panic, path::Path};

/// Runs a target over each file of its corpus, and names the files on which it fails.
#[track_caller]
pub fn replay(corpora: &str, name: &str, target: fn(&[u8])) {
    let folder = Path::new(corpora).join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "{}: no inputs", folder.display());
    let fails = |file: &&Path| {
        let input = fs::read(file).unwrap();
        panic::catch_unwind(|| target(&input)).is_err()
    };
    let failed: Vec<&Path> = files.iter().map(AsRef::as_ref).filter(fails).collect();
    assert!(failed.is_empty(), "`{name}` fails on {failed:#?}");
}
