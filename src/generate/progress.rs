//! The progress of a run: bars on a terminal, otherwise a log line for each table and each phase. The times and rows are kept for
//! the metrics.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use slog::{Logger, info};

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    Table,
    /// A part of the whole work.
    Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepDone {
    pub(crate) kind: StepKind,
    /// The table or the phase.
    pub(crate) name: &'static str,
    /// Rows of the table; bytes, directories or nothing for a phase.
    pub(crate) rows: u64,
    pub(crate) duration: Duration,
}

pub(crate) struct RunProgress {
    logger: Logger,
    bars: Option<MultiProgress>,
    done: Mutex<Vec<StepDone>>,
    under_way: Mutex<Vec<&'static str>>,
}

pub(crate) struct Step<'a> {
    progress: &'a RunProgress,
    kind: StepKind,
    name: &'static str,
    started: Instant,
    bar: ProgressBar,
}

impl RunProgress {
    /// The progress of a run that begins: with bars if standard error is a terminal.
    pub(crate) fn new(logger: &Logger) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            logger: logger.clone(),
            bars: terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())),
            done: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    pub(crate) fn table(&self, name: &'static str) -> Step<'_> {
        self.step(StepKind::Table, name, None)
    }

    /// Begins to read a table of about so many rows.
    pub(crate) fn long_table(&self, name: &'static str, rows: u64) -> Step<'_> {
        self.step(StepKind::Table, name, Some(rows))
    }

    pub(crate) fn phase(&self, name: &'static str) -> Step<'_> {
        self.step(StepKind::Phase, name, None)
    }

    pub(crate) fn done(&self) -> Vec<StepDone> {
        self.done.lock().clone()
    }

    /// The steps under way, like `read, host_category_dir`.
    pub(crate) fn under_way(&self) -> String {
        match &**self.under_way.lock() {
            [] => "between two steps".to_owned(),
            steps => steps.join(", "),
        }
    }

    fn step(&self, kind: StepKind, name: &'static str, rows: Option<u64>) -> Step<'_> {
        let bar = self.bars.as_ref().map_or_else(ProgressBar::hidden, |bars| {
            let bar = match rows {
                Some(rows) => ProgressBar::new(rows).with_style(bar_style()),
                None => ProgressBar::new_spinner(),
            };
            bars.add(bar.with_message(name))
        });
        self.under_way.lock().push(name);
        Step {
            progress: self,
            kind,
            name,
            started: Instant::now(),
            bar,
        }
    }
}

impl Step<'_> {
    /// So many rows more have been read.
    pub(crate) fn advance(&self, rows: u64) {
        self.bar.inc(rows);
    }

    pub(crate) fn finish(self, rows: u64) {
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
        self.progress.done.lock().push(done);
    }
}

impl Drop for Step<'_> {
    /// A step that failed takes its bar with it.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        let mut steps = self.progress.under_way.lock();
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
