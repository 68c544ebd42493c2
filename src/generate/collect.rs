//! Reads the whole database as it was at one moment: one read-only transaction reads the small tables, others that share its
//! snapshot scan host_category_dir meanwhile.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use postgres::{Client, IsolationLevel, Transaction};
use slog::{Logger, warn};

use super::connect::Connector;
use super::error::GenerateError;
use super::findings::Findings;
use super::hosts::Hosts;
use super::layout::{Layout, UrlIndex};
use super::netblocks::Netblocks;
use super::progress::{Progress, Step};
use super::tables::{CarrierTables, Existing, OtherTables};
use super::up_to_date::{Part, Scan, ScanPlan, Scanned, UpToDate};

/// What the database says, sorted out as far as it takes to know who carries what.
pub(super) struct Collected {
    pub(super) hosts: Hosts,
    pub(super) urls: UrlTexts,
    pub(super) layout: Arc<Layout>,
    pub(super) up_to_date: UpToDate,
    pub(super) others: OtherTables,
}

/// The ids and texts of base URLs, by id.
type UrlTexts = Vec<(i64, Box<str>)>;

/// Reads everything. Names in netblocks may still be resolved.
///
/// # Errors
/// Where the database can't be read, in words.
pub(super) fn collect(
    connector: &Connector,
    dns_timeout: Option<std::time::Duration>,
    progress: &Progress,
    logger: &Logger,
    findings: &mut Findings,
) -> Result<(Collected, Netblocks), GenerateError> {
    let explain = |error: postgres::Error| connector.explain(&error);
    let mut client = connector.connect()?;
    let mut transaction = begin(&mut client).map_err(explain)?;
    let existing = Existing::read(&mut transaction).map_err(explain)?;
    let plan = ScanPlan::read(&mut transaction, connections()).map_err(explain)?;
    let step = progress.long_table("host_category_dir", plan.estimated_rows);
    let shared = SharedScan {
        connector,
        logger,
        step: &step,
        snapshot: export_snapshot(&mut transaction, plan.parts.len()).map_err(explain)?,
        parts: Mutex::new(plan.parts.clone().into()),
    };
    let (collected, netblocks, rows) = thread::scope(|scope| {
        let mut layouts: Vec<Sender<Arc<Layout>>> = Vec::new();
        let mut scans = Vec::new();
        // With a single part, or without a snapshot to share, the transaction at hand scans it below.
        for _ in plan.parts.iter().filter(|_| shared.snapshot.is_some()) {
            let (sender, receiver) = channel();
            layouts.push(sender);
            let shared = &shared;
            scans.push(scope.spawn(move || shared.scan_beside(&receiver)));
        }
        let tables = CarrierTables::read(&mut transaction, &existing, progress).map_err(explain)?;
        let (hosts, urls, layout) = lay_out(tables, findings);
        for sender in &layouts {
            // A scan that is gone has failed, which is seen when it is joined.
            let _ = sender.send(layout.clone());
        }
        let others = OtherTables::read(&mut transaction, &existing, progress).map_err(explain)?;
        let netblocks = Netblocks::sort_out(&others.host_netblocks, &hosts, dns_timeout, findings);
        let mut all = Scanned::new(layout.clone());
        for scan in scans {
            // A panic over there is a defect; it goes on here.
            let scanned = scan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if let Some(scanned) = scanned {
                all.up_to_date.merge(&scanned.up_to_date);
                all.rows += scanned.rows;
            }
        }
        shared.scan_here(&mut transaction, &mut all).map_err(explain)?;
        let mut up_to_date = all.up_to_date;
        up_to_date.apply_rules(&layout);
        let collected = Collected {
            hosts,
            urls,
            layout,
            up_to_date,
            others,
        };
        Ok::<_, GenerateError>((collected, netblocks, all.rows))
    })?;
    step.finish(rows);
    Ok((collected, netblocks))
}

