//! What is said of a search.

use std::{io::Write, time::Duration};

use conformance_suite::{
    case::Level,
    histories::{self, Counts, Difference, Finding, Which},
    report,
    verdict::{Outcome, Status},
};

use super::{
    Side, level,
    looking::{Exploration, Found},
    saving,
};
use crate::{
    again::{command_again, command_of, quoted},
    commands::unless_closed,
    exit::Problem,
};

impl Exploration<'_> {
    /// Shows what was found, and saves it.
    pub(super) async fn tell(&self, found: &Found, out: &mut dyn Write) -> Result<(), Problem> {
        let (finding, side) = (&found.finding, self.side_of(found.which));
        let outcome = self.outcome(finding);
        let strict = self.side.settings.strict;
        unless_closed(report::played(&outcome, self.ledger, strict, out))?;
        if self.other.is_some() {
            let url = &side.context.target.url;
            let other = if found.both { "wrong as well" } else { "right" };
            let wrong = format!("  wrong     {url}, and the other engine gets it {other}");
            unless_closed(writeln!(out, "{wrong}"))?;
        }
        let Some(folder) = &self.args.save else {
            return Ok(());
        };
        let path = saving::save(finding, folder, self.ledger)?;
        let doubt = saving::doubt(&path, self.ledger, side).await?;
        let path = quoted(&path.display().to_string());
        let saved = match doubt {
            Some(doubt) => format!("  saved     {path}, unconfirmed: {doubt}"),
            None => {
                let strict = match level(self.ledger, finding) {
                    Level::Must => "",
                    _ => " --strict",
                };
                format!("  saved     {path} (conformance replay {path}{strict})")
            }
        };
        Ok(unless_closed(writeln!(out, "{saved}"))?)
    }

    fn side_of(&self, which: Which) -> &Side<'_> {
        match (which, self.other) {
            (Which::Second, Some(other)) => other,
            _ => self.side,
        }
    }

    fn outcome(&self, finding: &Finding) -> Outcome {
        let clause = self.ledger.clause(finding.clause);
        let (failed, of) = finding.confirmed;
        Outcome {
            case: histories::ID.to_owned(),
            title: format!(
                "{} of {} steps are left, and failed {failed} of {of} times when they were \
                 taken again",
                finding.steps_left, finding.steps_at_first
            ),
            clauses: vec![finding.clause.to_owned()],
            level: level(self.ledger, finding),
            quote: clause.and_then(|it| it.quote.clone()),
            status: Status::Failed(Box::new(finding.failure(finding.seed))),
            expected: None,
            mapped: false,
            branches: Vec::new(),
            remarks: Vec::new(),
            malformed: Vec::new(),
            transcript: finding.transcript.clone(),
            took: Duration::ZERO,
        }
    }

    /// What the engines do differently where either may.
    pub(super) fn tell_differences(
        &self,
        differences: &[Difference],
        out: &mut dyn Write,
    ) -> Result<(), Problem> {
        let Some(other) = self.other else {
            return Ok(());
        };
        let (first, second) = (&self.side.context.target.url, &other.context.target.url);
        for difference in differences {
            unless_closed(writeln!(
                out,
                "\neither may: {} (--seed {})",
                difference.step, difference.seed
            ))?;
            for step in &difference.steps {
                unless_closed(writeln!(out, "    {step}"))?;
            }
            unless_closed(writeln!(out, "  {first}: {}", difference.first))?;
            unless_closed(writeln!(out, "  {second}: {}", difference.second))?;
        }
        Ok(())
    }

    /// What was done, and the commands that find again what was found.
    pub(super) fn tell_counts(
        &self,
        counts: &Counts,
        took: Duration,
        out: &mut dyn Write,
    ) -> Result<(), Problem> {
        if self.args.run.verbose {
            unless_closed(writeln!(out))?;
            for (kind, times) in &counts.kinds {
                unless_closed(writeln!(out, "{times:>9}  {kind}"))?;
            }
            let at_once = counts.at_once;
            unless_closed(writeln!(out, "{at_once:>9}  times several at once"))?;
        }
        let found = match self.found.as_slice() {
            [] => "nothing was found".to_owned(),
            all => {
                let clauses: Vec<&str> = all.iter().map(|it| it.finding.clause).collect();
                format!("found: {}", clauses.join(", "))
            }
        };
        let per_s = counts.operations as f64 / took.as_secs_f64().max(0.001);
        unless_closed(writeln!(
            out,
            "\n{} operations in {} histories of {} sessions, in {:.1} s ({per_s:.0}/s): {found}",
            counts.operations,
            counts.histories,
            counts.sessions,
            took.as_secs_f64()
        ))?;
        for found in &self.found {
            let again = self.again(&found.finding);
            unless_closed(writeln!(out, "again: {again}"))?;
        }
        Ok(())
    }

    /// The command that finds it again, first of all.
    fn again(&self, finding: &Finding) -> String {
        let args = &self.args.run;
        let command = command_of("explore", args, Some(finding.seed));
        let against = self.args.against.as_deref();
        let against = against.map_or_else(String::new, |url| format!(" --against {}", quoted(url)));
        command + &against + &command_again(args)
    }
}
