//! One run, from the database to the published file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, BufWriter};
use std::thread;
use std::time::{Instant, SystemTime};

use ip_network::IpNetwork;
use slog::{Logger, debug, info, warn};

use super::cache;
use super::collect::{Collected, collect};
use super::config::GeneratorConfig;
use super::connect::Connector;
use super::error::GenerateError;
use super::findings::Findings;
use super::ids::HostId;
use super::progress::{Progress, StepDone};
use super::publish::{self, NewFile, Size};
use super::report::{Contents, Report};
use crate::snapshot::Catalogue;

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

/// Makes a cache and publishes it, or only checks it.
///
/// # Errors
/// Where there is no new cache; the present file is as it was.
pub fn run(config: &GeneratorConfig, logger: &Logger) -> Result<Outcome, GenerateError> {
    // First of all, so that a folder that can't be written is known before the database is asked for anything.
    let new_file = match config.check {
        true => None,
        false => Some(NewFile::begin(&config.outfile)?),
    };
    thread::scope(|scope| {
        let present = scope.spawn(|| publish::present_size(&config.outfile));
        let run = Run::new(config, logger)?;
        let made = run.make(new_file.as_ref())?;
        // A panic over there is a defect; it goes on here.
        let present = present.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if !config.force {
            publish::check_size(present, made.size, config.max_shrink)?;
        }
        if let Some(file) = new_file {
            let step = run.progress.phase("publish");
            file.publish()?;
            step.finish(made.contents.bytes);
        }
        Ok(run.finish(made))
    })
}

struct Run<'a> {
    config: &'a GeneratorConfig,
    logger: &'a Logger,
    progress: Progress,
    connector: Connector,
    started: Instant,
    time: u64,
}

/// A cache that is written and good, but not published.
struct Made {
    contents: Contents,
    size: Size,
    findings: Findings,
}

type Networks = BTreeMap<IpNetwork, BTreeSet<HostId>>;

impl<'a> Run<'a> {
    fn new(config: &'a GeneratorConfig, logger: &'a Logger) -> Result<Self, GenerateError> {
        Ok(Self {
            config,
            logger,
            progress: Progress::new(logger),
            connector: Connector::new(&config.database)?,
            started: Instant::now(),
            // A clock before 1970 knows no time at all.
            time: SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()),
        })
    }

    fn make(&self, file: Option<&NewFile>) -> Result<Made, GenerateError> {
        let mut findings = Findings::default();
        let step = self.progress.phase("read");
        let (collected, netblocks) = collect(
            &self.connector,
            self.config.dns_timeout,
            &self.progress,
            self.logger,
            &mut findings,
        )?;
        let networks = netblocks.finish(&mut findings);
        step.finish(0);
        let (bytes, catalogue) = match file {
            Some(file) => self.make_file(file, &collected, &networks, &mut findings)?,
            None => self.make_nothing(&collected, &networks, &mut findings)?,
        };
        let size = Size::of(&catalogue);
        drop(catalogue);
        let contents = Contents {
            hosts: size.hosts,
            directories: size.directories,
            repositories: size.repositories,
            bytes,
        };
        self.log(&findings);
        if let Some(path) = &self.config.report {
            let Collected {
                hosts,
                layout,
                up_to_date,
                ..
            } = &collected;
            Report::new(self.time, contents, &findings, hosts, layout, up_to_date).write(path)?;
        }
        Ok(Made {
            contents,
            size,
            findings,
        })
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
