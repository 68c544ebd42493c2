//! A probe's work: load the cache when it has changed, ask, judge, publish; once, or again and again.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rand::rngs::{SmallRng, SysRng};
use rand::{SeedableRng as _, TryRng as _};
use slog::{Logger, debug, error, info, warn};

use super::ask::{Asker, Conditions};
use super::judge::{self, UrlObservations};
use super::metrics::ProbeMetrics;
use super::plan::{Plan, PlannedUrl};
use super::round::{self, KnownUrls, Round};
use super::summary::RoundSummary;
use crate::generate::schedule::{Schedule, stop_signals};
use crate::generate::write::files;
use crate::generate::write::unfinished::Unfinished;
use crate::health::file::FORMAT;
use crate::health::{AddressFamily, HealthFile, UrlHealth, Verdict};
use crate::http::monitoring;
use crate::settings::exit_codes::{BAD_DATA, CANNOT_CREATE, OPERATING_SYSTEM, USAGE};
use crate::settings::{ConfigError, ProbeConfig};
use crate::snapshot::data_file::load;
use crate::snapshot::{Catalogue, FileIdentity, LoadError, age};

/// A round ended without a new health file.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A mistake in the command line or the configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The cache can't be used.
    #[error("{0}; the health file stays as it is")]
    Cache(#[from] LoadError),
    /// The operating system starts no threads.
    #[error("cannot start a thread: {0}; the health file stays as it is")]
    Threads(#[source] io::Error),
    /// The health file can't be written.
    #[error("{}: {problem}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The problem, with advice.
        problem: String,
    },
}

impl ProbeError {
    /// The exit code of the process, as in sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => USAGE,
            Self::Cache(_) => BAD_DATA,
            Self::Threads(_) => OPERATING_SYSTEM,
            Self::Output { .. } => CANNOT_CREATE,
        }
    }
}

/// Asks all mirrors once, or again and again until SIGTERM or SIGINT if there is an interval. A signal ends the process at once.
///
/// # Errors
/// If a single round fails, or the configuration is wrong.
pub fn probe(config: &ProbeConfig, logger: &Logger) -> Result<(), ProbeError> {
    let metrics = ProbeMetrics::new(config.interval).map_err(|error| ConfigError::new(format!("metrics: {error}")))?;
    let metrics = Arc::new(metrics);
    monitoring::start(&metrics, config.metrics_listen, logger)?;
    let unfinished = Unfinished::default();
    let stop =
        stop_signals(false, unfinished.clone()).map_err(|error| ConfigError::new(format!("signals: {error}")))?;
    let mut prober = Prober::new(config, logger, metrics, unfinished);
    let Some(interval) = config.interval else {
        return prober.round();
    };
    let mut schedule = Schedule::new(interval);
    loop {
        let result = prober.round();
        if let Err(failure) = &result {
            error!(logger, "{failure}"; "exit_code" => failure.exit_code());
        }
        let pause = schedule.pause_after(result.is_ok(), &mut prober.random);
        info!(logger, "waiting"; "seconds" => pause.as_secs());
        if stop.recv_timeout(pause).is_ok() {
            return Ok(());
        }
    }
}

/// What lives from round to round.
struct Prober<'a> {
    config: &'a ProbeConfig,
    logger: &'a Logger,
    metrics: Arc<ProbeMetrics>,
    unfinished: Unfinished,
    random: SmallRng,
    plan: Option<(FileIdentity, Plan)>,
    /// The result of the last round.
    health: HealthFile,
    /// Patterns that the log has named.
    named: BTreeSet<String>,
}

impl<'a> Prober<'a> {
    fn new(config: &'a ProbeConfig, logger: &'a Logger, metrics: Arc<ProbeMetrics>, unfinished: Unfinished) -> Self {
        Self {
            config,
            logger,
            metrics,
            unfinished,
            // Without the operating system's entropy the order of hosts is no secret, which does no harm.
            random: SmallRng::seed_from_u64(SysRng.try_next_u64().unwrap_or_default()),
            plan: None,
            health: read_previous(&config.outfile, logger),
            named: BTreeSet::new(),
        }
    }

    /// Asks all mirrors, and counts how that ended.
    fn round(&mut self) -> Result<(), ProbeError> {
        let result = self.try_round();
        if let Err(failure) = &result {
            self.metrics.failed(failure.to_string());
        }
        result
    }

    fn try_round(&mut self) -> Result<(), ProbeError> {
        let target = fs::canonicalize(&self.config.outfile).unwrap_or_else(|_| self.config.outfile.clone());
        if let Some(problem) = files::not_a_file(&target, "--outfile") {
            return Err(ProbeError::Output { path: target, problem });
        }
        self.read_plan()?;
        let Some((_, plan)) = &self.plan else {
            return Ok(());
        };
        let started = Instant::now();
        let known = round::known_urls(&self.health);
        let found = ask(self.config, &self.metrics, plan, &known, &mut self.random).map_err(ProbeError::Threads)?;
        let urls = judge(self.logger, plan, &known, &found);
        let file = health_file(self.config, plan, urls, started.elapsed());
        publish(&file, &target, &self.unfinished)?;
        self.metrics.succeeded(&file, started.elapsed());
        tell(self.config, self.logger, plan, &file, started.elapsed());
        self.health = file;
        Ok(())
    }

