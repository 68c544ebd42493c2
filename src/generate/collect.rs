//! Reads the whole database as it was at one moment: one read-only transaction reads the small tables, others that share its
//! snapshot scan host_category_dir meanwhile.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use slog::warn;
use tokio::sync::watch;

use super::findings::Findings;
use super::hosts::Hosts;
use super::layout::{Layout, UrlIndex};
use super::netblocks::Netblocks;
use super::progress::{Progress, Step};
use super::session::{Abandoned, Context, ReadError, Session};
use super::tables::{CarrierTables, Existing, OtherTables};
use super::up_to_date::{HOST_CATEGORY_DIR, Part, ScanPlan, Scanned, UpToDate, prepare_scans, start_scan};

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
/// If the database can't be read, in words.
pub(super) fn collect(
    context: &Context<'_>,
    dns_timeout: Option<std::time::Duration>,
    progress: &Progress,
    findings: &mut Findings,
) -> Result<(Collected, Netblocks), ReadError> {
    let Some(session) = Session::open(context, None, None)? else {
        return Err(context
            .connector
            .failure("the connection is not wanted any more")
            .into());
    };
    let existing = Existing::read(&session)?;
    let plan = ScanPlan::read(&session, connections())?;
    let step = progress.long_table(HOST_CATEGORY_DIR, plan.estimated_rows);
    let snapshot: Option<String> = match plan.connections {
        0 => None,
        _ => Some(session.value("its snapshot", "SELECT pg_export_snapshot()")?),
    };
    let (abandon, abandoned) = watch::channel(false);
    let shared = SharedScan {
        context,
        step: &step,
        snapshot,
        abandoned,
        parts: Mutex::new(plan.parts.into()),
    };
    let (collected, netblocks, rows) = thread::scope(|scope| {
        // Dropped with any failure here, it ends the others' work.
        let abandon = abandon;
        let mut layouts: Vec<Sender<Arc<Layout>>> = Vec::new();
        let mut scans = Vec::new();
        for _ in 0..plan.connections {
            let (sender, receiver) = channel();
            layouts.push(sender);
            let shared = &shared;
            scans.push(scope.spawn(move || shared.scan_beside(&receiver)));
        }
        let tables = CarrierTables::read(&session, &existing, progress)?;
        let (hosts, urls, layout) = lay_out(tables, findings);
        for sender in &layouts {
            // A scan that is gone has failed, which is seen when it is joined.
            let _ = sender.send(layout.clone());
        }
        let others = OtherTables::read(&session, &existing, progress)?;
        let netblocks = Netblocks::sort_out(&others.host_netblocks, &hosts, dns_timeout, findings);
        let mut all = Scanned::new(layout.clone());
        // A pooler can have no connection but this one: what the others have not begun by now is done here.
        prepare_scans(&session)?;
        shared.scan_here(&session, &mut all)?;
        abandon.send_replace(true);
        for scan in scans {
            // A panic over there is a defect; it goes on here.
            let scanned = scan.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            if let Some(scanned) = scanned {
                all.up_to_date.merge(&scanned.up_to_date);
                all.rows += scanned.rows;
            }
        }
        session.end()?;
        let mut up_to_date = all.up_to_date;
        up_to_date.apply_rules(&layout);
        let collected = Collected {
            hosts,
            urls,
            layout,
            up_to_date,
            others,
        };
        Ok::<_, ReadError>((collected, netblocks, all.rows))
    })?;
    step.finish(rows);
    Ok((collected, netblocks))
}

/// One connection for each processor: the database often runs on the same machine, and more than a few are no faster.
fn connections() -> u64 {
    thread::available_parallelism().map_or(2, |number| number.get().clamp(2, 4)) as u64
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
    context: &'a Context<'a>,
    step: &'a Step<'a>,
    snapshot: Option<String>,
    abandoned: Abandoned,
    parts: Mutex<VecDeque<Part>>,
}

impl SharedScan<'_> {
    /// Scans parts on a connection of its own. Nothing if there is no such connection: then the others do its work.
    fn scan_beside(&self, layouts: &Receiver<Arc<Layout>>) -> Result<Option<Scanned>, ReadError> {
        let opened = Session::open(self.context, self.snapshot.as_deref(), Some(self.abandoned.clone()));
        let ready = opened.and_then(|session| match session {
            Some(session) => prepare_scans(&session).map(|()| Some(session)),
            None => Ok(None),
        });
        let session = match ready {
            Ok(Some(session)) => session,
            Ok(None) => return Ok(None),
            Err(error) => {
                // For example where the name leads to another server this time.
                warn!(self.context.logger, "going on with fewer connections"; "error" => %error.error);
                return Ok(None);
            }
        };
        let mut scanned = None;
        while let Some(part) = self.next_part() {
            let rows = start_scan(&session, part)?;
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
        session.end()?;
        Ok(scanned)
    }

    /// Scans the parts that no other connection has taken.
    fn scan_here(&self, session: &Session<'_>, scanned: &mut Scanned) -> Result<(), ReadError> {
        while let Some(part) = self.next_part() {
            scanned.take(start_scan(session, part)?, |rows| self.step.advance(rows))?;
        }
        Ok(())
    }

    fn next_part(&self) -> Option<Part> {
        // Taking a part can't leave the queue half changed.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
