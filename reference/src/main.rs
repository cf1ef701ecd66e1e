//! The `reference` command: serves the engine until it is told to stop.

mod bounds;
mod descriptors;
mod log;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use mimalloc::MiMalloc;
use reference::{
    Access, HttpBindError, Limits, NarrowedEnvironment, Options, ProcessEnvironment, Server,
    SystemClock, SystemResolver, Tls, Token,
    core::{Engine, Environment, OutboundPolicy, QueueLimits, Reach, Settings},
};

use crate::{
    bounds::Bounds,
    log::{LogFormat, LogLevel},
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A strict, small engine for the function-and-trigger worker protocol.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Where workers connect; port 0 takes any that is free.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "REFERENCE_LISTEN",
        default_value = "127.0.0.1:49134"
    )]
    listen: SocketAddr,

    /// Where requests for http triggers are served; port 0 takes any that is free, and `off`
    /// serves none. Web pages may send them, unless a token is asked for.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "REFERENCE_HTTP",
        default_value = "127.0.0.1:3111"
    )]
    http: HttpAddress,

    /// How long a worker may take to answer a call, in milliseconds.
    #[arg(long, value_name = "MS", env = "REFERENCE_CALL_TIMEOUT_MS", default_value_t = 30_000,
          help_heading = "Bounds",
          value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    call_timeout_ms: u64,

    /// How long a worker may be silent, in milliseconds, answers to the pings included that it is
    /// sent meanwhile; then its session ends.
    #[arg(long, value_name = "MS", env = "REFERENCE_SILENCE_TIME_MS", default_value_t = 28_000,
          help_heading = "Bounds",
          value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    silence_time_ms: u64,

    /// How often a message of a queue is handed out at most.
    #[arg(long, value_name = "COUNT", env = "REFERENCE_QUEUE_ATTEMPTS_MAX", default_value_t = 10,
          help_heading = "Bounds",
          value_parser = clap::value_parser!(u32).range(1..))]
    queue_attempts_max: u32,

    /// Hold payloads and results to the `request_format` and the `response_format` of functions,
    /// which are otherwise kept for display.
    #[arg(long, env = "REFERENCE_ENFORCE_FORMATS")]
    enforce_formats: bool,

    /// A web origin whose pages may connect, such as `http://localhost:3000`; repeatable.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// A name under which the engine may be asked for, beside `localhost` and addresses;
    /// repeatable. Where it listens for other machines any name will do unless one is given.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// A token that workers and requests for http triggers have to show, as `Authorization:
    /// Bearer TOKEN`. Other users of the machine can read command lines: rather say it in the
    /// environment.
    #[arg(long, value_name = "TOKEN", env = "REFERENCE_TOKEN", hide_env_values = true,
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    token: Option<String>,

    /// A certificate for both ports, in a PEM file, with those that lead from it to its authority
    /// after it: workers then connect over `wss` and requests for http triggers come over
    /// `https`, and in no other way. It is read once; it needs `--tls-key`.
    #[arg(long, value_name = "FILE", env = "REFERENCE_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, in a PEM file.
    #[arg(long, value_name = "FILE", env = "REFERENCE_TLS_KEY")]
    tls_key: Option<PathBuf>,

    /// How far the endpoints of functions may be; link-local addresses and those at which clouds
    /// serve credentials are never called.
    #[arg(
        long,
        value_name = "REACH",
        env = "REFERENCE_OUTBOUND",
        default_value = "any"
    )]
    outbound: Outbound,

    /// A host that endpoints may be on, such as `api.example.com`, `*.internal` or
    /// `localhost:8080`; repeatable. Without it every host will do.
    #[arg(long, value_name = "HOST", value_parser = host_pattern)]
    outbound_host: Vec<String>,

    /// Environment variables that registrations may name, such as `WORKER_*`; repeatable.
    /// Without it they may name any.
    #[arg(long, value_name = "PATTERN")]
    env_allow: Vec<String>,

    /// How much to log, on standard error; `debug` says of each call when it begins and ends.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "REFERENCE_LOG",
        default_value = "info"
    )]
    log: LogLevel,

    /// What a line of the log is: text, or a JSON object with the worker in a field of its own.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "REFERENCE_LOG_FORMAT",
        default_value = "text"
    )]
    log_format: LogFormat,

    // What comes after it would stand under its heading.
    #[command(flatten)]
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
enum HttpAddress {
    Off,
    On(SocketAddr),
}

impl FromStr for HttpAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            address => address.parse().map(Self::On).map_err(|_| {
                "must be `off`, or an address and a port such as 127.0.0.1:3111".to_owned()
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outbound {
    /// Any address.
    Any,
    /// Addresses on the public internet.
    Public,
    /// This machine.
    Loopback,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let tls = match tls(&cli) {
        Ok(tls) => tls,
        Err(problem) => Cli::command()
            .error(ErrorKind::ValueValidation, problem)
            .exit(),
    };
    let _flushed_at_the_end = log::start(cli.log, cli.log_format);
    descriptors::make_room(cli.bounds.descriptors());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads())
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match runtime.block_on(serve(cli, tls)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(&message),
    }
}

/// One for every two processors, and at most four. Frames are handled by one thread at a time; the
/// others can meanwhile only do what needs no lock: TLS, HTTP, reading and writing. On two processors
/// they cost more than they bring (`benches/README.md`), and those that call the engine are often on
/// the same machine.
fn threads() -> usize {
    const THREADS_MAX: usize = 4;

    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, THREADS_MAX)
}

