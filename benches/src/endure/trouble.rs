//! Why a trial could not be taken to its end.

use std::{io, time::Duration};

use tokio::{task::JoinError, time::error::Elapsed};
use tokio_tungstenite::tungstenite;

/// Why a trial could not be taken to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A session broke that should have gone on.
    #[error("a session broke: {0}")]
    Broken(#[from] Box<tungstenite::Error>),
    /// What had to come did not.
    #[error("{what} did not come within {} s", .patience.as_secs())]
    Silent {
        /// What had to come.
        what: &'static str,
        /// How long it was waited for.
        patience: Duration,
    },
    /// A load of this program's own came to an end too early.
    #[error("a load has ended: {0}")]
    Load(#[from] JoinError),
    /// Something else than had to come.
    #[error("{0}")]
    Unexpected(String),
}

impl Trouble {
    pub(crate) fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }
}

impl From<tungstenite::Error> for Trouble {
    fn from(error: tungstenite::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// Names what was waited for in vain.
pub(crate) trait WithinPatience<T> {
    fn or_silent(self, what: &'static str, patience: Duration) -> Result<T, Trouble>;
}

impl<T> WithinPatience<T> for Result<T, Elapsed> {
    fn or_silent(self, what: &'static str, patience: Duration) -> Result<T, Trouble> {
        self.map_err(|_| Trouble::Silent { what, patience })
    }
}
