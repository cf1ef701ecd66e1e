//! An engine that the suite starts, and ends.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    io,
    net::{Ipv4Addr, UdpSocket},
    ops::Range,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use conformance_suite::{environment::Environment, report::printable, runner::Context};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpSocket,
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::exit::{Exit, Problem};

const PORT: &str = "{port}";
const HTTP_PORT: &str = "{http_port}";
/// How many of the engine's last lines are kept, for a person to see why it ended.
const LINES_MAX: usize = 30;
const LINE_CHARACTERS_MAX: usize = 400;
/// Below those that systems by default give to whoever asks for any: on a busy machine such a port may be
/// somebody else's before the engine has taken it.
const PORTS: Range<u16> = 20_000..26_000;
/// A run claims a port before other runs by holding the UDP port that is so much higher: the one of the same
/// number is left to the engine.
const CLAIM_OFFSET: u16 = 6_000;
const PORT_ATTEMPTS: usize = 1_000;
/// How long what it has said is waited for once it has ended.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_millis(500);
/// How often it is looked whether the engine listens.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to end once it was asked to.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// A process, with the addresses at which it was told to listen.
#[derive(Debug)]
pub(crate) struct Spawned {
    child: Child,
    /// Its process group, for as long as anybody is in it: after that its id may be another's.
    #[cfg(unix)]
    group: Option<i32>,
    said: Said,
    /// Those who listen to it, up to the end of what it says.
    listeners: JoinSet<()>,
    pub(crate) url: String,
    pub(crate) http_url: Option<String>,
    _ports: [Port; 2],
}

/// One that no other run gives to its engine meanwhile.
#[derive(Debug)]
struct Port {
    number: u16,
    _claim: UdpSocket,
}

/// The last lines that it wrote.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<VecDeque<String>>>);

impl Spawned {
    /// Starts a command with the environment that the cases assume.
    ///
    /// # Errors
    ///
    /// The command cannot be used, or not be started.
    pub(crate) fn start(command: &[String], environment: &Environment) -> Result<Self, Problem> {
        let [program, arguments @ ..] = command else {
            return Err(Problem::new(Exit::Usage, "the command is empty"));
        };
        let has = |placeholder| command.iter().any(|it| it.contains(placeholder));
        if !has(PORT) {
            let message = format!(
                "the command has no {PORT} in it, so the engine would not know where to listen"
            );
            return Err(Problem::new(Exit::Usage, message));
        }
        let ports = free_ports()?;
        let [port, http_port] = ports.each_ref().map(|it| it.number);
        let filled = |text: &String| {
            text.replace(HTTP_PORT, &http_port.to_string())
                .replace(PORT, &port.to_string())
        };
        let mut starting = Command::new(program);
        starting
            .args(arguments.iter().map(filled))
            .envs(&environment.set)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for name in &environment.unset {
            starting.env_remove(name);
        }
        #[cfg(unix)]
        starting.process_group(0);
        let mut child = starting.spawn().map_err(|error| {
            Problem::new(
                Exit::Unreachable,
                format!("cannot start `{program}`: {error}"),
            )
        })?;
        let said = Said::default();
        let mut listeners = JoinSet::new();
        said.listen_to(child.stdout.take(), &mut listeners);
        said.listen_to(child.stderr.take(), &mut listeners);
        Ok(Self {
            #[cfg(unix)]
            group: child.id().and_then(|id| i32::try_from(id).ok()),
            child,
            said,
            listeners,
            url: format!("ws://127.0.0.1:{port}"),
            http_url: has(HTTP_PORT).then(|| format!("http://127.0.0.1:{http_port}")),
            _ports: ports,
        })
    }

    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it takes sessions.
    ///
    /// # Errors
    ///
    /// It has ended, or takes too long; with its last words.
    pub(crate) async fn until_it_listens(
        &mut self,
        context: &Context,
        patience: Duration,
    ) -> Result<(), Problem> {
        let deadline = Instant::now() + patience;
        loop {
            if self.has_ended().is_some() {
                let how = self.ended().await;
                let message = format!("the engine ended before it listened: {how}");
                return Err(Problem::new(Exit::Unreachable, message));
            }
            match context.reach().await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    let message = format!(
                        "the engine does not listen after {} s: {error}{}",
                        patience.as_secs(),
                        self.said.at_last()
                    );
                    return Err(Problem::new(Exit::Unreachable, message));
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// How it has ended, with its last words, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        self.forget_empty_group();
        Some(format!("{status}{}", self.said.at_last()))
    }

    /// Waits until it has ended by itself; how, with its last words.
    pub(crate) async fn ended(&mut self) -> String {
        let ended = self.child.wait().await;
        self.forget_empty_group();
        // What it has started may hold the other ends for longer than it lives.
        let heard_out = async { while self.listeners.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS_TIME_MAX, heard_out).await;
        match ended {
            Ok(status) => format!("{status}{}", self.said.at_last()),
            Err(error) => error.to_string(),
        }
    }

    /// Asks it to end, and ends it if it does not; with all that it has started.
    pub(crate) async fn end(mut self) {
        self.signal(Signal::Terminate);
        if timeout(END_TIME_MAX, self.child.wait()).await.is_err() {
            self.signal(Signal::Kill);
            let _ = self.child.start_kill();
            let _ = self.child.wait().await;
        }
        self.end_group();
    }

    /// Once it has ended: what it has started may still be there, and may even be the engine.
    fn forget_empty_group(&mut self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, test_kill_process_group};
            let exists = |id: &i32| {
                Pid::from_raw(*id).is_some_and(|group| test_kill_process_group(group).is_ok())
            };
            self.group = self.group.filter(exists);
        }
    }

    /// Ends what it has left behind.
    fn end_group(&mut self) {
        self.signal(Signal::Kill);
        #[cfg(unix)]
        {
            self.group = None;
        }
    }

    #[cfg(unix)]
    fn signal(&self, signal: Signal) {
        use rustix::process::{Pid, Signal as Unix, kill_process_group};
        let signal = match signal {
            Signal::Terminate => Unix::TERM,
            Signal::Kill => Unix::KILL,
        };
        let id = self.group.and_then(Pid::from_raw);
        if let Some(group) = id {
            // It may have gone by itself.
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&self, _signal: Signal) {}
}

