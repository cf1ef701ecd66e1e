//! The rounds: each measures everything once, on each engine and on the floor.

use std::{collections::HashMap, io, time::Duration};

use conformance_suite::load::{
    Calls, HttpFloor, Kind, LoadError, Registering, Registrations, Relay, Requests, Served,
};

use super::{
    args::{BenchArgs, Measure},
    memory,
    side::Side,
    table::{Table, Unit, Whose},
};

const ROUND_TRIP: &str = "one call after another";
const HTTP: &str = "one http request after another";

/// What the rounds have come to so far.
#[derive(Debug, Default)]
pub(super) struct Bench {
    pub(super) table: Table,
    /// Calls and requests of the engines that were made, and those that came to nothing.
    pub(super) made: usize,
    pub(super) lost: usize,
}

/// The floor under each measure.
pub(super) struct Floor {
    relay: Side,
    http: Requests,
    _servers: (Relay, HttpFloor),
}

impl Floor {
    pub(super) fn start(patience: Duration) -> io::Result<Self> {
        let (relay, http) = (Relay::start()?, HttpFloor::start()?);
        Ok(Self {
            relay: Side {
                whose: Whose::Floor,
                url: relay.url(),
                http_url: None,
                hello: false,
                patience,
                process: None,
            },
            http: Requests::to(http.url(), patience),
            _servers: (relay, http),
        })
    }
}

impl Bench {
    /// What can be measured only once, before an engine has done anything else.
    pub(super) async fn begin(&mut self, args: &BenchArgs, side: &Side) -> Result<(), LoadError> {
        const MEASURE: &str = "resident memory";
        let Some(process) = side.process.filter(|_| args.wants(Measure::Memory)) else {
            return Ok(());
        };
        let measured = memory::measure(process, &side.url, side.hello, side.patience).await?;
        let Some(memory) = measured else {
            return Ok(());
        };
        for (figure, bytes) in [
            ("idle", memory.idle),
            ("with 100,000 functions", memory.with_functions),
            ("after their session", memory.afterwards),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
            let bytes = bytes as f64;
            self.table
                .add((MEASURE, figure, Unit::Bytes), side.whose, bytes);
        }
        Ok(())
    }

    /// One round. The order of the engines turns, so that none has always the same neighbour.
    pub(super) async fn round(
        &mut self,
        args: &BenchArgs,
        sides: &[&Side],
        floor: &Floor,
        number: u32,
    ) -> Result<(), LoadError> {
        let mut all: Vec<&Side> = sides.iter().copied().chain([&floor.relay]).collect();
        let turns = number as usize % all.len();
        all.rotate_left(turns);
        let mut round_trips = HashMap::new();
        for side in &all {
            if let Some(median) = self.calls(args, side).await? {
                round_trips.insert(side.url.as_str(), median);
            }
        }
        if args.wants(Measure::Http) {
            let trip = round_trips.get(&*floor.relay.url).copied();
            self.requests(args, sides, floor, trip).await?;
        }
        if args.wants(Measure::Registrations) {
            for side in sides {
                for kind in Kind::ALL {
                    self.registrations(args, side, kind).await?;
                }
            }
        }
        Ok(())
    }

    /// Calls one after another, and many at once; the median of the former, in seconds.
    async fn calls(&mut self, args: &BenchArgs, side: &Side) -> Result<Option<f64>, LoadError> {
        let (alone, at_once) = (
            args.wants(Measure::RoundTrip) || args.wants(Measure::Http),
            args.wants(Measure::Throughput),
        );
        if !alone && !at_once {
            return Ok(None);
        }
        let payload = args.payload as usize;
        let mut calls = Calls::open(&side.url, side.hello, payload, side.patience).await?;
        let count = args.calls as usize;
        let mut median = None;
        if alone {
            let served = calls.make(count, 1).await?;
            median = Some(served.latencies.median().as_secs_f64());
            self.count(side.whose, &served);
            self.latencies(ROUND_TRIP, side.whose, &served);
        }
        for depth in args.depth.iter().filter(|_| at_once) {
            let served = calls.make(4 * count, usize::from(*depth)).await?;
            self.count(side.whose, &served);
            let measure = format!("{depth} calls at once");
            let rate = (&*measure, "calls", Unit::PerSecond);
            self.table.add(rate, side.whose, served.rate());
            let longest = (&*measure, "longest", Unit::Seconds);
            let seconds = served.latencies.max().as_secs_f64();
            self.table.add(longest, side.whose, seconds);
        }
        calls.close().await;
        Ok(median)
    }

    async fn requests(
        &mut self,
        args: &BenchArgs,
        sides: &[&Side],
        floor: &Floor,
        round_trip: Option<f64>,
    ) -> Result<(), LoadError> {
        let count = args.calls as usize;
        for side in sides {
            let Some(http_url) = &side.http_url else {
                continue;
            };
            let open = Requests::open(&side.url, http_url, side.hello, side.patience);
            let requests = open.await?;
            let served = requests.make(count).await;
            self.count(side.whose, &served);
            self.latencies(HTTP, side.whose, &served);
            requests.close().await;
        }
        // An answer that needs no worker, and the way to a worker and back.
        let served = floor.http.make(count).await;
        if let Some(round_trip) = round_trip {
            let median = served.latencies.median().as_secs_f64() + round_trip;
            self.table
                .add((HTTP, "median", Unit::Seconds), Whose::Floor, median);
        }
        Ok(())
    }

    async fn registrations(
        &mut self,
        args: &BenchArgs,
        side: &Side,
        kind: Kind,
    ) -> Result<(), LoadError> {
        let open = Registrations::open(&side.url, side.hello, kind, side.patience);
        let mut registrations = open.await?;
        let tenth = args.registrations as usize / 10;
        let mut parts: Vec<Registering> = Vec::new();
        for _ in 0..10 {
            parts.push(registrations.register(tenth).await?);
        }
        registrations.close().await;
        let whole = Registering {
            registered: parts.iter().map(|it| it.registered).sum(),
            took: parts.iter().map(|it| it.took).sum(),
        };
        let measure = format!("registering {}", kind.name());
        let rate = (&*measure, "registrations", Unit::PerSecond);
        self.table.add(rate, side.whose, whole.rate());
        if let [first, .., last] = &*parts {
            let growth = last.took.as_secs_f64() / first.took.as_secs_f64();
            let figure = (&*measure, "last tenth to first", Unit::Ratio);
            self.table.add(figure, side.whose, growth);
        }
        Ok(())
    }

    fn latencies(&mut self, measure: &str, whose: Whose, served: &Served) {
        let latencies = &served.latencies;
        for (figure, latency) in [
            ("median", latencies.median()),
            ("of 1,000 at most 10 longer", latencies.per_mille(990)),
            ("longest", latencies.max()),
        ] {
            let figure = (measure, figure, Unit::Seconds);
            self.table.add(figure, whose, latency.as_secs_f64());
        }
    }

    fn count(&mut self, whose: Whose, served: &Served) {
        if whose != Whose::Floor {
            self.made += served.answered + served.lost;
            self.lost += served.lost;
        }
    }
}
