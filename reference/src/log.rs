//! The log, on standard error.

use std::io::{self, BufWriter, IsTerminal};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer,
    field::MakeExt,
    filter::Targets,
    fmt::{self, format::debug_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How many lines may wait to be printed; there is room for all from the start. More are dropped.
const LINES_MAX: usize = 16 << 10;
const BUFFER_BYTES: usize = 16 << 10;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Warn,
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Logs through a thread of its own: a reader of standard error that is slow, or gone, must not
/// hold up the engine. What does not fit meanwhile is left out.
pub(crate) fn start(level: LogLevel, format: LogFormat) -> WorkerGuard {
    let filter = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(LINES_MAX)
        // Lines that come together are printed together; the last of them, and a single one, at once.
        .finish(BufWriter::with_capacity(BUFFER_BYTES, io::stderr()));
    // Only the engine's own lines: libraries might show what is in a request.
    let own = Targets::new().with_target("reference", filter);
    let lines = fmt::layer()
        .with_target(false)
        .log_internal_errors(false)
        .with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines
            .with_ansi(colour)
            .fmt_fields(
                debug_fn(|line, field, value| match field.name() {
                    "message" => write!(line, "{value:?}"),
                    name => write!(line, "{name}={value:?}"),
                })
                .delimited(" "),
            )
            .boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(own))
        .init();
    guard
}
