//! A wall clock that is set while calls are under way, far ahead and far back (D-12).

use std::{
    collections::HashSet,
    env, fs, io,
    path::PathBuf,
    process::{Command, id},
    time::{Duration, SystemTime},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::Plan;
use crate::{
    Outcome,
    background::Background,
    caller::{Answer, Caller},
    engine::{Engine, PATIENCE},
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, register_function, result},
    trouble::Trouble,
};

const ECHO: &str = "clock.echo";
const HELD: &str = "clock.held";
const SCHEDULED: &str = "clock.scheduled";
/// It fires each second.
const TRIGGER: &str = r#"{"type":"registertrigger","id":"clock","trigger_type":"cron","function_id":"clock.scheduled","config":{"schedule":"* * * * * *"}}"#;
/// How soon a schedule has to follow: the clock is looked at each second, and may show that only
/// the next one is due.
const FOLLOWED_S_MAX: f64 = 4.0;
/// For how long it is watched that it does nothing else.
const WATCHED: Duration = Duration::from_secs(3);
/// What the engine's time may be off from this process's.
const SLACK: TimeDelta = TimeDelta::seconds(30);
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let Some(clock) = Clock::new()? else {
        let why = "there is no `faketime` here (Debian has it in the package of that name)";
        ledger.left_out("all of it", why);
        return Ok(());
    };
    let engine = Engine::start(&plan.engine, &[], &clock.environment()).await?;
    let worker = Peer::worker(engine.address, ECHO).await?;
    let serving = tokio::spawn(worker.echo());
    let mut schedule = Schedule::begin(&engine).await?;
    let mut caller = Caller::connect(engine.address).await?;
    caller.begin(HELD, "null").await?;
    let background = Background::start(engine.address, ECHO)?;

    schedule.watch(&clock, ledger).await?;

    let calls = background.stop().await?;
    let what = "calls meanwhile that were answered with a result";
    ledger.exactly(what, calls.results, calls.begun);
    schedule.answer_held().await?;
    let answer = caller.answer(PATIENCE).await?;
    let is_result = matches!(answer, Answer::Result(_));
    let what = "a call that was under way all the while";
    ledger.seen(what, &format!("{answer:?}"), is_result);
    schedule.peer.close().await?;
    caller.peer.close().await?;
    serving.abort();
    engine.end(ledger).await
}

/// What one session is called with by a schedule, and otherwise.
struct Schedule {
    peer: Peer,
    /// When it was due, each time that it has fired.
    fired: Vec<DateTime<Utc>>,
    /// The call that is not answered yet.
    held: Option<String>,
}

/// What a cron trigger calls its function with, as far as it is looked at.
#[derive(Deserialize)]
struct Firing<'f> {
    scheduled_time: &'f str,
}

impl Schedule {
    async fn begin(engine: &Engine) -> Outcome<Self> {
        let mut peer = Peer::connect(engine.address).await?;
        peer.feed(register_function(HELD)).await?;
        peer.register_with(SCHEDULED, TRIGGER).await?;
        Ok(Self {
            peer,
            fired: Vec::new(),
            held: None,
        })
    }

    async fn watch(&mut self, clock: &Clock, ledger: &mut Ledger) -> Outcome {
        let by = |seconds| move |due: DateTime<Utc>| (due - now(seconds)).abs() < SLACK;
        self.follows("the first firing, after", by(0), ledger)
            .await?;

        clock.set(HOUR_S)?;
        let what = "an hour ahead: followed after";
        self.follows(what, by(HOUR_S), ledger).await?;

        clock.set(0)?;
        let before = self.fired.len();
        self.until(Instant::now() + WATCHED, |_| false).await?;
        let what = "an hour back: firings before the clock has come again to where it was";
        let fired = self.fired.iter().skip(before).copied();
        let (early, ahead): (Vec<_>, Vec<_>) = fired.partition(|due| by(0)(*due));
        // One that was due an hour ahead may have been under way.
        ledger.exactly(what, early.len() + ahead.len().saturating_sub(1), 0);

        clock.set(2 * HOUR_S)?;
        let what = "two hours ahead: followed after";
        self.follows(what, by(2 * HOUR_S), ledger).await?;

        clock.set(-10 * DAY_S)?;
        let what = "ten days back: followed after";
        self.follows(what, by(-10 * DAY_S), ledger).await?;
        self.until(Instant::now() + WATCHED, |_| false).await?;

        let shown = [0, HOUR_S, 2 * HOUR_S, -10 * DAY_S];
        let is_skipped = |due: &&DateTime<Utc>| !shown.iter().any(|it| by(*it)(**due));
        let skipped = self.fired.iter().filter(is_skipped).count();
        ledger.exactly("firings for a time that the clock has left out", skipped, 0);
        let times: HashSet<_> = self.fired.iter().collect();
        let what = "firings that were the only ones for their time";
        ledger.exactly(what, times.len(), self.fired.len());
        Ok(())
    }

