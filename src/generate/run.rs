//! One run, from the database to the published file.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use slog::{Logger, debug, info, warn};

use super::build::MirrorData;
use super::collect::collect;
use super::deadline::Deadline;
use super::error::GenerateError;
use super::progress::{RunProgress, StepDone};
use super::read::connect::Connector;
use super::read::refusal::ReadFailure;
use super::read::session::ReadContext;
use super::read::source::DatabaseSource;
use super::warnings::RowWarnings;
use super::write::encode::write_cache;
use super::write::gone::Gone;
use super::write::loss;
use super::write::publish::NewFile;
use super::write::report::{self, Contents, Report};
use super::write::unfinished::Unfinished;
use super::write::validate;
use crate::cache::summary::CacheSummary;
use crate::settings::GeneratorConfig;
use crate::snapshot::Catalogue;
use crate::snapshot::age;
use crate::threads::join;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// When the cache was made, in seconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) contents: Contents,
    pub(crate) warnings: RowWarnings,
    /// Tables and phases, with their rows and times.
    pub(crate) steps: Vec<StepDone>,
}

/// The surroundings of a run.
pub(crate) struct RunContext {
    pub(crate) config: Arc<GeneratorConfig>,
    pub(crate) source: Arc<DatabaseSource>,
    pub(crate) logger: Logger,
    pub(crate) progress: Arc<RunProgress>,
    pub(crate) deadline: Deadline,
    pub(crate) unfinished: Unfinished,
}

/// Makes a cache and publishes it, or only checks it.
///
/// # Errors
/// If there is no new cache; the current file is as it was.
pub(crate) fn run(context: &RunContext) -> Result<Outcome, GenerateError> {
    let config = &context.config;
    // First of all, so that a file that can't be written is known before the database is asked for anything.
    let new_file = match config.check {
        true => None,
        false => Some(NewFile::begin(&config.outfile, &context.unfinished, context.deadline)?),
    };
    if let Some(path) = &config.report {
        report::check_path(path)?;
    }
    thread::scope(|scope| {
        let current = scope.spawn(|| loss::summarise(&config.outfile, &context.logger));
        let run = CacheRun {
            context,
            connector: Connector::new(&context.source.database, &context.logger)?,
            started: Instant::now(),
            time: age::now(),
        };
        let new = run.make(new_file.as_ref())?;
        let current = join(current);
        let contents = new.contents;
        let (gone, warnings) = run.compare(new, current.as_ref())?;
        if !config.force {
            loss::check_clock(current.as_ref(), run.time)?;
            loss::check_loss(current.as_ref(), contents, config.max_shrink, &gone)?;
        }
        if let Some(file) = new_file {
            let step = context.progress.phase("publish");
            file.publish(!config.no_previous)?;
            step.finish(contents.bytes);
        }
        Ok(run.finish(contents, warnings))
    })
}

/// Attempts to read the database, if a query is cancelled.
const READ_ATTEMPTS: u32 = 4;

/// The pause before the second attempt; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

struct CacheRun<'a> {
    context: &'a RunContext,
    connector: Connector,
    started: Instant,
    time: u64,
}

/// A cache that is written, and can be loaded.
struct NewCache {
    data: MirrorData,
    contents: Contents,
    catalogue: Catalogue,
    warnings: RowWarnings,
}

impl CacheRun<'_> {
    /// Reads the database, writes the new file and loads it; without a file, it is loaded only.
    fn make(&self, file: Option<&NewFile>) -> Result<NewCache, GenerateError> {
        let RunContext { config, progress, .. } = self.context;
        let (data, mut warnings) = self.read()?;
        let step = progress.phase(if file.is_some() { "write" } else { "validate" });
        let (bytes, catalogue) = match file {
            Some(file) => file.write(|out| write_cache(&data, self.time, out, &mut warnings))?,
            None => validate::validate_only(&config.outfile, |out| write_cache(&data, self.time, out, &mut warnings))?,
        };
        step.finish(bytes);
        log(&self.context.logger, &warnings);
        Ok(NewCache {
            data,
            contents: Contents::new(&catalogue, bytes),
            catalogue,
            warnings,
        })
    }

    /// Compares a new cache with the current one, and reports on it all.
    fn compare(&self, new: NewCache, current: Option<&CacheSummary>) -> Result<(Gone, RowWarnings), GenerateError> {
        let gone = current.map_or_else(Gone::default, |current| Gone::between(current, &new.catalogue));
        drop(new.catalogue);
        if let Some(path) = &self.context.config.report {
            Report::new(self.time, new.contents, &gone, &new.warnings, &new.data)
                .write(path, &self.context.unfinished)?;
        }
        Ok((gone, new.warnings))
    }

    /// Reads the database; again if a query is cancelled, which a hot standby does when it has to go on.
    fn read(&self) -> Result<(MirrorData, RowWarnings), GenerateError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..READ_ATTEMPTS {
            match self.try_to_read() {
                Ok(read) => return Ok(read),
                Err(ReadFailure { error, passing: true }) if self.context.deadline.remaining() > pause => {
                    warn!(self.context.logger, "reading the database again"; "error" => %error, "pause_s" => pause.as_secs());
                    thread::sleep(pause);
                    pause *= 2;
                }
                Err(ReadFailure { error, .. }) => return Err(error),
            }
        }
        self.try_to_read().map_err(|failure| failure.error)
    }

    fn try_to_read(&self) -> Result<(MirrorData, RowWarnings), ReadFailure> {
        let RunContext { config, progress, .. } = self.context;
        let mut warnings = RowWarnings::default();
        let step = progress.phase("read");
        let context = ReadContext {
            connector: &self.connector,
            deadline: self.context.deadline,
            silence: self.context.source.silence,
            logger: &self.context.logger,
        };
        let data = collect(&context, config.dns_limit(), progress, &mut warnings)?;
        step.finish(0);
        Ok((data, warnings))
    }

    fn finish(self, contents: Contents, warnings: RowWarnings) -> Outcome {
        let done = match self.context.config.check {
            true => "checked",
            false => "published",
        };
        info!(self.context.logger, "{done}"; "hosts" => contents.hosts, "directories" => contents.directories,
            "repositories" => contents.repositories, "bytes" => contents.bytes, "warnings" => warnings.total(),
            "duration_ms" => u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        Outcome {
            time: self.time,
            contents,
            warnings,
            steps: self.context.progress.done(),
        }
    }
}

/// Logs the number and the first of each kind of warnings; with `--debug`, each of them.
fn log(logger: &Logger, warnings: &RowWarnings) {
    for (kind, found) in warnings.iter() {
        let mut listed = found.listed.iter();
        // The first one is always listed.
        let first = listed.next().map_or("", String::as_str);
        warn!(logger, "{first}"; "kind" => kind.name(), "count" => found.count);
        for text in listed {
            debug!(logger, "{text}"; "kind" => kind.name());
        }
    }
}
