//! The logger of diagnostics: slog to standard error, as JSON lines or in terminal style. It is made once and handed down.

use std::io::{self, IsTerminal};

use slog::{Drain, Level, Logger, o};
use slog_async::{AsyncGuard, OverflowStrategy};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggingSettings {
    /// The least severe level that is written.
    pub level: Level,
    /// What messages look like.
    pub format: Format,
}

/// What messages look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people on a terminal, else for machines.
    Auto,
    /// A JSON object a line.
    Json,
    /// For people.
    Terminal,
}

/// This many messages wait to be written; beyond that they are dropped, and their number is logged.
const WAITING_MESSAGES: usize = 4_096;

/// Makes the logger. What waits is written when the guard is dropped.
pub fn logger(settings: LoggingSettings) -> (Logger, AsyncGuard) {
    let terminal = match settings.format {
        Format::Auto => io::stderr().is_terminal(),
        Format::Json => false,
        Format::Terminal => true,
    };
    if terminal {
        let decorator = slog_term::TermDecorator::new().stderr().build();
        asynchronous(slog_term::FullFormat::new(decorator).build(), settings.level)
    } else {
        asynchronous(
            slog_json::Json::new(io::stderr()).add_default_keys().build(),
            settings.level,
        )
    }
}

/// Writing happens in a thread of its own, so that a slow terminal never delays a request.
fn asynchronous<D>(drain: D, level: Level) -> (Logger, AsyncGuard)
where
    D: Drain + Send + 'static,
    D::Err: std::fmt::Debug,
{
    let (drain, guard) = slog_async::Async::new(drain.ignore_res())
        .chan_size(WAITING_MESSAGES)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .build_with_guard();
    (Logger::root(drain.filter_level(level).ignore_res(), o!()), guard)
}