    /// Waits for a firing at such a time, and files how long that took.
    async fn follows(
        &mut self,
        what: &str,
        wanted: impl Fn(DateTime<Utc>) -> bool,
        ledger: &mut Ledger,
    ) -> Outcome {
        let began = Instant::now();
        if !self.until(began + PATIENCE, wanted).await? {
            return Err(Trouble::Silent {
                what: "a firing of the schedule",
                patience: PATIENCE,
            });
        }
        ledger.at_most(what, began.elapsed().as_secs_f64(), "s", FOLLOWED_S_MAX);
        Ok(())
    }

    /// Answers until there was a firing at such a time, which it says, or the time is over.
    async fn until(
        &mut self,
        deadline: Instant,
        wanted: impl Fn(DateTime<Utc>) -> bool,
    ) -> Outcome<bool> {
        while let Ok(incoming) = timeout_at(deadline, self.peer.next()).await {
            let Incoming::Frame(frame) = incoming else {
                return Err(Trouble::unexpected(format!(
                    "the worker has got {incoming:?}"
                )));
            };
            let call = Heard::read(&frame)?;
            let (Some(function), Some(id)) = (&call.function_id, &call.invocation_id) else {
                continue;
            };
            if function == HELD {
                self.held = Some(id.to_string());
                continue;
            }
            let data = call.data.map_or("null", |data| data.get());
            let due = due(data)?;
            self.fired.push(due);
            let answer = result(id, "null");
            self.peer.send(answer).await?;
            if wanted(due) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn answer_held(&mut self) -> Outcome {
        let nobody = || Trouble::unexpected("the call that was to be held has not come");
        let id = self.held.take().ok_or_else(nobody)?;
        self.peer.send(result(&id, "null")).await
    }
}

fn due(data: &str) -> Outcome<DateTime<Utc>> {
    let unreadable = |problem: String| Trouble::unexpected(format!("{problem}: {data}"));
    let firing: Firing<'_> = serde_json::from_str(data).map_err(|it| unreadable(it.to_string()))?;
    let due = DateTime::parse_from_rfc3339(firing.scheduled_time);
    Ok(due.map_err(|it| unreadable(it.to_string()))?.to_utc())
}

/// What a clock shows that is ahead by so many seconds.
fn now(ahead_s: i64) -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::seconds(ahead_s)
}

/// What a process is shown for the wall clock, by libfaketime.
#[derive(Debug)]
struct Clock {
    library: String,
    file: PathBuf,
}

impl Clock {
    /// Nothing if libfaketime is not here.
    fn new() -> Outcome<Option<Self>> {
        // It knows where its library is, for programs of several threads.
        let asked = Command::new("faketime")
            .args(["-m", "-f", "+0", "env"])
            .output();
        let told = match asked {
            Ok(output) => output.stdout,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let told = String::from_utf8_lossy(&told);
        let Some(library) = told.lines().find_map(|it| it.strip_prefix("LD_PRELOAD=")) else {
            return Err(Trouble::unexpected("`faketime` does not name its library"));
        };
        let file = format!("endure-clock-{}", id());
        let clock = Self {
            library: library.to_owned(),
            file: env::temp_dir().join(file),
        };
        clock.set(0)?;
        Ok(Some(clock))
    }

    fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.file.to_string_lossy().into_owned(),
            ),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Sets it ahead by so many seconds, or back.
    fn set(&self, ahead_s: i64) -> io::Result<()> {
        // At once: it is read all the time.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{ahead_s:+}"))?;
        fs::rename(next, &self.file)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}
