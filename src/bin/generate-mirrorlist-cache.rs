//! The program `generate-mirrorlist-cache`: settings, logger, run, exit code. Or it asks a running generator for its health, or
//! compares two caches.

use std::env;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use actix_web::http::Method;
use mirrorlist_server::admin::client;
use mirrorlist_server::cache_compare::command::{self, CacheCompareOutcome};
use mirrorlist_server::generate::database::Environment;
use mirrorlist_server::generate::{self, DatabaseSource, GenerateError};
use mirrorlist_server::logging;
use mirrorlist_server::settings::{
    AdminAddress, CacheCompareSettings, GeneratorCommand, GeneratorConfig, LogFormat, LoggingSettings,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "generate-mirrorlist-cache";

fn main() -> ExitCode {
    match GeneratorCommand::parse(env::args_os()) {
        Ok(GeneratorCommand::Print(text)) => print(&text),
        Ok(GeneratorCommand::Generate(config)) => match generate(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Ok(GeneratorCommand::Healthcheck(address)) => {
            client::ask(PROGRAM, &AdminAddress::Tcp(address), &Method::GET, "/healthz")
        }
        Ok(GeneratorCommand::Compare(settings)) => compare(&settings),
        Err(error) => fail(&error.into()),
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
    let logging = logging::logger(LoggingSettings {
        level: config.log_level(io::stderr().is_terminal()),
        format: LogFormat::Auto,
    });
    generate::generate(config, &source, &logging.logger)
}

fn print(text: &str) -> ExitCode {
    let printed = io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(printed.is_err()))
}

fn fail(error: &GenerateError) -> ExitCode {
    logging::last_words(&format!("{PROGRAM}: {error}"));
    ExitCode::from(error.exit_code())
}
