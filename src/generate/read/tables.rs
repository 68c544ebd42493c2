//! Reads the small tables whole. host_category_dir, with its 20 million rows, is not among them: see [`super::scan`].

use std::collections::HashSet;

use super::refusal::ReadFailure;
use super::rows::{
    AllowedCountryRow, CategoryDirectoryRow, CategoryRow, ContinentRedirectRow, DirectoryRow, ExclusiveHostRow,
    FileDetailRow, HostCategoryRow, HostNetblockRow, HostRow, NetblockCountryRow, PeerAsnRow, RepositoryRedirectRow,
    RepositoryRow, SiteRow, TableRow, UrlRow,
};
use super::session::Session;
use crate::generate::progress::RunProgress;

/// The tables that say who may carry what: all that is needed before host_category_dir can be folded.
#[derive(Debug, Default)]
pub(crate) struct CarrierTables {
    pub(crate) sites: Vec<SiteRow>,
    pub(crate) hosts: Vec<HostRow>,
    pub(crate) categories: Vec<CategoryRow>,
    /// By id.
    pub(crate) directories: Vec<DirectoryRow>,
    /// By directory.
    pub(crate) category_directories: Vec<CategoryDirectoryRow>,
    pub(crate) exclusive_hosts: Vec<ExclusiveHostRow>,
    pub(crate) host_categories: Vec<HostCategoryRow>,
    /// By id, without the private ones.
    pub(crate) urls: Vec<UrlRow>,
}

/// Everything else.
#[derive(Debug, Default)]
pub(crate) struct OtherTables {
    pub(crate) host_netblocks: Vec<HostNetblockRow>,
    pub(crate) allowed_countries: Vec<AllowedCountryRow>,
    pub(crate) peer_asns: Vec<PeerAsnRow>,
    pub(crate) repositories: Vec<RepositoryRow>,
    pub(crate) repository_redirects: Vec<RepositoryRedirectRow>,
    pub(crate) continent_redirects: Vec<ContinentRedirectRow>,
    pub(crate) netblock_countries: Vec<NetblockCountryRow>,
    /// By directory and file, newest first, those without a time last.
    pub(crate) file_details: Vec<FileDetailRow>,
}

/// Reads tables in one transaction.
pub(crate) struct TableReader<'a> {
    session: &'a Session<'a>,
    progress: &'a RunProgress,
    /// `table.column` of the tables and columns that old databases lack.
    existing: HashSet<String>,
}

const EXISTING: &str = "\
    SELECT c.relname::text || '.' || a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relname IN ('directory', 'directory_exclusive_host', 'host', 'host_peer_asn') AND pg_table_is_visible(c.oid) \
    AND a.attnum > 0 AND NOT a.attisdropped";

impl<'a> TableReader<'a> {
    /// Asks which tables and columns there are.
    ///
    /// # Errors
    /// If the database refuses it or is silent, here and below.
    pub(crate) fn new(session: &'a Session<'a>, progress: &'a RunProgress) -> Result<Self, ReadFailure> {
        let mut existing = HashSet::new();
        session.query("pg_attribute", EXISTING)?.for_each(|row| {
            existing.insert(row.try_get(0)?);
            Ok(())
        })?;
        Ok(Self {
            session,
            progress,
            existing,
        })
    }

    pub(crate) fn carrier_tables(&self) -> Result<CarrierTables, ReadFailure> {
        Ok(CarrierTables {
            sites: self.read()?,
            hosts: match self.has(["host.latitude", "host.longitude"]) {
                true => self.read()?,
                false => self.read_by(
                    &HostRow::query()
                        .replace("latitude", "NULL")
                        .replace("longitude", "NULL"),
                )?,
            },
            categories: self.read()?,
            directories: match self.existing.contains("directory.ctime") {
                true => self.read()?,
                false => self.read_by(&DirectoryRow::query().replace("ctime", "NULL"))?,
            },
            category_directories: self.read()?,
            exclusive_hosts: self.read_if([
                "directory_exclusive_host.directory_id",
                "directory_exclusive_host.host_id",
            ])?,
            host_categories: self.read()?,
            urls: self.read()?,
        })
    }

    pub(crate) fn other_tables(&self) -> Result<OtherTables, ReadFailure> {
        Ok(OtherTables {
            host_netblocks: self.read()?,
            allowed_countries: self.read()?,
            peer_asns: self.read_if(["host_peer_asn.host_id", "host_peer_asn.asn"])?,
            repositories: self.read()?,
            repository_redirects: self.read()?,
            continent_redirects: self.read()?,
            netblock_countries: self.read()?,
            file_details: self.read()?,
        })
    }

    fn read<T: TableRow>(&self) -> Result<Vec<T>, ReadFailure> {
        self.read_by(&T::query())
    }

    /// Reads a table that old databases lack, or some columns of it.
    fn read_if<T: TableRow>(&self, columns: [&str; 2]) -> Result<Vec<T>, ReadFailure> {
        match self.has(columns) {
            true => self.read(),
            false => Ok(Vec::new()),
        }
    }

    fn has(&self, columns: [&str; 2]) -> bool {
        columns.iter().all(|column| self.existing.contains(*column))
    }

    fn read_by<T: TableRow>(&self, query: &str) -> Result<Vec<T>, ReadFailure> {
        let step = self.progress.table(T::TABLE);
        let mut rows = Vec::new();
        self.session.query(T::TABLE, query)?.for_each(|row| {
            rows.push(T::read(&row)?);
            Ok(())
        })?;
        rows.shrink_to_fit();
        step.finish(rows.len() as u64);
        Ok(rows)
    }
}