impl Drop for Spawned {
    /// Whoever returns early, or panics, leaves nothing behind.
    fn drop(&mut self) {
        self.end_group();
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Terminate,
    Kill,
}

impl Said {
    fn listen_to(
        &self,
        pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
        listeners: &mut JoinSet<()>,
    ) {
        let Some(pipe) = pipe else { return };
        let said = self.clone();
        listeners.spawn(async move {
            let mut pipe = BufReader::new(pipe);
            while let Some(line) = next_line(&mut pipe).await {
                let mut kept = said.0.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LINES_MAX {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
    }

    fn at_last(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = kept
            .iter()
            .map(|line| format!("\n  | {}", printable(line, LINE_CHARACTERS_MAX)));
        match kept.is_empty() {
            true => "; it said nothing".to_owned(),
            false => format!("; its last words:{}", lines.collect::<String>()),
        }
    }
}

/// The beginning of the next line, however long that is.
async fn next_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    // Characters take up to four bytes.
    const BYTES_MAX: usize = 4 * LINE_CHARACTERS_MAX;
    let (mut line, mut began) = (Vec::new(), false);
    loop {
        let piece = pipe.fill_buf().await.ok()?;
        if piece.is_empty() {
            break;
        }
        began = true;
        let end = piece.iter().position(|it| *it == b'\n');
        let (text, read) = piece.split_at(end.unwrap_or(piece.len()));
        let room = BYTES_MAX - line.len();
        line.extend(text.iter().take(room));
        let length = text.len() + read.len().min(1);
        pipe.consume(length);
        if end.is_some() {
            break;
        }
    }
    let text = String::from_utf8_lossy(&line);
    began.then(|| text.chars().take(LINE_CHARACTERS_MAX).collect())
}

/// Two ports that are free, and that neither the system nor another run gives to anybody.
fn free_ports() -> Result<[Port; 2], Problem> {
    let ports = || Ok([free_port()?, free_port()?]);
    ports()
        .map_err(|error: io::Error| Problem::new(Exit::OurFault, format!("no free port: {error}")))
}

fn free_port() -> io::Result<Port> {
    let mut problem = io::ErrorKind::AddrInUse.into();
    for _ in 0..PORT_ATTEMPTS {
        // The keys of a hash table are random, and differ from one to the next.
        let random = RandomState::new().hash_one(()) % u64::from(PORTS.end - PORTS.start);
        let number = PORTS.start + u16::try_from(random).unwrap_or_default();
        match claim(number) {
            Ok(port) => return Ok(port),
            Err(error) => problem = error,
        }
    }
    Err(problem)
}

/// # Errors
///
/// Somebody has it, or has had it a moment ago.
fn claim(number: u16) -> io::Result<Port> {
    // Unlike a file, it is given back however this process ends.
    let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, number + CLAIM_OFFSET))?;
    // Unlike a listener's, this one is refused a port of which a connection has just ended: an engine
    // may be, too.
    TcpSocket::new_v4()?.bind((Ipv4Addr::LOCALHOST, number).into())?;
    Ok(Port {
        number,
        _claim: claim,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn lines_are_kept_up_to_a_length() {
        let long = "ü".repeat(1_000_000);
        let text = format!("first\r\n\n{long}\n\u{1b}[2J last");
        let mut pipe = BufReader::new(text.as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut pipe).await {
            lines.push(line);
        }
        let beginning = "ü".repeat(LINE_CHARACTERS_MAX);
        assert_eq!(lines, ["first\r", "", &beginning, "\u{1b}[2J last"]);
    }

    #[tokio::test]
    async fn ports_are_nobody_elses_while_they_are_held() {
        let held: Vec<Port> = (0..50).flat_map(|_| free_ports().unwrap()).collect();
        let numbers: BTreeSet<u16> = held.iter().map(|it| it.number).collect();
        assert_eq!(numbers.len(), 100);
        for number in numbers {
            assert!(PORTS.contains(&number));
            assert!(claim(number).is_err(), "{number}");
        }
    }

    #[tokio::test]
    async fn a_port_that_somebody_listens_at_is_not_free() {
        let [port, other] = free_ports().unwrap();
        let address = (Ipv4Addr::LOCALHOST, port.number);
        let _listener = std::net::TcpListener::bind(address).unwrap();
        drop([port, other]);
        assert!(claim(address.1).is_err());
    }
}
