//! The program `generate-mirrorlist-cache`: settings, logger, run, exit code. Or it asks a running generator for its health,
//! compares two caches, or asks mirrors how they are.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use actix_web::http::Method;
use mirrorlist_server::admin::client;
use mirrorlist_server::cache_compare::command::{self, CacheCompareOutcome};
use mirrorlist_server::generate::database::Environment;
use mirrorlist_server::generate::{self, DatabaseSource, GenerateError};
use mirrorlist_server::logging;
use mirrorlist_server::probe::{self, ProbeError};
use mirrorlist_server::settings::{
    AdminAddress, CacheCompareSettings, GeneratorCommand, GeneratorConfig, LogFormat, LoggingSettings, ProbeConfig,
};
use slog::Level;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "generate-mirrorlist-cache";

fn main() -> ExitCode {
    match GeneratorCommand::parse(env::args_os()) {
        Ok(GeneratorCommand::Print(text)) => print(&text),
        Ok(GeneratorCommand::Generate(config)) => match generate(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, error.exit_code()),
        },
        Ok(GeneratorCommand::Healthcheck(address)) => {
            client::ask(PROGRAM, &AdminAddress::Tcp(address), &Method::GET, "/healthz")
        }
        Ok(GeneratorCommand::Compare(settings)) => compare(&settings),
        Ok(GeneratorCommand::Probe(config)) => match probe(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, error.exit_code()),
        },
        Err(error) => {
            let error = GenerateError::from(error);
            fail(&error, error.exit_code())
        }
    }
}

fn compare(settings: &CacheCompareSettings) -> ExitCode {
    let outcome = command::run(settings);
    match &outcome {
        CacheCompareOutcome::Same | CacheCompareOutcome::Different => {}
        CacheCompareOutcome::Failed(error) => logging::last_words(&format!("{PROGRAM}: {error}")),
        CacheCompareOutcome::NotPrinted(error) => {
            logging::last_words(&format!("{PROGRAM}: cannot print the report: {error}"));
        }
    }
    ExitCode::from(outcome.exit_code())
}

fn generate(config: &GeneratorConfig) -> Result<(), GenerateError> {
    let source = DatabaseSource::find(config, &Environment::of_process())?;
    let logging = logging::logger(logging(config.log_level(io::stderr().is_terminal())));
    generate::generate(config, &source, &logging.logger)
}

fn probe(config: &ProbeConfig) -> Result<(), ProbeError> {
    let logging = logging::logger(logging(config.log_level(io::stderr().is_terminal())));
    probe::probe(config, &logging.logger)
}

fn logging(level: Level) -> LoggingSettings {
    LoggingSettings {
        level,
        format: LogFormat::Auto,
    }
}

fn print(text: &str) -> ExitCode {
    let printed = io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(printed.is_err()))
}

fn fail(error: &dyn Display, exit_code: u8) -> ExitCode {
    logging::last_words(&format!("{PROGRAM}: {error}"));
    ExitCode::from(exit_code)
}
