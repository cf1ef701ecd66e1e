//! What `explore` takes.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::cli::RunArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0    nothing was found
  1    something was found
  2    the command line, or a target file, is wrong
  3    an engine cannot be reached
  5    an engine does not serve what sessions are made of
  70   a fault of the suite's own
  130  interrupted, with nothing found";

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
    mut_arg("shard", |it| it.hide(true)),
    mut_arg("fail_fast", |it| it.hide(true)),
    mut_arg("repeat", |it| it.hide(true)),
    mut_arg("expected", |it| it.hide(true)),
    mut_arg("update_expected", |it| it.hide(true)),
    mut_arg("report", |it| it.hide(true)),
    mut_arg("jobs", |it| it.hide(true)),
    mut_arg("strict", |it| it.help("Hold the engine to what was decided as well, not only to what \
                                     the documents demand")),
    mut_arg("seed", |it| it.help("The seed of the sessions; by default another one each time")),
    mut_arg("verbose", |it| it.help("Count each kind of step"))
)]
pub(crate) struct ExploreArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// How long to look, such as 30s, 5m or 500ms.  [default: 30s, or as long as --operations take]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) budget: Option<Duration>,
    /// How many steps to take, at least.
    #[arg(long, value_name = "N")]
    pub(crate) operations: Option<u64>,
    /// Go on after the first failure, and look for others that break other clauses.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Save what is found as case files in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save: Option<PathBuf>,
    /// Drive another engine through the same sessions, and say as well what the two do differently
    /// where either may.
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<String>,
}

const BUDGET_DEFAULT: Duration = Duration::from_secs(30);

impl ExploreArgs {
    /// Whether so much has been done in so long that it is enough.
    pub(super) fn is_enough(&self, operations: u64, took: Duration) -> bool {
        let budget = match (self.budget, self.operations) {
            (None, None) => Some(BUDGET_DEFAULT),
            (budget, _) => budget,
        };
        budget.is_some_and(|it| took >= it) || self.operations.is_some_and(|it| operations >= it)
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|it: char| it.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let number: u32 = number
        .parse()
        .map_err(|_| "must be a whole number and ms, s, m or h, such as 30s".to_owned())?;
    let one = match unit {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        other => return Err(format!("`{other}` is no unit: ms, s, m or h")),
    };
    Ok(one * number)
}
