//! Other programs: whether they are there, and running them to their end without waiting for ever.

use std::env;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::PATIENCE;

/// Where a program is, as a shell would find it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs a program to its end. One that hangs is killed and fails the test.
pub(crate) fn run(command: &mut Command) -> Output {
    run_with_input(command, Stdio::null())
}

/// Runs a program that reads this to its end.
pub(crate) fn run_with_input(command: &mut Command, input: impl Into<Stdio>) -> Output {
    let started = Instant::now();
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_in_background(child.stdout.take().unwrap());
    let stderr = read_in_background(child.stderr.take().unwrap());
    // A program ends its output by ending, so waiting for that is waiting for the program.
    let [stdout, stderr] = [stdout, stderr].map(|output| {
        let left = PATIENCE.saturating_sub(started.elapsed());
        output.recv_timeout(left).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("{command:?} did not end within {PATIENCE:?}")
        })
    });
    let status = child.wait().unwrap();
    Output { status, stdout, stderr }
}

/// Runs a program that has to succeed; gives what it printed.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", describe(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What became of a program, for the message of a failed test.
pub(crate) fn describe(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

fn read_in_background(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}
