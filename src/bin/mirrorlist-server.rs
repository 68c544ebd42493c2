//! The program `mirrorlist-server`: settings, logger, data, run, exit code.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use actix_web::http::Method;
use mirrorlist_server::admin::client;
use mirrorlist_server::admin::explain::explain_text;
use mirrorlist_server::compare;
use mirrorlist_server::compare::run::CompareError;
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::server::{Data, ServerError};
use mirrorlist_server::settings::exit_codes::{BAD_DATA, NOT_PRINTED, UNAVAILABLE, USAGE};
use mirrorlist_server::settings::{CheckFormat, CompareOptions, ServerCommand, ServerConfig};
use mirrorlist_server::snapshot::{Loaded, Snapshot};
use mirrorlist_server::{check, demo, logging, server, snapshot};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROGRAM: &str = "mirrorlist-server";

fn main() -> ExitCode {
    let environment =
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match ServerCommand::parse(env::args_os(), environment) {
        Ok(ServerCommand::Print(text)) => print(&text),
        Ok(ServerCommand::Check(config, format)) => check(&config, format),
        Ok(ServerCommand::CheckNothing(error)) => fail_json(USAGE, &error, &check::mistaken_json(&error)),
        Ok(ServerCommand::Explain(config, query)) => with_data(&config, |snapshot| {
            match explain_text(snapshot, &query, &config.choice) {
                Ok(json) => print(&json),
                Err(error) => fail(USAGE, &error),
            }
        }),
        Ok(ServerCommand::Compare(config, options)) => {
            with_data(&config, |snapshot| compare(snapshot, &config, &options))
        }
        Ok(ServerCommand::Healthcheck(admin)) => client::ask(PROGRAM, &admin.listen, &Method::GET, "/readyz"),
        Ok(ServerCommand::Reload { admin, force }) => {
            let target = format!("/admin/reload?force={force}");
            client::ask(PROGRAM, &admin.listen, &Method::POST, &target)
        }
        Ok(ServerCommand::Serve(config)) => serve(&config, Data::Files, |_| {}),
        Ok(ServerCommand::Demo(config)) => demonstrate(&config),
        Err(error) => fail(USAGE, &error),
    }
}

fn check(config: &ServerConfig, format: CheckFormat) -> ExitCode {
    match (Snapshot::load(&config.files, &config.health), format) {
        (Ok(snapshot), CheckFormat::Text) => print(&check::describe(&snapshot)),
        (Ok(snapshot), CheckFormat::Json) => print(&check::describe_json(&snapshot)),
        (Err(error), CheckFormat::Text) => fail(BAD_DATA, &error),
        (Err(error), CheckFormat::Json) => fail_json(BAD_DATA, &error, &check::refused_json(&error)),
    }
}

/// Fails with a report on standard output. That it can't be written changes nothing: the exit code says the same.
fn fail_json(code: u8, error: &impl std::fmt::Display, report: &str) -> ExitCode {
    print(report);
    fail(code, error)
}

fn with_data(config: &ServerConfig, then: impl FnOnce(&Snapshot) -> ExitCode) -> ExitCode {
    match Snapshot::load(&config.files, &config.health) {
        Ok(snapshot) => then(&snapshot),
        Err(error) => fail(BAD_DATA, &error),
    }
}

/// Serves the data inside the binary, with the rules and health files that are set.
fn demonstrate(config: &ServerConfig) -> ExitCode {
    let rules = match &config.files.rules {
        Some(path) => snapshot::load(path),
        None => Ok(Loaded::without_file(RulesFile::default())),
    };
    let rules = match rules {
        Ok(rules) => rules,
        Err(error) => return fail(BAD_DATA, &error),
    };
    match demo::snapshot_with_rules(rules) {
        Ok(snapshot) => {
            let snapshot = snapshot.with_health_files(&config.health);
            serve(config, Data::BuiltIn(Box::new(snapshot)), |address| {
                print(&demo::examples(address));
            })
        }
        Err(error) => fail(BAD_DATA, &error),
    }
}

fn compare(snapshot: &Snapshot, config: &ServerConfig, options: &CompareOptions) -> ExitCode {
    match compare::run::run(snapshot, &config.choice, options) {
        Ok(outcome) => match (io::stdout().write_all(outcome.text.as_bytes()), outcome.stopped) {
            (_, Some(reason)) => fail(UNAVAILABLE, &reason),
            (Err(error), None) => fail(NOT_PRINTED, &format!("cannot print the report: {error}")),
            (Ok(()), None) if outcome.explained => ExitCode::SUCCESS,
            (Ok(()), None) => ExitCode::FAILURE,
        },
        Err(error @ (CompareError::NoAnswer(..) | CompareError::NoMirrorlistServer(..))) => fail(UNAVAILABLE, &error),
        Err(error @ (CompareError::Requests(_) | CompareError::NothingToAsk)) => fail(BAD_DATA, &error),
    }
}

fn serve(config: &ServerConfig, data: Data, announce: impl FnOnce(SocketAddr)) -> ExitCode {
    let logging = logging::logger(config.logging);
    let outcome = server::run(config, data, &logging, announce);
    drop(logging);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ ServerError::Load(_)) => fail(BAD_DATA, &error),
        Err(error @ ServerError::Workers(..)) => fail(USAGE, &error),
        Err(error) => fail(UNAVAILABLE, &error),
    }
}

fn print(text: &str) -> ExitCode {
    let printed = io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(printed.is_err()))
}

fn fail(code: u8, error: &impl std::fmt::Display) -> ExitCode {
    logging::last_words(&format!("{PROGRAM}: {error}"));
    ExitCode::from(code)
}
