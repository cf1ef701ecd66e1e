//! The target of a run that was given none: the reference engine, in this process.

use std::{collections::BTreeMap, io};

use conformance_suite::environment::Environment;
use reference::{FixedEnvironment, Options, Server};

/// The reference with the environment that the cases assume.
pub(crate) fn options() -> Options {
    Options {
        environment: Box::new(FixedEnvironment::new(variables())),
        ..Options::default()
    }
}

/// Starts it on a free port of the loopback interface.
pub(crate) async fn start() -> io::Result<Server> {
    Server::bind("127.0.0.1:0", options()).await
}

/// What it is started with.
pub(crate) fn variables() -> BTreeMap<String, String> {
    // A test sees that what is built in can be read.
    Environment::embedded().map(|it| it.set).unwrap_or_default()
}
