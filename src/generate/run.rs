//! One run, from the database to the published file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, BufWriter};
use std::thread;
use std::time::{Duration, Instant};

use ip_network::IpNetwork;
use slog::{Logger, debug, info, warn};

use super::cache;
use super::collect::{Collected, collect};
use super::connect::Connector;
use super::deadline::Deadline;
use super::error::GenerateError;
use super::findings::Findings;
use super::ids::HostId;
use super::progress::{Progress, StepDone};
use super::publish::{self, NewFile, Present, Size};
use super::report::{self, Contents, Report};
use super::served::Gone;
use super::session::{Context, ReadError};
use super::source::DatabaseSource;
use super::unfinished::Unfinished;
use crate::settings::GeneratorConfig;
use crate::snapshot::Catalogue;
use crate::snapshot::age;

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// When the cache was made, in seconds since the Unix epoch.
    pub time: u64,
    /// How much it has.
    pub contents: Contents,
    /// All warnings.
    pub findings: Findings,
    /// Tables and phases, with their rows and times.
    pub steps: Vec<StepDone>,
}

/// What a run has from its surroundings.
pub struct RunContext<'a> {
    /// Its settings.
    pub config: &'a GeneratorConfig,
    /// The database that it reads.
    pub source: &'a DatabaseSource,
    /// Its logger.
    pub logger: &'a Logger,
    /// Notes what it is doing.
    pub progress: &'a Progress,
    /// When it has to be over.
    pub deadline: Deadline,
    /// Notes the files that it has not finished.
    pub unfinished: &'a Unfinished,
}

/// Makes a cache and publishes it, or only checks it.
///
/// # Errors
/// If there is no new cache; the present file is as it was.
pub fn run(context: &RunContext<'_>) -> Result<Outcome, GenerateError> {
    let RunContext { config, deadline, .. } = *context;
    // First of all, so that what can't be written is known before the database is asked for anything.
    let new_file = match config.check {
        true => None,
        false => Some(NewFile::begin(&config.outfile, context.unfinished, deadline)?),
    };
    if let Some(path) = &config.report {
        report::check_path(path)?;
    }
    thread::scope(|scope| {
        let present = scope.spawn(|| publish::present(&config.outfile));
        let run = Run::new(context)?;
        let new = run.make(new_file.as_ref())?;
        // A panic over there is a defect; it goes on here.
        let present = present.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let made = run.compare(new, present.as_ref())?;
        if !config.force {
            publish::check_clock(present.as_ref(), run.time)?;
            let size = present.as_ref().map(|present| present.size);
            publish::check_loss(size, made.size, config.max_shrink.fraction(), &made.gone)?;
        }
        if let Some(file) = new_file {
            let step = context.progress.phase("publish");
            file.publish(config.previous)?;
            step.finish(made.contents.bytes);
        }
        Ok(run.finish(made))
    })
}

/// How often a run reads the database again when a query was cancelled, and how long it waits before the first time; then
/// twice as long each time.
const READ_ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

struct Run<'a> {
    config: &'a GeneratorConfig,
    logger: &'a Logger,
    progress: &'a Progress,
    context: &'a RunContext<'a>,
    connector: Connector,
    started: Instant,
    time: u64,
}

/// A cache that is written, and can be loaded.
struct New {
    collected: Collected,
    contents: Contents,
    size: Size,
    catalogue: Catalogue,
    findings: Findings,
}

/// What is known of a cache once it is compared with the present file, but not published.
struct Made {
    contents: Contents,
    size: Size,
    gone: Gone,
    findings: Findings,
}

type Networks = BTreeMap<IpNetwork, BTreeSet<HostId>>;

impl<'a> Run<'a> {
    fn new(context: &'a RunContext<'a>) -> Result<Self, GenerateError> {
        Ok(Self {
            config: context.config,
            logger: context.logger,
            progress: context.progress,
            context,
            connector: Connector::new(&context.source.database, context.logger)?,
            started: Instant::now(),
            time: age::now(),
        })
    }

    fn make(&self, file: Option<&NewFile>) -> Result<New, GenerateError> {
        let (collected, networks, mut findings) = self.read()?;
        let (bytes, catalogue) = match file {
            Some(file) => self.make_file(file, &collected, &networks, &mut findings)?,
            None => self.make_nothing(&collected, &networks, &mut findings)?,
        };
        let size = Size::of(&catalogue);
        let contents = Contents {
            hosts: size.hosts,
            directories: size.directories,
            repositories: size.repositories,
            bytes,
        };
        self.log(&findings);
        Ok(New {
            collected,
            contents,
            size,
            catalogue,
            findings,
        })
    }