    /// Makes a plan of the cache, if that has changed. The cache itself is not kept.
    fn read_plan(&mut self) -> Result<(), ProbeError> {
        let identity = FileIdentity::at(&self.config.cache).ok();
        if let (Some(identity), Some((planned, _))) = (identity, &self.plan)
            && identity == *planned
        {
            return Ok(());
        }
        let loaded = load::<Catalogue>(&self.config.cache)?;
        let plan = Plan::new(&loaded.table, &self.config.watch, &self.config.skip);
        let Some(file) = &loaded.file else {
            return Ok(());
        };
        file.log_warnings(self.logger);
        for pattern in &plan.unmatched {
            if self.named.insert(pattern.clone()) {
                warn!(self.logger, "no repository of the cache matches a pattern of --watch"; "pattern" => pattern);
            }
        }
        let urls = plan.urls().count();
        info!(self.logger, "the cache is read"; "created" => %age::Utc(plan.cache_created),
            "repositories" => plan.repositories.len(), "urls" => urls, "groups" => plan.groups.len());
        for repository in &plan.repositories {
            debug!(self.logger, "watched"; "directory" => &repository.directory);
        }
        if urls == 0 {
            warn!(
                self.logger,
                "no public URL of the cache can be asked; see --watch, and whether the cache has details of repomd.xml"
            );
        }
        self.plan = file.identity.map(|identity| (identity, plan));
        Ok(())
    }
}

/// The health file of an earlier round. Without one, nothing is known yet.
fn read_previous(path: &Path, logger: &Logger) -> HealthFile {
    let file = match files::open_file(path, 0) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return HealthFile::default(),
        Err(error) => {
            warn!(logger, "cannot read the last health file; its strikes are lost";
                "file" => path.display().to_string(), "error" => %error);
            return HealthFile::default();
        }
    };
    HealthFile::read(file).unwrap_or_else(|error| {
        warn!(logger, "cannot use the last health file; its strikes are lost";
            "file" => path.display().to_string(), "error" => %error);
        HealthFile::default()
    })
}

type Found<'a> = Vec<(&'a PlannedUrl, UrlObservations)>;

/// Asks all mirrors of a plan. A terminal sees a bar.
fn ask<'a>(
    config: &ProbeConfig,
    metrics: &ProbeMetrics,
    plan: &'a Plan,
    known: &'a KnownUrls<'a>,
    random: &mut SmallRng,
) -> io::Result<Found<'a>> {
    let asker = Asker::new(config);
    let bar = bar(plan.urls().count() as u64);
    let round = Round {
        plan,
        known,
        parallel: config.parallel,
        ask: |url: &str, family: AddressFamily, conditions: Conditions<'_>| {
            let reply = asker.ask(url, family, conditions);
            metrics.request(&reply);
            reply
        },
        done: || bar.inc(1),
    };
    let found = round.run(random);
    bar.finish_and_clear();
    found
}

fn bar(urls: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // The template is a constant; if it were wrong, the plain style would do.
    let style = ProgressStyle::with_template("asking mirrors {wide_bar} {pos} of {len} URLs, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(urls), ProgressDrawTarget::stderr()).with_style(style)
}

fn judge(logger: &Logger, plan: &Plan, known: &KnownUrls<'_>, found: &Found<'_>) -> Vec<UrlHealth> {
    let by_url: HashMap<&str, &UrlObservations> = found.iter().map(|(url, found)| (url.url.as_str(), found)).collect();
    let mut urls: Vec<&PlannedUrl> = plan.urls().collect();
    urls.sort_by(|a, b| (a.host_id, &a.url).cmp(&(b.host_id, &b.url)));
    let judged = urls.into_iter().filter_map(|url| {
        let observed = by_url.get(url.url.as_str())?;
        for (question, found) in url.questions.iter().zip(&observed.found) {
            if let Some(found) = found {
                debug!(logger, "asked"; "url" => &question.url, "answer" => &found.words);
            }
        }
        let known = known.get(url.url.as_str()).copied();
        Some(judge::judge_url(url, &plan.repositories, known, observed, logger))
    });
    judged.collect()
}

/// How long a file of a single round counts unless `--valid` says so: cron runs it at least every hour.
const VALID_ONCE: Duration = Duration::from_secs(3_600);

fn health_file(config: &ProbeConfig, plan: &Plan, urls: Vec<UrlHealth>, duration: Duration) -> HealthFile {
    let intervals = config
        .interval
        .map(|interval| interval.saturating_mul(3).saturating_add(duration));
    let valid = config.valid.or(intervals).unwrap_or(VALID_ONCE);
    let made = age::now();
    HealthFile {
        format: FORMAT,
        program: concat!("generate-mirrorlist-cache/", env!("CARGO_PKG_VERSION")).to_owned(),
        place: config.place.clone(),
        made,
        valid_until: made.saturating_add(valid.as_secs().max(1)),
        cache_created: plan.cache_created,
        urls,
    }
}

fn publish(file: &HealthFile, target: &Path, unfinished: &Unfinished) -> Result<(), ProbeError> {
    let written = files::replace(target, unfinished, |out| out.write_all(&file.to_json()?));
    written.map_err(|error| ProbeError::Output {
        path: target.to_owned(),
        problem: format!("cannot write it: {error}; the current file stays as it is"),
    })
}

/// Tells what came of a round: a line of the log, and a summary for people.
fn tell(config: &ProbeConfig, logger: &Logger, plan: &Plan, file: &HealthFile, duration: Duration) {
    let dead = file
        .urls
        .iter()
        .filter(|url| url.standing.verdict == Verdict::Dead)
        .count();
    let repositories = file.urls.iter().flat_map(|url| &url.repositories);
    let bad = repositories
        .filter(|repository| repository.standing.verdict.is_bad())
        .count();
    info!(logger, "all mirrors were asked"; "urls" => file.urls.len(), "dead" => dead, "stale_or_missing" => bad,
        "duration_ms" => u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    if config.report || io::stdout().is_terminal() {
        let summary = RoundSummary {
            file,
            repositories: &plan.repositories,
        };
        // A reader of a pipe that has closed it does not want the summary.
        let _ = write!(io::stdout().lock(), "{summary}");
    }
}
