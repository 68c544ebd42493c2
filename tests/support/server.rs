//! The built `mirrorlist-server`, on a free port.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::data::DataFiles;
use super::http::{self, Response};
use super::process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorlist-server");

/// A server that runs; dropping it stops it.
pub(crate) struct Server {
    child: Child,
    /// Lines of standard error that nobody has waited for yet.
    messages: Receiver<String>,
    address: SocketAddr,
    admin: String,
}

impl Server {
    /// Starts a server on these files and waits until it listens.
    pub(crate) fn start(files: &DataFiles, further_arguments: &[&str]) -> Self {
        Self::start_with(files, further_arguments, &[])
    }

    /// Starts a demonstration, on the data inside the program.
    pub(crate) fn start_demo(further_arguments: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--demo", "--log", "/dev/null"]);
        Self::launch(command, further_arguments, &[])
    }

    /// Starts a server with environment variables, too.
    pub(crate) fn start_with(files: &DataFiles, further_arguments: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        let command = Command::new(PROGRAM);
        Self::start_command(command, files, further_arguments, environment)
    }

    /// Starts a server that may have only so many open descriptors.
    pub(crate) fn start_with_descriptors(files: &DataFiles, further_arguments: &[&str], descriptors: u32) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$@\""), "sh", PROGRAM]);
        Self::start_command(command, files, further_arguments, &[])
    }

    /// Starts a server by a command that becomes it, once it has the arguments.
    pub(crate) fn start_command(
        mut command: Command,
        files: &DataFiles,
        further_arguments: &[&str],
        environment: &[(&str, &OsStr)],
    ) -> Self {
        command.args(files.arguments());
        Self::launch(command, further_arguments, environment)
    }

    fn launch(mut command: Command, further_arguments: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        command
            .args(["--port", "0", "--admin.listen", "127.0.0.1:0", "--log_format", "json"])
            // Tests of the drain set their own; others don't wait.
            .args(["--shutdown.grace", "0s"])
            .args(further_arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // Settings of whoever runs the tests don't count, nor does what tells the tests themselves something.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("MIRRORLIST_") {
                command.env_remove(name);
            }
        }
        // Nor does a service manager that is told of the tests themselves.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let mut child = command.envs(environment.iter().copied()).spawn().unwrap();
        let (sender, messages) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Lines are read to the last one even where nobody listens, so that the server never waits to write one.
                let _ = sender.send(line);
            }
        });
        let mut server = Self {
            child,
            messages,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: String::new(),
        };
        let admin_listening = server.wait_for_message("admin listening");
        server.admin = field(&admin_listening, "address").to_owned();
        let listening = server.wait_for_message("listening");
        server.address = field(&listening, "address").parse().unwrap();
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its admin listener is: an address and port, or the path of a socket.
    pub(crate) fn admin_listen(&self) -> &str {
        &self.admin
    }

    /// Asks the admin listener with GET.
    pub(crate) fn admin_get(&self, target: &str) -> Response {
        http::get(self.admin.parse().unwrap(), target)
    }

    /// Asks the admin listener with POST.
    pub(crate) fn admin_post(&self, target: &str) -> Response {
        http::post(self.admin.parse().unwrap(), target)
    }

    /// The URL of a path and query.
    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Asks with GET.
    pub(crate) fn get(&self, target: &str) -> Response {
        http::get(self.address, target)
    }

    /// Waits for the next message with this text and gives its line, in JSON.
    pub(crate) fn wait_for_message(&self, text: &str) -> String {
        let (started, mut seen) = (Instant::now(), Vec::new());
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            match self.messages.recv_timeout(left) {
                Ok(line) if line.contains(&format!("\"msg\":\"{text}\"")) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no message {text:?} ({error}), only:\n{}", seen.join("\n")),
            }
        }
    }

    /// Whether there is a message with this text among those that nobody has waited for yet.
    pub(crate) fn has_message(&self, text: &str) -> bool {
        let wanted = format!("\"msg\":\"{text}\"");
        self.messages.try_iter().any(|line| line.contains(&wanted))
    }

    /// Waits for the next message, whatever it is.
    pub(crate) fn next_message(&self) -> String {
        let message = self.messages.recv_timeout(PATIENCE);
        message.unwrap_or_else(|error| panic!("no message: {error}"))
    }

    /// Its end, if it comes within this time; else it goes on.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::yield_now();
        }
        None
    }

    /// The server's process, to send it signals.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal like `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let output = process::run(&mut self.signal_command(name));
        assert!(output.status.success(), "{}", process::describe(&output));
    }

    /// Stops it in order and waits for its end, after which everything it had to write is written.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate()
            .unwrap_or_else(|| panic!("it did not stop within {PATIENCE:?}"))
    }

    fn signal_command(&self, name: &str) -> Command {
        // Every shell has this command built in; the standard library knows no signal but KILL.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("kill -s {name} {}", self.child.id())]);
        command
    }

    fn terminate(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        self.signal_command("TERM").status().ok()?;
        let started = Instant::now();
        loop {
            // The last message is followed by the end of standard error, and that by the end of the process.
            match self.messages.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().ok(),
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.terminate().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A text field of a message in JSON, as far as its value has nothing to escape.
pub(crate) fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let start = format!("\"{name}\":\"");
    let value = message.split_once(&start).map(|(_, rest)| rest);
    let value = value.and_then(|rest| rest.split_once('"'));
    value.unwrap_or_else(|| panic!("no {name} in {message}")).0
}
