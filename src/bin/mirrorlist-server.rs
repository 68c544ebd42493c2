//! The server's command: configuration, logger, data, run, exit code.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use mirrorlist_server::config::{self, Command, ServerConfig};
use mirrorlist_server::{check, demo, logging, server, snapshot};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A mistake in the command line or another setting (EX_USAGE).
const USAGE: u8 = 64;
/// A data file that can't be used (EX_NOINPUT).
const BAD_DATA: u8 = 66;
/// An address or a file that the server needs and can't have (EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;

fn main() -> ExitCode {
    let environment =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match config::parse(env::args_os(), environment) {
        Ok(Command::Print(text)) => print(&text),
        Ok(Command::Check(config)) => match snapshot::load::load(&config.files) {
            Ok(snapshot) => print(&check::describe(&snapshot)),
            Err(error) => fail(BAD_DATA, &error),
        },
        Ok(Command::Serve(config)) => match snapshot::load::load(&config.files) {
            Ok(snapshot) => serve(&config, snapshot, |_| {}),
            Err(error) => fail(BAD_DATA, &error),
        },
        Ok(Command::Demo(config)) => match demo::snapshot() {
            Ok(snapshot) => serve(&config, snapshot, |address| {
                print(&demo::examples(address));
            }),
            Err(error) => fail(BAD_DATA, &error),
        },
        Err(error) => fail(USAGE, &error),
    }
}

fn serve(config: &ServerConfig, snapshot: snapshot::Snapshot, announce: impl FnMut(std::net::SocketAddr)) -> ExitCode {
    let (logger, guard) = logging::logger(config.logging);
    let outcome = server::run(config, snapshot, &logger, announce);
    drop(guard);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(UNAVAILABLE, &error),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fail(code: u8, error: &impl std::fmt::Display) -> ExitCode {
    // With standard error closed there is nobody to tell; the exit code still says it.
    let _ = writeln!(io::stderr(), "mirrorlist-server: {error}");
    ExitCode::from(code)
}
