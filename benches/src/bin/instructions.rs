//! Counts the instructions of a few operations of the core, which no noise of the machine touches,
//! and holds them to those that are recorded in `benches/instructions.json`.
//!
//! `cargo run --release -p benches --bin instructions` compares, with `-- --record` it records. It
//! runs itself under valgrind's callgrind, once for each operation and run, with nothing counted
//! but the operation itself.

use std::{
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    io::{self, Write},
    process::{Command, ExitCode},
    time::Duration,
};

use benches::{
    Bench,
    frames::{call, function, payload, trigger, unregister},
};
use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;
use reference_core::{
    Builtin, ExchangeId, HttpTriggerRequest, Input, TriggerConfig, wire::Message,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
const RECORD_ANEW: &str = "cargo run --release -p benches --bin instructions -- --record";
/// How often an operation is done in a run.
const TIMES: u64 = 1_000;
/// Of which the median counts: the seeds of hash tables differ from run to run.
const RUNS: usize = 5;
/// By how much a count may exceed what is recorded.
const MORE_PERCENT_MAX: u64 = 5;
const PAYLOAD_BYTES: usize = 1 << 10;
const STANDING: u64 = 1_000;

/// Exit codes: 0 as recorded, 1 an operation takes more, 2 the command line is wrong, 3 nothing could be counted.
#[derive(Debug, Parser)]
struct Cli {
    /// Record what is counted instead of comparing it.
    #[arg(long)]
    record: bool,
    /// Do one operation and count nothing; for valgrind.
    #[arg(long, hide = true, conflicts_with = "record")]
    only: Option<Operation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Operation {
    /// Decoding and encoding an `invokefunction` with 1 KiB of data.
    Frame,
    /// A call with 1 KiB, there and back.
    Call,
    /// Registering a function with 1,000 standing.
    Registration,
    /// A request for one of 1,000 http triggers, there and back.
    HttpFiring,
    /// The next time of a schedule in a zone whose clock is changed.
    NextFiring,
}

/// What was counted, and where.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The processor's architecture; counts of another one do not compare.
    architecture: String,
    rustc: String,
    valgrind: String,
    /// Instructions for doing an operation once.
    instructions: BTreeMap<Operation, u64>,
}

/// What was counted of one operation, over the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    least: u64,
    median: u64,
    most: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = &mut io::stdout().lock();
    let done = match cli.only {
        Some(operation) => operation.prepare().map(|mut once| {
            for _ in 0..TIMES {
                once();
            }
            ExitCode::SUCCESS
        }),
        None => count_all(cli.record, out),
    };
    done.unwrap_or_else(|problem| {
        let _ = writeln!(io::stderr(), "error: {problem}");
        ExitCode::from(3)
    })
}

fn count_all(record: bool, out: &mut dyn Write) -> Result<ExitCode, String> {
    if cfg!(debug_assertions) {
        return Err("instructions of a debug build say nothing: build with --release".to_owned());
    }
    let mut now = Record {
        architecture: env::consts::ARCH.to_owned(),
        rustc: version(
            "rustc",
            "it is needed to tell which compiler this was built with",
        )?,
        valgrind: version(
            "valgrind",
            "it counts the instructions, and is installed by `apt-get install valgrind`",
        )?,
        instructions: BTreeMap::new(),
    };
    let recorded = if record { None } else { Some(read_record()?) };
    if let Some(recorded) = &recorded
        && recorded.architecture != now.architecture
    {
        return Err(format!(
            "the counts were recorded on {} and do not compare with those of {}; `{RECORD_ANEW}` records anew",
            recorded.architecture, now.architecture
        ));
    }
    let mut too_much = false;
    for operation in Operation::value_variants() {
        let counted = operation.count()?;
        now.instructions.insert(*operation, counted.median);
        let (holds, told) = match &recorded {
            None => (true, "recorded".to_owned()),
            Some(before) => judge(before.instructions.get(operation).copied(), counted.median),
        };
        too_much |= !holds;
        say(out, *operation, counted, &told)?;
    }
    match recorded {
        None => {
            let text = serde_json::to_string_pretty(&now).map_err(|error| error.to_string())?;
            fs::write(RECORD, text + "\n").map_err(|error| format!("{RECORD}: {error}"))?;
        }
        Some(recorded) if too_much => {
            let (before, with) = (&recorded.rustc, &now.rustc);
            let problem = format!(
                "more instructions than recorded in benches/instructions.json (with {before}, {}; here with {with}, {}).\nIf it is meant, record them anew: {RECORD_ANEW}",
                recorded.valgrind, now.valgrind
            );
            writeln!(out, "{problem}").map_err(|error| error.to_string())?;
        }
        Some(_) => {}
    }
    Ok(ExitCode::from(u8::from(too_much)))
}

