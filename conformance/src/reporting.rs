//! Where the reports of a run go: files and standard output, as `--report` says. They are opened
//! before the run, and what goes wrong with them afterwards is told and changes no exit code.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use conformance_suite::{
    case::Level,
    ledger::Ledger,
    report::{Document, Ending, Format, Heading, Run, live},
    runner::Target,
    verdict::{Outcome, Unrun},
};

use crate::{
    cli::{LevelArg, RunArgs},
    exit::{Exit, Problem},
    settings::{Aim, Settings},
};

/// The reports of a run, opened, and what is known of the run; shared by all clones.
#[derive(Clone)]
pub(crate) struct Reports(Arc<Mutex<State>>);

struct State {
    /// None any more when the run has ended.
    sinks: Vec<Sink>,
    heading: Heading,
}

struct Sink {
    format: Format,
    /// For people.
    place: String,
    out: Box<dyn Write + Send>,
    /// Nothing more is written where something could not be.
    broken: bool,
}

impl Reports {
    /// Opens all that were asked for.
    pub(crate) fn open(args: &RunArgs) -> Result<Self, Problem> {
        let heading = Heading {
            target: String::new(),
            target_name: None,
            embedded: false,
            started: SystemTime::now(),
            strict: args.strict,
            selection: args.selection.select.clone(),
            levels: args.selection.level.iter().map(level_name).collect(),
            shard: args.shard.map(|it| it.to_string()),
            profile: args.selection.profile.clone(),
            slow: args.slow,
            histories: args.histories,
            variables: Vec::new(),
            http_url: None,
            seed: None,
            verbose: args.verbose,
        };
        let sinks = open_all(&args.report)?;
        Ok(Self(Arc::new(Mutex::new(State { sinks, heading }))))
    }

    /// Whether a report stands in for the one for people on standard output.
    pub(crate) fn take_stdout(&self) -> bool {
        self.lock().sinks.iter().any(|it| it.place == STDOUT)
    }

    /// What is known of the run has become more.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Heading)) {
        change(&mut self.lock().heading);
    }

    /// It is known what the run was told.
    pub(crate) fn resolved(&self, settings: &Settings) {
        self.note(|heading| {
            heading.strict = settings.strict;
            heading.embedded = matches!(settings.aim, Aim::Embedded);
            heading.target_name.clone_from(&settings.file.name);
            heading.profile = settings.profile.as_ref().map(|it| it.name.clone());
            heading.slow = settings.slow;
            heading.histories = Some(settings.histories);
        });
    }

    /// It is known where the engine is, and what it was started with.
    pub(crate) fn aimed(&self, target: &Target) {
        self.note(|heading| {
            heading.target.clone_from(&target.url);
            heading.http_url.clone_from(&target.http_url);
            heading.variables = target.variables.keys().cloned().collect();
        });
    }

    /// What is known of the run.
    pub(crate) fn heading(&self) -> Heading {
        self.lock().heading.clone()
    }

    /// The run begins, with so many cases.
    pub(crate) fn started(&self, cases: usize) {
        self.lock()
            .each_live(|heading, out| live::started(heading, cases, out));
    }

    /// A case has ended.
    pub(crate) fn case(&self, outcome: &Outcome) {
        self.lock()
            .each_live(|heading, out| live::case(heading, outcome, out));
    }

    /// The run has ended; nothing is written afterwards.
    pub(crate) fn finished(&self, run: &Run<'_>, ending: &Ending) {
        let mut state = self.lock();
        let mut sinks = std::mem::take(&mut state.sinks);
        let document = Document::of(&state.heading, run, ending);
        for sink in &mut sinks {
            let format = sink.format;
            sink.write(|out| format.write(&document, out));
        }
    }

    /// There is a problem; if the run has not ended, it never will.
    pub(crate) fn came_to_nothing(&self, ledger: &Ledger, problem: &Problem) {
        self.started(0);
        let heading = self.heading();
        let run = Run {
            ledger,
            outcomes: &[],
            complete: false,
            gone: None,
            restarts: Vec::new(),
            unrun: Unrun::default(),
            cut_short: None,
            strict: heading.strict,
            left_out: 0,
            stale: &[],
            again: "",
            again_behind: "",
            took: heading.started.elapsed().unwrap_or_default(),
        };
        let ending = Ending {
            exit_code: problem.exit as u8,
            interrupted: false,
            problem: Some(problem.message.clone()),
        };
        self.finished(&run, &ending);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn each_live(&mut self, mut write: impl FnMut(&Heading, &mut dyn Write) -> io::Result<()>) {
        let heading = &self.heading;
        let live = |it: &&mut Sink| it.format == Format::Jsonl;
        for sink in self.sinks.iter_mut().filter(live) {
            sink.write(|out| write(heading, out));
        }
    }
}

