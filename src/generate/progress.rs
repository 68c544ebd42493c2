//! What a run is doing, for whoever watches: bars on a terminal, otherwise a log line for each table and each phase. The
//! times and rows are kept for the metrics and the report.

use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use slog::{Logger, info};

/// What a step is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Reading a table.
    Table,
    /// A part of the whole work.
    Phase,
}

/// A step that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDone {
    /// What it is a part of.
    pub kind: StepKind,
    /// The table or the phase.
    pub name: &'static str,
    /// Rows of the table; bytes, directories or nothing for a phase.
    pub rows: u64,
    /// How long it took.
    pub duration: Duration,
}

/// The steps of a run.
pub struct Progress {
    logger: Logger,
    bars: Option<MultiProgress>,
    done: Mutex<Vec<StepDone>>,
    under_way: Mutex<Vec<&'static str>>,
}

/// A step under way.
pub struct Step<'a> {
    progress: &'a Progress,
    kind: StepKind,
    name: &'static str,
    started: Instant,
    bar: ProgressBar,
}

impl Progress {
    /// The progress of a run: bars if standard error is a terminal.
    pub fn new(logger: &Logger) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            logger: logger.clone(),
            bars: terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            done: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// Begins to read a table.
    pub fn table(&self, name: &'static str) -> Step<'_> {
        self.step(StepKind::Table, name, None)
    }

    /// Begins to read a table of about so many rows.
    pub fn long_table(&self, name: &'static str, rows: u64) -> Step<'_> {
        self.step(StepKind::Table, name, Some(rows))
    }

    /// Begins a phase.
    pub fn phase(&self, name: &'static str) -> Step<'_> {
        self.step(StepKind::Phase, name, None)
    }

    /// The steps that are done.
    pub fn done(&self) -> Vec<StepDone> {
        self.done_steps().clone()
    }

    /// What is being done, like `read, host_category_dir`.
    pub fn under_way(&self) -> String {
        let steps = self.steps_under_way();
        match steps.is_empty() {
            true => "between two steps".to_owned(),
            false => steps.join(", "),
        }
    }

    fn steps_under_way(&self) -> MutexGuard<'_, Vec<&'static str>> {
        // A change that panicked has left the list as it was.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, kind: StepKind, name: &'static str, rows: Option<u64>) -> Step<'_> {
        let bar = self.bars.as_ref().map_or_else(ProgressBar::hidden, |bars| {
            let bar = match rows {
                Some(rows) => ProgressBar::new(rows).with_style(bar_style()),
                None => ProgressBar::new_spinner(),
            };
            bars.add(bar.with_message(name))
        });
        self.steps_under_way().push(name);
        Step {
            progress: self,
            kind,
            name,
            started: Instant::now(),
            bar,
        }
    }

    fn done_steps(&self) -> MutexGuard<'_, Vec<StepDone>> {
        // A push that panicked has left the list as it was.
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Step<'_> {
    /// So many rows more have been read.
    pub fn advance(&self, rows: u64) {
        self.bar.inc(rows);
    }

    /// The step is done.
    pub fn finish(self, rows: u64) {
        let done = StepDone {
            kind: self.kind,
            name: self.name,
            rows,
            duration: self.started.elapsed(),
        };
        self.bar.finish_and_clear();
        if self.progress.bars.is_none() {
            log(&self.progress.logger, &done);
        }
        self.progress.done_steps().push(done);
    }
}

impl Drop for Step<'_> {
    /// A step that failed takes its bar with it.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let mut steps = self.progress.steps_under_way();
        if let Some(index) = steps.iter().position(|name| *name == self.name) {
            steps.remove(index);
        }
    }
}

fn log(logger: &Logger, done: &StepDone) {
    let seconds = done.duration.as_secs_f64();
    match done.kind {
        StepKind::Table => {
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
            let rate = done.rows as f64 / seconds.max(1e-6);
            info!(logger, "read"; "table" => done.name, "rows" => done.rows, "seconds" => rounded(seconds),
                "rows_per_second" => rate.round());
        }
        StepKind::Phase => {
            info!(logger, "done"; "phase" => done.name, "entries" => done.rows, "seconds" => rounded(seconds));
        }
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

fn bar_style() -> ProgressStyle {
    // The template is a constant that a run on a terminal shows to be right; the plain style stands in for it otherwise.
    ProgressStyle::with_template("{msg:24} {wide_bar} {human_pos} of about {human_len} rows, {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