fn say(
    out: &mut dyn Write,
    operation: Operation,
    counted: Counted,
    told: &str,
) -> Result<(), String> {
    let Counted {
        least,
        median,
        most,
    } = counted;
    let said = writeln!(
        out,
        "{:<14}{median:>9}  ({least} to {most} over {RUNS} runs)  {told}",
        operation.name(),
    );
    said.map_err(|error| error.to_string())
}

/// Whether a count may stand beside the recorded one, and what is said of it.
fn judge(recorded: Option<u64>, counted: u64) -> (bool, String) {
    let Some(recorded) = recorded else {
        return (false, format!("not recorded: {RECORD_ANEW}"));
    };
    let thousandths = recorded.abs_diff(counted) * 1_000 / recorded.max(1);
    let percent = format!("{}.{} %", thousandths / 10, thousandths % 10);
    let margin = recorded * MORE_PERCENT_MAX / 100;
    if counted > recorded + margin {
        let told = format!("{percent} MORE, at most {MORE_PERCENT_MAX} % are allowed");
        return (false, told);
    }
    let told = match counted {
        _ if counted + margin < recorded => format!("{percent} fewer: worth recording anew"),
        _ if counted <= recorded => format!("{percent} fewer"),
        _ => format!("{percent} more"),
    };
    (true, told)
}

fn read_record() -> Result<Record, String> {
    let text = fs::read_to_string(RECORD).map_err(|error| format!("{RECORD}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{RECORD}: {error}"))
}

