//! What integration tests share: [`data`] writes the files that a server reads ([`mmdb`] one of them), [`server`] runs the
//! built binary on them, [`http`] asks it, [`postgres`] is a database server, [`standby`] one that follows it, [`pgbouncer`]
//! and [`proxy`] stand before it, [`generator`] makes a cache of it, [`mirrors`] are what a probe asks, [`process`] runs other
//! programs, and [`programs`] knows those that not every machine has. Nothing here knows what is tested.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

use std::time::Duration;

pub(crate) mod data;
pub(crate) mod generator;
pub(crate) mod http;
pub(crate) mod mirrors;
pub(crate) mod mmdb;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod standby;

/// Whatever takes longer than this hangs. Far more than anything here needs, since machines that run tests can be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
