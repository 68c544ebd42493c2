//! A run in a thread of its own, so that whatever it hangs in, the generator goes on when the run's time is over.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use slog::Logger;

use super::deadline::Deadline;
use super::error::GenerateError;
use super::metrics::GeneratorMetrics;
use super::progress::RunProgress;
use super::read::source::DatabaseSource;
use super::run::{self, Outcome, RunContext};
use super::write::unfinished::Unfinished;
use crate::settings::GeneratorConfig;

/// A run notices its deadline by itself, and has this long to cancel its queries and remove its file.
const GRACE: Duration = Duration::from_secs(10);

/// Starts runs, one at a time.
pub(super) struct Supervisor {
    pub(super) config: Arc<GeneratorConfig>,
    pub(super) source: Arc<DatabaseSource>,
    pub(super) logger: Logger,
    pub(super) metrics: Arc<GeneratorMetrics>,
    pub(super) unfinished: Unfinished,
    /// A run that did not notice its deadline: it hangs in the operating system, which nothing can interrupt.
    pub(super) stuck: Option<RunThread>,
}

pub(super) struct RunThread {
    thread: JoinHandle<()>,
    result: Receiver<Result<Outcome, GenerateError>>,
    progress: Arc<RunProgress>,
}

impl Supervisor {
    /// Runs once, and counts how that ended.
    ///
    /// # Errors
    /// If there is no new cache. A run that hangs is left alone, and no other one starts before it has ended.
    pub(super) fn run(&mut self) -> Result<Outcome, GenerateError> {
        let deadline = Deadline::new(self.config.timeout);
        self.stuck.take_if(|run| run.thread.is_finished());
        let result = match &self.stuck {
            Some(run) => {
                let doing = run.progress.under_way();
                Err(deadline.missed(&format!("waiting for the run before it, which hangs ({doing})")))
            }
            None => self.start(deadline).and_then(|run| self.wait(run, deadline)),
        };
        self.metrics.record(&result);
        result
    }

    fn start(&self, deadline: Deadline) -> Result<RunThread, GenerateError> {
        let progress = Arc::new(RunProgress::new(&self.logger));
        self.metrics.begin(Arc::clone(&progress));
        let (sender, result) = channel();
        let context = RunContext {
            config: self.config.clone(),
            source: self.source.clone(),
            logger: self.logger.clone(),
            progress: progress.clone(),
            deadline,
            unfinished: self.unfinished.clone(),
        };
        // The result of a run that hung is not waited for any more.
        let work = move || _ = sender.send(run::run(&context));
        let thread = thread::Builder::new().name("run".to_owned()).spawn(work);
        let thread = thread.map_err(|error| GenerateError::Database(format!("cannot start a thread: {error}")))?;
        Ok(RunThread {
            thread,
            result,
            progress,
        })
    }

    fn wait(&mut self, run: RunThread, deadline: Deadline) -> Result<Outcome, GenerateError> {
        match run.result.recv_timeout(deadline.remaining() + GRACE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                let doing = run.progress.under_way();
                self.stuck = Some(run);
                Err(deadline.missed(&format!("it hangs ({doing})")))
            }
            Err(RecvTimeoutError::Disconnected) => match run.thread.join() {
                // A panic over there is a defect; it goes on here.
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => Err(deadline.missed("ending")),
            },
        }
    }
}