/// The first line of what a program says of itself.
fn version(program: &str, what_for: &str) -> Result<String, String> {
    let output = Command::new(program).arg("--version").output();
    let output =
        output.map_err(|error| format!("{program} cannot be run ({error}): {what_for}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// All that is counted happens in here.
#[inline(never)]
fn counted_operation(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

impl Operation {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |it| it.get_name().to_owned())
    }

    fn count(self) -> Result<Counted, String> {
        let mut counts = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            counts.push(self.run()? / TIMES);
        }
        counts.sort_unstable();
        let at = |index: usize| counts.get(index).copied().unwrap_or_default();
        Ok(Counted {
            least: at(0),
            median: at(RUNS / 2),
            most: at(RUNS - 1),
        })
    }

    /// The instructions of doing it [`TIMES`] times.
    fn run(self) -> Result<u64, String> {
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg("--toggle-collect=*counted_operation*")
            .arg(program)
            .args(["--only", &self.name()])
            .output();
        let output = output.map_err(|error| format!("valgrind: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said.lines().find_map(|it| it.split_once("Collected : "));
        let collected = collected.and_then(|(_, number)| number.trim().parse().ok());
        match collected {
            Some(collected) if output.status.success() && collected > 0 => Ok(collected),
            _ => Err(format!("valgrind counted nothing:\n{said}")),
        }
    }

    /// Makes everything ready for doing it once, and again.
    fn prepare(self) -> Result<Box<dyn FnMut()>, String> {
        Ok(match self {
            Self::Frame => frame(),
            Self::Call => there_and_back(),
            Self::Registration => registration(),
            Self::HttpFiring => http_firing(),
            Self::NextFiring => return next_firing(),
        })
    }
}

fn frame() -> Box<dyn FnMut()> {
    let text = call(&payload(PAYLOAD_BYTES));
    Box::new(move || {
        counted_operation(&mut || {
            let message = Message::decode(black_box(&text));
            black_box(message.map(|it| it.encode()).ok());
        });
    })
}

fn there_and_back() -> Box<dyn FnMut()> {
    let mut bench = Bench::new(2);
    bench.text(0, &function("f"));
    let payload = payload(PAYLOAD_BYTES);
    let call = call(&payload);
    Box::new(move || {
        counted_operation(&mut || {
            bench.text(1, &call);
            black_box(bench.answer(0, &payload));
        });
    })
}

fn registration() -> Box<dyn FnMut()> {
    let mut bench = Bench::new(1);
    for number in 0..STANDING {
        bench.text(0, &function(&format!("f{number}")));
    }
    let (one_more, gone) = (function("one more"), unregister("function", "one more"));
    Box::new(move || {
        counted_operation(&mut || {
            black_box(bench.text(0, &one_more));
        });
        bench.text(0, &gone);
    })
}

fn http_firing() -> Box<dyn FnMut()> {
    let mut bench = Bench::new(1);
    bench.text(0, &function("f"));
    for number in 0..STANDING {
        let config = format!(r#"{{"path":"/orders/{number}/:id","method":"POST"}}"#);
        bench.text(0, &trigger("http", &format!("t{number}"), &config));
    }
    let mut exchanges = 0;
    Box::new(move || {
        exchanges += 1;
        counted_operation(&mut || {
            bench.input(Input::HttpRequest {
                exchange: ExchangeId(exchanges),
                request: HttpTriggerRequest {
                    method: "POST",
                    target: "/orders/500/7?full=1",
                    headers: &[("host", b"localhost"), ("accept", b"*/*")],
                    body: br#"{"n":1}"#,
                },
            });
            black_box(bench.answer(0, r#"{"status_code":200,"body":""}"#));
        });
    })
}

fn next_firing() -> Result<Box<dyn FnMut()>, String> {
    // The day before a change of the clock, 2026-03-07T16:00:00Z.
    let noon = Duration::from_secs(1_772_899_200);
    let config = r#"{"schedule":"30 2 * * *","timezone":"America/New_York"}"#;
    let config = RawValue::from_string(config.to_owned()).map_err(|error| error.to_string())?;
    let Ok(TriggerConfig::Cron(schedule)) = Builtin::Cron.read(Some(&config)) else {
        return Err("the schedule was refused".to_owned());
    };
    Ok(Box::new(move || {
        counted_operation(&mut || {
            black_box(schedule.next_after(black_box(noon)));
        });
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_more_is_allowed() {
        for (recorded, counted, holds, told) in [
            (1_000, 1_050, true, "5.0 % more"),
            (1_000, 1_051, false, "5.1 % MORE, at most 5 % are allowed"),
            (
                100_000,
                105_001,
                false,
                "5.0 % MORE, at most 5 % are allowed",
            ),
            (1_000, 1_000, true, "0.0 % fewer"),
            (1_000, 950, true, "5.0 % fewer"),
            (1_000, 900, true, "10.0 % fewer: worth recording anew"),
        ] {
            assert_eq!(judge(Some(recorded), counted), (holds, told.to_owned()));
        }
        assert!(!judge(None, 1).0);
    }

    #[test]
    fn every_operation_is_recorded_and_can_be_done() {
        let record = read_record().expect("benches/instructions.json");
        for operation in Operation::value_variants() {
            assert!(record.instructions.contains_key(operation));
            let mut once = operation.prepare().expect("what it needs");
            once();
            once();
        }
    }
}