    /// Looks for what the present file serves and the new one doesn't, and reports on it all.
    fn compare(&self, new: New, present: Option<&Present>) -> Result<Made, GenerateError> {
        let New {
            collected,
            contents,
            size,
            catalogue,
            findings,
        } = new;
        let gone = present.map_or_else(Gone::default, |present| present.served.gone_in(&catalogue));
        drop(catalogue);
        if let Some(path) = &self.config.report {
            let Collected {
                hosts,
                layout,
                up_to_date,
                ..
            } = &collected;
            Report::new(self.time, contents, &gone, &findings, hosts, layout, up_to_date)
                .write(path, self.context.unfinished)?;
        }
        Ok(Made {
            contents,
            size,
            gone,
            findings,
        })
    }

    /// Reads the database; once more if a query was cancelled, which a hot standby does when it has to go on.
    fn read(&self) -> Result<(Collected, Networks, Findings), GenerateError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..READ_ATTEMPTS {
            match self.try_to_read() {
                Ok(read) => return Ok(read),
                Err(ReadError { error, passing: true }) if self.context.deadline.remaining() > pause => {
                    warn!(self.logger, "reading the database again"; "error" => %error, "pause_s" => pause.as_secs());
                    thread::sleep(pause);
                    pause *= 2;
                }
                Err(ReadError { error, .. }) => return Err(error),
            }
        }
        self.try_to_read().map_err(|failure| failure.error)
    }

    fn try_to_read(&self) -> Result<(Collected, Networks, Findings), ReadError> {
        let mut findings = Findings::default();
        let step = self.progress.phase("read");
        let context = Context {
            connector: &self.connector,
            deadline: self.context.deadline,
            silence: self.context.source.silence,
            logger: self.logger,
        };
        let (collected, netblocks) = collect(&context, self.config.dns_limit(), self.progress, &mut findings)?;
        let networks = netblocks.finish(&mut findings);
        step.finish(0);
        Ok((collected, networks, findings))
    }

    /// Writes the new file and reads it back.
    fn make_file(
        &self,
        file: &NewFile,
        collected: &Collected,
        networks: &Networks,
        findings: &mut Findings,
    ) -> Result<(u64, Catalogue), GenerateError> {
        let step = self.progress.phase("write");
        let (bytes, catalogue) = file.write(|out| cache::write(collected, networks, self.time, out, findings))?;
        step.finish(bytes);
        Ok((bytes, catalogue))
    }

    /// Writes the cache to nowhere but the loader.
    fn make_nothing(
        &self,
        collected: &Collected,
        networks: &Networks,
        findings: &mut Findings,
    ) -> Result<(u64, Catalogue), GenerateError> {
        let step = self.progress.phase("validate");
        let failed = |error: io::Error| GenerateError::output(&self.config.outfile, &error);
        let (reader, writer) = io::pipe().map_err(failed)?;
        thread::scope(|scope| {
            let validated = scope.spawn(|| publish::validate(BufReader::with_capacity(PIPE_BUFFER, reader)));
            let out = BufWriter::with_capacity(PIPE_BUFFER, writer);
            let written = cache::write(collected, networks, self.time, out, findings);
            let validated = validated
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            // A loader that gives up closes the pipe: its reason comes first.
            let catalogue = validated?;
            let bytes = written.map_err(failed)?;
            step.finish(bytes);
            Ok((bytes, catalogue))
        })
    }

    /// Logs the warnings: each for somebody who looks for errors, otherwise their number and the first of each kind.
    fn log(&self, findings: &Findings) {
        for (kind, found) in findings.iter() {
            let first = found.listed.first().map_or("", String::as_str);
            warn!(self.logger, "{first}"; "kind" => kind.name(), "count" => found.count);
            for text in found.listed.iter().skip(1) {
                debug!(self.logger, "{text}"; "kind" => kind.name());
            }
        }
    }

    fn finish(self, made: Made) -> Outcome {
        let Contents {
            hosts,
            directories,
            repositories,
            bytes,
        } = made.contents;
        let done = if self.config.check { "checked" } else { "published" };
        info!(self.logger, "{done}"; "hosts" => hosts, "directories" => directories, "repositories" => repositories,
            "bytes" => bytes, "warnings" => made.findings.total(),
            "duration_ms" => u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        Outcome {
            time: self.time,
            contents: made.contents,
            findings: made.findings,
            steps: self.progress.done(),
        }
    }
}

/// Pieces of a pipe, in bytes: as much as Linux keeps in one.
const PIPE_BUFFER: usize = 64 << 10;
