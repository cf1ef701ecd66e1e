//! An engine that is started, looked at and ended.

use std::{
    fmt,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, interval, timeout},
};

use crate::{
    Outcome,
    address::{Address, Announcement},
    figures::{count, mib},
    ledger::Ledger,
    system,
    trouble::{Trouble, WithinPatience},
};

/// How long something may take that takes a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked whether something has come to be.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often memory is looked at in the course of time.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// An engine, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    child: Child,
    process: u32,
    pub(crate) address: Address,
    /// What it held when it had started, and its open file descriptors.
    at_first: (Gauges, Option<usize>),
}

/// What an engine holds, as it says (D-32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    pub(crate) sessions: u64,
    pub(crate) functions: u64,
    pub(crate) triggers: u64,
    pub(crate) trigger_types: u64,
    pub(crate) calls_in_flight: u64,
    pub(crate) queue_messages: u64,
    /// Since it began.
    pub(crate) calls: u64,
    /// Of these, those that it has answered with a code of its own.
    pub(crate) calls_failed: u64,
}

impl Gauges {
    fn read(page: &str) -> Self {
        let mut gauges = Self::default();
        for line in page.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<u64>() else {
                continue;
            };
            match name {
                "reference_sessions" => gauges.sessions = value,
                "reference_functions" => gauges.functions = value,
                "reference_triggers" => gauges.triggers = value,
                "reference_trigger_types" => gauges.trigger_types = value,
                "reference_calls_in_flight" => gauges.calls_in_flight = value,
                "reference_queue_messages" => gauges.queue_messages = value,
                "reference_calls_total" => gauges.calls = value,
                _ if name.starts_with("reference_calls_failed_total{") => {
                    gauges.calls_failed += value;
                }
                _ => {}
            }
        }
        gauges
    }

    /// What it holds, less what it has done.
    fn held(self) -> Self {
        Self {
            calls: 0,
            calls_failed: 0,
            ..self
        }
    }
}

impl fmt::Display for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sessions {}, functions {}, triggers {}, trigger types {}, calls in flight {}, \
             messages {}",
            self.sessions,
            self.functions,
            self.triggers,
            self.trigger_types,
            self.calls_in_flight,
            self.queue_messages
        )
    }
}

impl Engine {
    /// Starts a program on free ports, with such an environment beside this process's, and waits
    /// until it listens.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Outcome<Self> {
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REFERENCE_") {
                command.env_remove(name);
            }
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().map_err(|error| {
            Trouble::unexpected(format!("cannot start {}: {error}", program.display()))
        })?;
        let gone = || Trouble::unexpected("the engine ended before it listened");
        let process = child.id().ok_or_else(gone)?;
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let mut lines = BufReader::new(stdout).lines();
        let mut announcement = Announcement::default();
        let address = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = announcement.line(&line) {
                    return Ok(address);
                }
            }
            Err(gone())
        });
        let address = address
            .await
            .or_silent("where the engine listens", PATIENCE)??;
        let mut engine = Self {
            child,
            process,
            address,
            at_first: (Gauges::default(), system::descriptors(process)),
        };
        engine.at_first.0 = engine.gauges().await?;
        Ok(engine)
    }

    /// Resident memory in bytes, where the system tells.
    pub(crate) fn memory(&self) -> Option<u64> {
        system::resident(self.process)
    }

    /// Resident memory in the course of time, in MiB, as often as it is told.
    pub(crate) async fn watch_memory(&self, time: Duration) -> Vec<f64> {
        let mut samples = Vec::new();
        let watching = async {
            let mut pace = system::pace(SAMPLE_EVERY);
            loop {
                pace.tick().await;
                samples.extend(self.memory().map(mib));
            }
        };
        // It goes on until the time is over.
        let Err(_) = timeout(time, watching).await;
        samples
    }

    /// What it holds at present.
    pub(crate) async fn gauges(&self) -> Outcome<Gauges> {
        let (status, page) = get(self.address, "/metrics").await?;
        match status {
            200 => Ok(Gauges::read(&page)),
            status => Err(Trouble::unexpected(format!("/metrics answers {status}"))),
        }
    }

    /// Waits until what it holds is as wanted; gives what it holds in the end.
    pub(crate) async fn until(
        &self,
        patience: Duration,
        wanted: impl Fn(&Gauges) -> bool,
    ) -> Outcome<(Gauges, Duration)> {
        let began = Instant::now();
        let mut look = interval(LOOK_EVERY);
        loop {
            look.tick().await;
            let gauges = self.gauges().await?;
            if wanted(&gauges) || began.elapsed() > patience {
                return Ok((gauges, began.elapsed()));
            }
        }
    }

    /// Asks it to end in good order.
    pub(crate) fn terminate(&self) -> Outcome {
        Ok(system::terminate(self.process)?)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) -> Outcome<ExitStatus> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.or_silent("the end of the engine", PATIENCE)??)
    }

    /// Waits until it holds what it held at first, files whether it does, and ends it.
    pub(crate) async fn end(mut self, ledger: &mut Ledger) -> Outcome {
        let (gauges, descriptors) = self.at_first;
        let held = gauges.held();
        let (now, _) = self.until(PATIENCE, |now| now.held() == held).await?;
        let what = "what the engine holds is what it held before";
        ledger.seen(what, &now.to_string(), now.held() == held);
        self.descriptors_back(descriptors, ledger).await;
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    async fn descriptors_back(&self, at_first: Option<usize>, ledger: &mut Ledger) {
        const WHAT: &str = "open file descriptors, as before";
        let Some(at_first) = at_first else {
            return ledger.left_out(WHAT, "not measured here");
        };
        let deadline = Instant::now() + PATIENCE;
        let mut look = interval(LOOK_EVERY);
        loop {
            look.tick().await;
            let now = system::descriptors(self.process).unwrap_or(usize::MAX);
            if now <= at_first || Instant::now() > deadline {
                return ledger.at_most(WHAT, count(now), "", count(at_first));
            }
        }
    }
}

/// A request on a connection of its own: the status and the body of its answer.
pub(crate) async fn get(address: Address, path: &str) -> Outcome<(u16, String)> {
    let asking = async {
        let mut tcp = TcpStream::connect(address.http).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            address.http
        );
        tcp.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        match (status, body) {
            (Some(status), Some(body)) => Ok((status, body.to_owned())),
            _ => Err(Trouble::unexpected(format!(
                "{path} is answered {answer:?}"
            ))),
        }
    };
    let answer = timeout(PATIENCE, asking).await;
    answer.or_silent("the answer to an HTTP request", PATIENCE)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_read_and_compared_by_what_is_held() {
        let page = "# HELP reference_sessions Sessions.\nreference_sessions 2\n\
                    reference_calls_total 9\n\
                    reference_calls_failed_total{code=\"timeout\"} 3\n\
                    reference_calls_failed_total{code=\"queue_full\"} 1\n";
        let gauges = Gauges::read(page);
        assert_eq!(
            (gauges.sessions, gauges.calls, gauges.calls_failed),
            (2, 9, 4)
        );
        let held = Gauges {
            sessions: 2,
            ..Gauges::default()
        };
        assert_eq!(gauges.held(), held);
    }
}
