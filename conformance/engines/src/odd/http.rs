//! How requests to endpoints and answers to requests for http triggers are framed and spelt.

use reference::core::{Engine, Settings};

use crate::{Manner, Other};

pub(super) fn engines() -> Vec<Other> {
    let engines = [
        (
            "chunked",
            "Sends bodies over HTTP in chunks of a few bytes",
            Manner::Chunked,
        ),
        (
            "headers-in-another-case",
            "Writes the names of headers in capitals",
            Manner::InAnotherCase,
        ),
        (
            "headers-backwards",
            "Writes headers in the opposite order",
            Manner::Backwards,
        ),
        (
            "in-pieces",
            "Sends what it says over HTTP byte by byte",
            Manner::InPieces,
        ),
        (
            "until-the-end",
            "Ends its answers with the connection, with reason phrases of its own",
            Manner::UntilTheEnd,
        ),
    ];
    let engine = |(id, title, manner)| {
        Other::new(id, title, || Engine::new(Settings::default())).writing(manner)
    };
    engines.into_iter().map(engine).collect()
}
