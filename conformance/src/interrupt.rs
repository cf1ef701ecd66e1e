//! Being asked to end.

use std::io;

/// Ctrl-C, and what else asks a process to end: none of them is a sudden end from its installation
/// on, since an engine that was started has to be ended, too.
pub(crate) struct Interrupt {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
    #[cfg(windows)]
    signal: tokio::signal::windows::CtrlC,
}

impl Interrupt {
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: {
                use tokio::signal::unix::{SignalKind, signal};
                [
                    signal(SignalKind::interrupt())?,
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::hangup())?,
                ]
            },
            #[cfg(windows)]
            signal: tokio::signal::windows::ctrl_c()?,
        })
    }

    #[cfg(unix)]
    pub(crate) async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    #[cfg(windows)]
    pub(crate) async fn wait(&mut self) {
        self.signal.recv().await;
    }
}
