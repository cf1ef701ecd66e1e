//! The target of a run that was given none: the reference engine, in this process.

use std::{collections::BTreeSet, io};

use reference::{FixedEnvironment, Options, Server};

/// The variables that the documents' examples name and that the embedded engine has. The
/// documents' `LAMBDA_TOKEN` is not among them: its absence is what an example is about.
const VARIABLES: [(&str, &str); 2] = [
    ("WEBHOOK_SECRET", "the embedded target's webhook secret"),
    ("API_KEY_ENV_VAR", "the-embedded-target's-api-key"),
];

/// The reference with these variables for an environment.
pub(crate) fn options() -> Options {
    Options {
        environment: Box::new(FixedEnvironment::new(VARIABLES)),
        ..Options::default()
    }
}

/// Starts it on a free port of the loopback interface.
pub(crate) async fn start() -> io::Result<Server> {
    Server::bind("127.0.0.1:0", options()).await
}

/// The names that it was started with.
pub(crate) fn variables_set() -> BTreeSet<String> {
    VARIABLES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect()
}