/// One connection for each processor: the database often runs on the same machine, and more than a few are no faster.
fn connections() -> u64 {
    thread::available_parallelism().map_or(2, |number| number.get().clamp(2, 4)) as u64
}

fn begin(client: &mut Client) -> Result<Transaction<'_>, postgres::Error> {
    client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
}

/// The name under which other connections see what this one sees; none where one is enough.
fn export_snapshot(transaction: &mut Transaction<'_>, parts: usize) -> Result<Option<String>, postgres::Error> {
    if parts < 2 {
        return Ok(None);
    }
    let row = transaction.query_one("SELECT pg_export_snapshot()", &[])?;
    row.try_get(0).map(Some)
}

/// The tables themselves are given back: the layout is all that is needed of them.
#[expect(clippy::needless_pass_by_value, reason = "frees the memory of the tables")]
fn lay_out(tables: CarrierTables, findings: &mut Findings) -> (Hosts, UrlTexts, Arc<Layout>) {
    let hosts = Hosts::new(&tables.sites, &tables.hosts, findings);
    let (index, urls) = UrlIndex::new(&tables.urls, &tables.host_categories, &hosts, findings);
    let layout = Layout::new(&tables, &hosts, &index, findings);
    let urls = urls.into_iter().map(|(id, url)| (id, url.into())).collect();
    (hosts, urls, Arc::new(layout))
}

/// The scan of host_category_dir, as far as its connections share it.
struct SharedScan<'a> {
    connector: &'a Connector,
    logger: &'a Logger,
    step: &'a Step<'a>,
    snapshot: Option<String>,
    parts: Mutex<VecDeque<Part>>,
}

impl SharedScan<'_> {
    /// Scans parts on a connection of its own. Nothing where there is no such connection: then the others do its work.
    fn scan_beside(&self, layouts: &Receiver<Arc<Layout>>) -> Result<Option<Scanned>, GenerateError> {
        let mut client = match self.connector.connect() {
            Ok(client) => client,
            Err(error) => {
                warn!(self.logger, "going on with fewer connections"; "error" => %error);
                return Ok(None);
            }
        };
        let explain = |error: postgres::Error| self.connector.explain(&error);
        let mut transaction = begin(&mut client).map_err(explain)?;
        if let Some(snapshot) = &self.snapshot {
            let adopt = format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', ""));
            if let Err(error) = transaction.batch_execute(&adopt) {
                // For example where the name leads to another server this time.
                warn!(self.logger, "going on with fewer connections"; "error" => %explain(error));
                return Ok(None);
            }
        }
        self.scan_parts(&mut transaction, layouts).map_err(explain)
    }

    fn scan_parts(
        &self,
        transaction: &mut Transaction<'_>,
        layouts: &Receiver<Arc<Layout>>,
    ) -> Result<Option<Scanned>, postgres::Error> {
        let mut scan = Scan::new(transaction)?;
        let mut scanned: Option<Scanned> = None;
        while let Some(part) = self.next_part() {
            let rows = scan.start(part)?;
            // The server scans while the small tables are read, from which the layout is made.
            let scanned = match &mut scanned {
                Some(scanned) => scanned,
                None => match layouts.recv() {
                    Ok(layout) => scanned.insert(Scanned::new(layout)),
                    // The small tables could not be read: that is the error of this run.
                    Err(_) => return Ok(None),
                },
            };
            scanned.take(rows, |rows| self.step.advance(rows))?;
        }
        Ok(scanned)
    }

    /// Scans the parts that nobody else has taken.
    fn scan_here(&self, transaction: &mut Transaction<'_>, scanned: &mut Scanned) -> Result<(), postgres::Error> {
        while let Some(part) = self.next_part() {
            let mut scan = Scan::new(transaction)?;
            scanned.take(scan.start(part)?, |rows| self.step.advance(rows))?;
        }
        Ok(())
    }

    fn next_part(&self) -> Option<Part> {
        // Taking a part can't leave the queue half changed.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
