//! What `bench` takes.

use clap::{Args, ValueEnum};

use crate::cli::RunArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0    it was measured, and every call was answered
  1    calls were lost
  2    the command line, or a target file, is wrong
  3    an engine cannot be reached, or does not serve what is measured
  70   a fault of the suite's own
  130  interrupted";

#[derive(Debug, Args)]
#[command(
    after_help = EXIT_CODES,
    // Arguments that are changed move behind the others.
    mut_arg("select", |it| it.index(1).hide(true)),
    mut_arg("command", |it| it.index(2)),
    mut_arg("cases", |it| it.hide(true)),
    mut_arg("level", |it| it.hide(true)),
    mut_arg("profile", |it| it.hide(true)),
    mut_arg("slow", |it| it.hide(true)),
    mut_arg("histories", |it| it.hide(true)),
    mut_arg("shuffle", |it| it.hide(true)),
    mut_arg("seed", |it| it.hide(true)),
    mut_arg("shard", |it| it.hide(true)),
    mut_arg("fail_fast", |it| it.hide(true)),
    mut_arg("repeat", |it| it.hide(true)),
    mut_arg("expected", |it| it.hide(true)),
    mut_arg("update_expected", |it| it.hide(true)),
    mut_arg("report", |it| it.hide(true)),
    mut_arg("jobs", |it| it.hide(true)),
    mut_arg("strict", |it| it.hide(true)),
    mut_arg("verbose", |it| it.hide(true))
)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Load another engine with the same, turn about.
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<String>,
    /// Where the other engine serves http triggers.
    #[arg(long, value_name = "URL", requires = "against")]
    pub(crate) against_http_url: Option<String>,
    /// What to measure.  [default: all of it]
    #[arg(long, value_name = "MEASURE", value_delimiter = ',')]
    pub(crate) measure: Vec<Measure>,
    /// How often each is measured.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How many calls are made one after another in a round; of those at once, four times as many.
    #[arg(long, value_name = "N", default_value_t = 5_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: u32,
    /// How many calls are without an answer at once.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [16, 64, 256],
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) depth: Vec<u16>,
    /// How long the text is that calls carry there and back, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) payload: u32,
    /// How many functions, and triggers of each type, are registered in a round.
    #[arg(long, value_name = "N", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(10..))]
    pub(crate) registrations: u32,
    /// How it is said.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: BenchFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Calls from one worker to another, one after another.
    RoundTrip,
    /// Such calls, many at once.
    Throughput,
    /// Registrations of functions and triggers.
    Registrations,
    /// Requests for an http trigger, one after another.
    Http,
    /// What 100,000 functions take of an engine that is started here.
    Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// A table.
    Human,
    /// Everything, every reading included.
    Json,
}

impl BenchArgs {
    pub(super) fn wants(&self, measure: Measure) -> bool {
        self.measure.is_empty() || self.measure.contains(&measure)
    }
}