fn fail(message: &str) -> ExitCode {
    // If standard error is gone, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::FAILURE
}

async fn serve(cli: Cli, tls: Option<Tls>) -> Result<(), String> {
    let (listen, has_token) = (cli.listen, cli.token.is_some());
    let mut stop =
        StopSignals::install().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let server = Server::bind(listen, options(cli, tls))
        .await
        .map_err(|error| cannot_bind(&error, listen))?;
    for address in [Some(server.address()), server.http_address()] {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            let by = if has_token {
                "by whoever has the token"
            } else {
                "by anybody"
            };
            tracing::warn!("{address} can be reached from other machines, {by}");
        }
    }
    announce(&server);
    let signal = stop.wait().await;
    tracing::info!("{signal}: closing every session");
    server.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

fn options(cli: Cli, tls: Option<Tls>) -> Options {
    let bounds = cli.bounds.settings();
    let settings = Settings {
        call_timeout: Duration::from_millis(cli.call_timeout_ms),
        queues: QueueLimits {
            attempts_max: cli.queue_attempts_max,
            ..bounds.queues
        },
        enforce_formats: cli.enforce_formats,
        report_calls: matches!(cli.log, LogLevel::Debug),
        ..bounds
    };
    Options {
        machine: Box::new(Engine::new(settings)),
        environment: environment(&cli.env_allow),
        outbound: OutboundPolicy {
            reach: match cli.outbound {
                Outbound::Any => Reach::Any,
                Outbound::Public => Reach::Public,
                Outbound::Loopback => Reach::Loopback,
            },
            hosts: cli.outbound_host,
        },
        resolver: Box::new(SystemResolver),
        clock: Box::new(SystemClock::default()),
        http: match cli.http {
            HttpAddress::Off => None,
            HttpAddress::On(address) => Some(address),
        },
        limits: Limits {
            silence_time_max: Duration::from_millis(cli.silence_time_ms),
            ..cli.bounds.limits()
        },
        access: Access {
            origins: cli.allow_origin,
            hosts: cli.allow_host,
            token: cli.token.as_deref().map(Token::new),
        },
        tls,
    }
}

fn tls(cli: &Cli) -> Result<Option<Tls>, String> {
    match (&cli.tls_cert, &cli.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Tls::read(certificate, key)
            .map(Some)
            .map_err(|error| error.to_string()),
        (Some(file), None) => Err(format!(
            "--tls-cert: `{}` needs its private key; see --tls-key",
            file.display()
        )),
        (None, Some(file)) => Err(format!(
            "--tls-key: `{}` needs its certificate; see --tls-cert",
            file.display()
        )),
    }
}

fn cannot_bind(error: &io::Error, listen: SocketAddr) -> String {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<HttpBindError>()) {
        Some(error) => format!("{error}; --http takes another address, or `off`"),
        None => format!("cannot listen on {listen}: {error}"),
    }
}

/// A script that starts the engine reads these lines; if nobody does, the engine still serves.
fn announce(server: &Server) {
    let mut lines = format!("listening on {}\n", server.url());
    if let Some(url) = server.http_url() {
        tracing::info!("http triggers on {url}");
        lines += &format!("http triggers on {url}\n");
    }
    let mut stdout = io::stdout();
    let _ = stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush());
}

/// A host as it stands in a URL that has been parsed, which is what it is compared with.
fn host_pattern(text: &str) -> Result<String, String> {
    let (below, host) = match text.strip_prefix("*.") {
        Some(host) => ("*.", host),
        None => ("", text),
    };
    let url = url::Url::parse(&format!("https://{host}/")).map_err(|error| error.to_string())?;
    let (Some(host), "/", None, "") = (url.host_str(), url.path(), url.query(), url.username())
    else {
        return Err("a host has a name or an address, and perhaps a port".to_owned());
    };
    if host.contains('*') {
        return Err("`*.` may stand in front of a name, and nowhere else".to_owned());
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    Ok(match url.port() {
        Some(port) => format!("{below}{host}:{port}"),
        None => format!("{below}{host}"),
    })
}

fn environment(allowed: &[String]) -> Box<dyn Environment + Send> {
    if allowed.is_empty() {
        return Box::new(ProcessEnvironment);
    }
    let patterns = allowed.iter().map(String::as_str);
    Box::new(NarrowedEnvironment::new(ProcessEnvironment, patterns))
}

/// The signals that ask a process to stop in good order.
struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// From here on a signal is no sudden end.
    #[cfg(unix)]
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(not(unix))]
    fn install() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The name of the signal that came.
    #[cfg(unix)]
    async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }

    /// The name of the signal that came.
    #[cfg(not(unix))]
    async fn wait(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}
