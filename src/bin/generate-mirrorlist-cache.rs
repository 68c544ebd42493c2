//! The generator's command: configuration, logger, run, exit code.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use mirrorlist_server::generate::{self, Command, GenerateError, GeneratorConfig};
use mirrorlist_server::logging::{self, Format, LoggingSettings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match generate::config::parse(env::args_os(), env::var("DB_URL").ok()) {
        Ok(Command::Print(text)) => print(&text),
        Ok(Command::Generate(config)) => match generate(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Err(error) => fail(&error.into()),
    }
}

fn generate(config: &GeneratorConfig) -> Result<(), GenerateError> {
    let logging = logging::logger(LoggingSettings {
        level: if config.debug {
            slog::Level::Debug
        } else {
            slog::Level::Info
        },
        format: Format::Auto,
    });
    generate::generate(config, &logging.logger)
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(error: &GenerateError) -> ExitCode {
    // With standard error closed there is nobody to tell; the exit code still says it.
    let _ = writeln!(io::stderr(), "generate-mirrorlist-cache: {error}");
    ExitCode::from(error.exit_code())
}
