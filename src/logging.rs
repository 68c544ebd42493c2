//! The logger of diagnostics: slog to standard error, as JSON lines or in terminal style. It is made once and handed down.
//!
//! Not here: the access log ([`crate::access_log`]).

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use slog::{Drain, Filter, Level, Logger, Record, o};
use slog_async::{AsyncGuard, OverflowStrategy};

use crate::background::Background;
use crate::settings::{LEVELS, LogFormat, LoggingSettings};

/// The number of messages that the buffer holds. Further ones are dropped, and their number is logged.
const WAITING_MESSAGES: usize = 4_096;

/// Finds a level by its name.
pub fn parse_level(name: &str) -> Option<Level> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

/// The name of a level.
pub fn level_name(level: Level) -> &'static str {
    // Only slog's critical level has no name here. It is always written.
    let level = LEVELS.iter().find(|(_, known)| *known == level);
    level.map_or("critical", |(name, _)| name)
}

/// The least severe level that is written; it can be set while the program runs.
#[derive(Debug, Clone)]
pub struct LevelHandle(Arc<AtomicUsize>);

impl LevelHandle {
    /// The level.
    pub fn get(&self) -> Level {
        Level::from_usize(self.0.load(Ordering::Relaxed)).unwrap_or(Level::Info)
    }

    /// Sets the level.
    pub fn set(&self, level: Level) {
        self.0.store(level.as_usize(), Ordering::Relaxed);
    }
}

/// The logger and its parts. Dropping it writes the buffered messages.
pub struct Logging {
    /// The logger, to be handed down.
    pub logger: Logger,
    /// Sets the level later.
    pub level: LevelHandle,
    guard: Option<AsyncGuard>,
}

/// How long the last messages may take: standard error may be a pipe that is not read.
const LAST_MESSAGES_LIMIT: Duration = Duration::from_secs(2);

impl Drop for Logging {
    fn drop(&mut self) {
        let guard = self.guard.take();
        within_limit("last-messages", move || drop(guard));
    }
}

/// Writes the reason for a program's end to standard error. Gives up if that is closed or not read.
pub fn last_words(text: &str) {
    let line = format!("{text}\n");
    within_limit("last-words", move || {
        let _ = io::stderr().write_all(line.as_bytes());
    });
}

fn within_limit(name: &str, work: impl FnOnce() + Send + 'static) {
    // Without a thread the work is given up, as at the end of the time.
    if let Ok(thread) = Background::spawn(name, work) {
        thread.end_within(LAST_MESSAGES_LIMIT);
    }
}

/// Makes the logger.
pub fn logger(settings: LoggingSettings) -> Logging {
    let terminal = match settings.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Terminal => true,
    };
    if terminal {
        let decorator = slog_term::TermDecorator::new().stderr();
        let decorator = match no_color(env::var_os("NO_COLOR").as_deref()) {
            true => decorator.force_plain().build(),
            false => decorator.build(),
        };
        asynchronous(slog_term::FullFormat::new(decorator).build(), settings.level)
    } else {
        let json = slog_json::Json::new(io::stderr()).add_default_keys();
        asynchronous(json.build(), settings.level)
    }
}

/// Whether colours are unwanted, by the variable `NO_COLOR` (<https://no-color.org>): by any value but an empty one.
fn no_color(variable: Option<&OsStr>) -> bool {
    variable.is_some_and(|value| !value.is_empty())
}

/// Writes in a thread of its own, so that a slow terminal never delays a request.
fn asynchronous(drain: impl Drain + Send + 'static, level: Level) -> Logging {
    let (drain, guard) = slog_async::Async::new(drain.ignore_res())
        .chan_size(WAITING_MESSAGES)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .build_with_guard();
    let level = Arc::new(AtomicUsize::new(level.as_usize()));
    let least = Arc::clone(&level);
    let severe_enough = move |record: &Record<'_>| record.level().as_usize() <= least.load(Ordering::Relaxed);
    Logging {
        logger: Logger::root(Filter::new(drain, severe_enough).ignore_res(), o!()),
        level: LevelHandle(level),
        guard: Some(guard),
    }
}
