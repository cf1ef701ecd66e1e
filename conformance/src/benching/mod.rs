//! `conformance bench`: the same load on any engine, beside the least that it could cost.

mod args;
mod memory;
mod rounds;
mod side;
mod table;
mod telling;

use std::io::Write;

use conformance_suite::load::LoadError;

pub(crate) use self::args::BenchArgs;
use self::{
    args::BenchFormat,
    rounds::{Bench, Floor},
    side::{Side, Target},
    table::Whose,
};
use crate::{
    commands::unless_closed,
    exit::{Exit, Problem},
    interrupt::Interrupt,
    settings::Settings,
};

/// Loads the target, and another engine if there is one, beside the floor.
pub(crate) async fn bench(args: &BenchArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    if let Some(what) = args.run.selection.select.first() {
        let message = format!("`{what}`: no case is run; --measure says what is measured");
        return Err(Problem::new(Exit::Usage, message));
    }
    let settings = Settings::resolve(&args.run)?;
    let ours = |error: std::io::Error| Problem::new(Exit::OurFault, error);
    let mut interrupt = Interrupt::install().map_err(ours)?;
    let floor = Floor::start(settings.pace.patience).map_err(ours)?;
    let target = Target::start(&settings, args).await?;
    let done = tokio::select! {
        done = measure(args, &target, &floor, out) => done,
        () = interrupt.wait() => Err(Problem::new(Exit::Interrupted, "interrupted")),
    };
    target.end().await;
    done
}

async fn measure(
    args: &BenchArgs,
    target: &Target,
    floor: &Floor,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let human = args.format == BenchFormat::Human;
    if human {
        let said = writeln!(out, "target: {}", target.description);
        let said = said.and_then(|()| match &args.against {
            Some(url) => writeln!(out, "against: {url}"),
            None => Ok(()),
        });
        unless_closed(said)?;
    }
    let against = args.against.as_ref().map(|url| Side {
        whose: Whose::Against,
        url: url.clone(),
        http_url: args.against_http_url.clone(),
        process: None,
        ..target.side
    });
    let sides: Vec<&Side> = [&target.side].into_iter().chain(&against).collect();
    let mut bench = Bench::default();
    let failed = |error: LoadError| Problem::new(Exit::Unreachable, error);
    bench.begin(args, &target.side).await.map_err(failed)?;
    for number in 0..args.rounds {
        let round = bench.round(args, &sides, floor, number);
        round.await.map_err(failed)?;
        let _ = writeln!(std::io::stderr(), "round {} of {}", number + 1, args.rounds);
    }
    let told = match args.format {
        BenchFormat::Human => telling::human(&bench, args, out),
        BenchFormat::Json => telling::json(&bench, args, &target.description, out),
    };
    unless_closed(told)?;
    Ok(match bench.lost {
        0 => Exit::Conforms,
        _ => Exit::DoesNotConform,
    })
}
