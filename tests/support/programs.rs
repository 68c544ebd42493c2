//! The programs that tests need and that not every machine has: whether they are there, and how they are called so that nothing of the machine they
//! run on (settings, proxies, language) changes what they do.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::process::{find, run};

/// A program that a test needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Aria2,
    /// A browser, without a window.
    Chromium,
    CreaterepoC,
    Curl,
    /// A curl that was built with HTTP/2.
    CurlWithHttp2,
    Dnf,
    /// The library in which dnf has its mirrors, from Python.
    Librepo,
    Prometheus,
    Promtool,
    /// A program in Python that reads JSON answers.
    Python,
    Rpmbuild,
    /// Holds a document against a schema.
    Xmllint,
}

/// Debian's Python, for which its package of librepo is; a `python3` on the path can be another one.
const PYTHON: &str = "/usr/bin/python3";

/// Set to 1 where all programs are supposed to be there: then a missing one fails the test.
const REQUIRED: &str = "TESTS_REQUIRE_CLIENTS";

impl Program {
    /// A call of the program, to which arguments are to be added.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(match self {
            Self::Librepo | Self::Python => PYTHON,
            program => program.name(),
        });
        if self == Self::Librepo {
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/librepo_load.py"));
        }
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(variable);
            }
        }
        command.env("LC_ALL", "C").env("HOME", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    fn name(self) -> &'static str {
        match self {
            Self::Aria2 => "aria2c",
            Self::Chromium => "chromium",
            Self::CreaterepoC => "createrepo_c",
            Self::Curl | Self::CurlWithHttp2 => "curl",
            Self::Dnf => "dnf",
            Self::Librepo => "librepo for /usr/bin/python3",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
            Self::Python => PYTHON,
            Self::Rpmbuild => "rpmbuild",
            Self::Xmllint => "xmllint",
        }
    }

    fn is_missing(self) -> bool {
        match self {
            Self::Librepo => {
                !Path::new(PYTHON).exists()
                    || !run(Command::new(PYTHON).args(["-c", "import librepo"]))
                        .status
                        .success()
            }
            Self::Python => !Path::new(PYTHON).exists(),
            Self::CurlWithHttp2 => {
                find("curl").is_none()
                    || !String::from_utf8_lossy(&run(self.command().args(["-q", "--version"])).stdout).contains("HTTP2")
            }
            program => find(program.name()).is_none(),
        }
    }
}

/// Whether all of these programs are there. If not, the test is to end here: what it would have shown is reported as skipped.
pub(crate) fn are_there(test: &str, programs: &[Program]) -> bool {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|program| program.is_missing())
        .map(|program| program.name())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        env::var_os(REQUIRED).is_none_or(|value| value != "1"),
        "{test} needs {missing}, and {REQUIRED} is 1"
    );
    // Not with a macro: what macros print is kept from view where a test succeeds. In one write: other tests print, too.
    let line = format!("SKIPPED: {test}: not installed: {missing}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}