fn level_name(level: &LevelArg) -> String {
    Level::from(*level).name().to_owned()
}

/// Opens them all; `requests` are of the form `FORMAT=PATH`.
fn open_all(requests: &[String]) -> Result<Vec<Sink>, Problem> {
    let mut sinks: Vec<Sink> = Vec::new();
    for request in requests.iter().filter(|it| !it.is_empty()) {
        let opened = open(request).map_err(|problem| {
            Problem::new(Exit::Usage, format!("--report {request}: {problem}"))
        })?;
        for sink in opened {
            if let Some(other) = sinks.iter().find(|it| it.is_in_the_way_of(&sink)) {
                let (one, two) = (other.format.name(), sink.format.name());
                let place = match other.place.as_str() {
                    ANNOTATIONS => STDOUT,
                    place => place,
                };
                let message = format!("--report: {one} and {two} cannot both go to {place}");
                return Err(Problem::new(Exit::Usage, message));
            }
            sinks.push(sink);
        }
    }
    let asked = requests.iter().any(|it| it == Format::Github.name());
    if !asked && std::env::var_os(ACTIONS_VARIABLE).is_some_and(|it| it == "true") {
        let fits = |sink: &Sink| !sinks.iter().any(|it| it.is_in_the_way_of(sink));
        let unasked: Vec<Sink> = github()
            .unwrap_or_default()
            .into_iter()
            .filter(fits)
            .collect();
        sinks.extend(unasked);
    }
    Ok(sinks)
}

impl Sink {
    fn new(format: Format, place: String, out: impl Write + Send + 'static) -> Self {
        Self {
            format,
            place,
            out: Box::new(BufWriter::new(out)),
            broken: false,
        }
    }

    /// Annotations are lines among those for people, but not inside of another report.
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        let places = [self.place.as_str(), other.place.as_str()];
        self.place == other.place || places.iter().all(|it| [STDOUT, ANNOTATIONS].contains(it))
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.broken {
            return;
        }
        let Err(error) = write(&mut self.out).and_then(|()| self.out.flush()) else {
            return;
        };
        self.broken = true;
        if error.kind() != io::ErrorKind::BrokenPipe {
            let (name, place) = (self.format.name(), &self.place);
            // If standard error is gone, there is nobody left to tell.
            let _ = writeln!(
                io::stderr(),
                "warning: cannot write the {name} report to {place}: {error}"
            );
        }
    }
}

const STDOUT: &str = "standard output";
/// What GitHub sets to `true` in the steps of a workflow.
const ACTIONS_VARIABLE: &str = "GITHUB_ACTIONS";
/// Where GitHub wants the summary of a step.
const SUMMARY_VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// The place of annotations, which stand beside what people read.
const ANNOTATIONS: &str = "the annotations";

fn open(request: &str) -> Result<Vec<Sink>, String> {
    let (name, path) = match request.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (request, None),
    };
    let format = Format::named(name).ok_or_else(|| {
        let names = Format::ALL.map(Format::name).join(", ");
        format!("there is no format `{name}`; there are {names}")
    })?;
    let path = path.filter(|it| !it.is_empty());
    match (format, path) {
        (Format::Github, None) => github(),
        (Format::Github, Some(_)) => Err(
            "github takes no path: annotations go to standard output, and the summary to the \
             file that GITHUB_STEP_SUMMARY names"
                .to_owned(),
        ),
        (_, None) => Err(format!(
            "{name} needs a path: {name}=PATH, or {name}=- for standard output"
        )),
        (_, Some("-")) => Ok(vec![Sink::new(format, STDOUT.to_owned(), io::stdout())]),
        (_, Some(path)) => {
            let file = File::create(path);
            let file = file.map_err(|error| format!("cannot write `{path}`: {error}"))?;
            Ok(vec![Sink::new(format, format!("`{path}`"), file)])
        }
    }
}

/// Annotations, and a summary where GitHub says that there is one.
fn github() -> Result<Vec<Sink>, String> {
    let annotations = Sink::new(Format::Github, ANNOTATIONS.to_owned(), io::stdout());
    let mut sinks = vec![annotations];
    let path = std::env::var_os(SUMMARY_VARIABLE).filter(|it| !it.is_empty());
    if let Some(path) = path {
        let shown = path.display();
        // Other steps of the job may have written there as well.
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|error| {
            format!("cannot write `{shown}`, which {SUMMARY_VARIABLE} names: {error}")
        })?;
        sinks.push(Sink::new(Format::Markdown, format!("`{shown}`"), file));
    }
    Ok(sinks)
}
