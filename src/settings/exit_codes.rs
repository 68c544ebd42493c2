//! The exit codes of both programs and their commands, as sysexits.h has them: numbers for the code, meanings for the help.

/// A mistake in the command line or another setting (EX_USAGE).
pub const USAGE: u8 = 64;
/// A data file that can't be used (EX_NOINPUT).
pub const BAD_DATA: u8 = 66;
/// An address, a file, a server or a database that is needed and can't be had (EX_UNAVAILABLE).
pub const UNAVAILABLE: u8 = 69;
/// A stop that was cut short, or a result that is refused (EX_SOFTWARE).
pub const SOFTWARE: u8 = 70;
/// The operating system refuses something basic, like a thread (EX_OSERR).
pub const OPERATING_SYSTEM: u8 = 71;
/// An output file that can't be written (EX_CANTCREAT).
pub const CANNOT_CREATE: u8 = 73;
/// A report that can't be printed (EX_IOERR).
pub const NOT_PRINTED: u8 = 74;

/// An exit code of a command, for its help and its man page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCodeInfo {
    /// The code.
    pub code: u8,
    /// When a command ends with it.
    pub meaning: &'static str,
}

const fn row(code: u8, meaning: &'static str) -> ExitCodeInfo {
    ExitCodeInfo { code, meaning }
}

const MISTAKE: ExitCodeInfo = row(USAGE, "a mistake in the settings");
const NO_DATA: ExitCodeInfo = row(BAD_DATA, "a data file that can't be used");
const NO_REPORT: ExitCodeInfo = row(NOT_PRINTED, "the report can't be written");
const NO_ANSWER: ExitCodeInfo = row(UNAVAILABLE, "no answer");

pub(super) const SERVE: &[ExitCodeInfo] = &[
    row(0, "stopped as told"),
    MISTAKE,
    NO_DATA,
    row(UNAVAILABLE, "an address or log file that can't be had"),
    row(SOFTWARE, "a stop that was cut short, 29 s after shutdown.grace"),
];
pub(super) const CHECK: &[ExitCodeInfo] = &[
    row(0, "all files can be used"),
    MISTAKE,
    NO_DATA,
    row(1, "the report can't be written"),
];
pub(super) const EXPLAIN: &[ExitCodeInfo] = &[
    row(0, "explained"),
    row(USAGE, "a mistake in the settings or in QUERY"),
    NO_DATA,
    row(1, "the explanation can't be written"),
];
pub(super) const COMPARE: &[ExitCodeInfo] = &[
    row(0, "nothing differs but on purpose"),
    row(1, "something differs"),
    MISTAKE,
    row(BAD_DATA, "a data file or a file of requests that can't be used"),
    row(
        UNAVAILABLE,
        "the other server does not answer or is no mirrorlist server",
    ),
    NO_REPORT,
];
pub(super) const HEALTHCHECK: &[ExitCodeInfo] = &[row(0, "ready"), row(1, "not ready"), MISTAKE, NO_ANSWER];
pub(super) const RELOAD: &[ExitCodeInfo] = &[row(0, "reloaded"), row(1, "refused"), MISTAKE, NO_ANSWER];

pub(super) const GENERATE: &[ExitCodeInfo] = &[
    row(0, "done"),
    MISTAKE,
    row(UNAVAILABLE, "the database is unavailable, or the run took too long"),
    row(SOFTWARE, "the result is refused"),
    row(CANNOT_CREATE, "an output file can't be written"),
];
pub(super) const GENERATOR_HEALTHCHECK: &[ExitCodeInfo] = &[
    row(0, "the last run succeeded"),
    row(1, "the last run failed"),
    MISTAKE,
    NO_ANSWER,
];
pub(super) const COMPARE_CACHES: &[ExitCodeInfo] = &[
    row(0, "nothing differs"),
    row(1, "something differs"),
    MISTAKE,
    row(BAD_DATA, "a file is not a usable cache"),
    NO_REPORT,
];
pub(super) const PROBE: &[ExitCodeInfo] = &[
    row(0, "done"),
    MISTAKE,
    row(BAD_DATA, "the cache can't be used"),
    row(OPERATING_SYSTEM, "no thread can be started"),
    row(CANNOT_CREATE, "the health file can't be written"),
];
