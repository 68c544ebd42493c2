//! Why a server can't start or go on, with what an operator can do about it.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use thiserror::Error;

use crate::settings::AdminAddress;
use crate::snapshot::LoadError;

/// Why a server can't start or go on.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A data file is refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The public address can't be listened on.
    #[error("cannot listen on {0}: {1}; choose another --listen or --port")]
    Listen(SocketAddr, #[source] io::Error),
    /// The admin listener's address can't be listened on.
    #[error("cannot listen on {0}: {1}; choose another --admin.listen, or off")]
    AdminListen(AdminAddress, #[source] io::Error),
    /// The access log's file can't be opened.
    #[error("cannot open the access log {path}: {1}; choose another --log, or - for standard output", path = .0.display())]
    AccessLogFile(PathBuf, #[source] io::Error),
    /// Standard output can't take the access log.
    #[error("cannot write the access log: {0}")]
    AccessLogStdout(#[source] io::Error),
    /// There are more workers than open descriptors allow.
    #[error(
        "workers = {0} needs more open descriptors than the {1} that are allowed; set fewer, or raise the limit (ulimit -n, \
         LimitNOFILE=)"
    )]
    Workers(NonZeroUsize, u64),
    /// The operating system refuses something that a server needs.
    #[error(
        "the operating system refuses a thread, a timer or a signal handler: {0}; raise the limits of processes and descriptors \
         (TasksMax=, LimitNOFILE=)"
    )]
    System(#[from] io::Error),
    /// A metric is not what Prometheus allows: a defect.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}
