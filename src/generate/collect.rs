//! Reads the whole database as it was at one moment, and builds what can be built meanwhile: one read-only transaction reads the
//! small tables, others that share its snapshot scan host_category_dir.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use slog::warn;
use tokio::sync::watch;

use super::build::MirrorData;
use super::build::carriers::CarrierLayout;
use super::build::hosts::Hosts;
use super::build::matrix::CarrierMatrix;
use super::build::netblocks::Netblocks;
use super::build::urls::HostUrls;
use super::progress::{RunProgress, Step};
use super::read::refusal::ReadFailure;
use super::read::scan::{self, HOST_CATEGORY_DIR, PageRange, PartScan, ScanPlan};
use super::read::session::{Abandoned, ReadContext, Session};
use super::read::tables::{CarrierTables, TableReader};
use super::warnings::RowWarnings;
use crate::threads::join;

/// Reads everything. Waits until all names in netblocks are resolved, or `dns_timeout` is over.
///
/// # Errors
/// If the database cannot be read, in words.
pub(super) fn collect(
    context: &ReadContext<'_>,
    dns_timeout: Option<Duration>,
    progress: &RunProgress,
    warnings: &mut RowWarnings,
) -> Result<MirrorData, ReadFailure> {
    let unwanted = || context.connector.failure("the connection is not wanted any more");
    let session = Session::open(context, None, None)?.ok_or_else(unwanted)?;
    let reader = TableReader::new(&session, progress)?;
    let plan = ScanPlan::read(&session, connections())?;
    let step = progress.long_table(HOST_CATEGORY_DIR, plan.estimated_rows);
    let snapshot = match plan.connections {
        0 => None,
        _ => Some(session.value("its snapshot", "SELECT pg_export_snapshot()")?),
    };
    let (abandon, abandoned) = watch::channel(false);
    let shared = &SharedScan {
        context,
        step: &step,
        snapshot,
        abandoned,
        parts: Mutex::new(plan.parts.into()),
    };
    let (hosts, urls, others, netblocks, scanned) = thread::scope(|scope| {
        // Dropped with any failure here, it ends the work of the other connections.
        let abandon = abandon;
        let begin = |_| {
            let (sender, layouts) = channel();
            (sender, scope.spawn(move || shared.scan_on_another(&layouts)))
        };
        let scans: Vec<_> = (0..plan.connections).map(begin).collect();
        let (hosts, urls, layout) = lay_out(reader.carrier_tables()?, warnings);
        for (layouts, _) in &scans {
            // A scan that is gone has failed, which is seen when it is joined.
            let _ = layouts.send(layout.clone());
        }
        let others = reader.other_tables()?;
        let netblocks = Netblocks::sort_out(&others.host_netblocks, &hosts, dns_timeout, warnings);
        let mut all = Scanned::new(layout);
        // A pooler can have no connection but this one: parts that no other connection has begun by now are scanned here.
        scan::prepare(&session)?;
        shared.scan(&session, &mut all)?;
        abandon.send_replace(true);
        for (_, scan) in scans {
            all.add(join(scan)?);
        }
        all.matrix.apply_rules(&all.layout);
        Ok::<_, ReadFailure>((hosts, urls, others, netblocks, all))
    })?;
    session.end()?;
    step.finish(scanned.rows);
    Ok(MirrorData {
        hosts,
        urls: urls.texts,
        layout: scanned.layout,
        matrix: scanned.matrix,
        networks: netblocks.finish(warnings),
        others,
    })
}

/// One connection for each processor: the database often runs on the same machine, and more than a few are no faster.
fn connections() -> u64 {
    thread::available_parallelism().map_or(2, |number| number.get().clamp(2, 4)) as u64
}

/// Builds what is needed of the tables, and gives the tables themselves back.
#[expect(clippy::needless_pass_by_value, reason = "frees the memory of the tables")]
fn lay_out(tables: CarrierTables, warnings: &mut RowWarnings) -> (Hosts, HostUrls, Arc<CarrierLayout>) {
    let hosts = Hosts::new(&tables.sites, &tables.hosts, warnings);
    let urls = HostUrls::new(&tables.urls, &tables.host_categories, &hosts, warnings);
    let layout = CarrierLayout::new(&tables, &hosts, &urls, warnings);
    (hosts, urls, Arc::new(layout))
}

/// The part of the scan that its connections share.
struct SharedScan<'a> {
    context: &'a ReadContext<'a>,
    step: &'a Step<'a>,
    snapshot: Option<String>,
    abandoned: Abandoned,
    parts: Mutex<VecDeque<PageRange>>,
}

struct Scanned {
    layout: Arc<CarrierLayout>,
    matrix: CarrierMatrix,
    rows: u64,
}

impl Scanned {
    fn new(layout: Arc<CarrierLayout>) -> Self {
        Self {
            matrix: CarrierMatrix::new(&layout),
            layout,
            rows: 0,
        }
    }

    /// Adds what another connection has scanned, if it has.
    fn add(&mut self, other: Option<Self>) {
        if let Some(other) = other {
            self.matrix.merge(&other.matrix);
            self.rows += other.rows;
        }
    }

    fn take(&mut self, scan: PartScan<'_>, step: &Step<'_>) -> Result<(), ReadFailure> {
        scan.for_each(|host_category, ids| {
            self.matrix.carry(&self.layout, host_category, ids);
            let rows = ids.len() as u64 / 4;
            self.rows += rows;
            step.advance(rows);
        })
    }
}

impl SharedScan<'_> {
    /// Scans parts on another connection. Returns `None` if there is none to be had: the others do its work.
    fn scan_on_another(&self, layouts: &Receiver<Arc<CarrierLayout>>) -> Result<Option<Scanned>, ReadFailure> {
        let opened = Session::open(self.context, self.snapshot.as_deref(), Some(self.abandoned.clone()));
        let ready = opened.and_then(|session| {
            session.as_ref().map_or(Ok(()), scan::prepare)?;
            Ok(session)
        });
        let session = match ready {
            Ok(Some(session)) => session,
            Ok(None) => return Ok(None),
            Err(error) => {
                // For example because the name leads to another server this time.
                warn!(self.context.logger, "going on with fewer connections"; "error" => %error);
                return Ok(None);
            }
        };
        let Some(part) = self.next_part() else {
            session.end()?;
            return Ok(None);
        };
        // The server scans while the small tables are read, from which the layout is made.
        let scan = PartScan::start(&session, part)?;
        let Ok(layout) = layouts.recv() else {
            // The small tables could not be read: that is the error of this run.
            return Ok(None);
        };
        let mut scanned = Scanned::new(layout);
        scanned.take(scan, self.step)?;
        self.scan(&session, &mut scanned)?;
        session.end()?;
        Ok(Some(scanned))
    }

    /// Scans the parts that no other connection has taken.
    fn scan(&self, session: &Session<'_>, scanned: &mut Scanned) -> Result<(), ReadFailure> {
        while let Some(part) = self.next_part() {
            scanned.take(PartScan::start(session, part)?, self.step)?;
        }
        Ok(())
    }

    fn next_part(&self) -> Option<PageRange> {
        self.parts.lock().pop_front()
    }
}
