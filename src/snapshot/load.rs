//! The data files to a [`Snapshot`]. A file that is missing, damaged, empty or makes no usable table is refused with an error
//! that names it; entries that can't be used are counted and left out.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Snapshot;
use super::cache::{self, CacheError};
use super::catalogue::Catalogue;
use super::wire::WireError;
use crate::geo::{AsTable, ContinentTable, GeoIp};
use crate::warnings::Warnings;

/// Files are read in pieces of this many bytes.
const BUFFER: usize = 256 << 10;

/// Where the data files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFiles {
    /// The mirrorlist cache.
    pub cache: PathBuf,
    /// `global_netblocks.txt`.
    pub global_netblocks: PathBuf,
    /// `country_continent.csv`.
    pub country_continent: PathBuf,
    /// The GeoIP country database.
    pub geoip: PathBuf,
}

/// Where a table came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file; the name of the data set for data inside the binary.
    pub path: PathBuf,
    /// Size in bytes when it was read.
    pub bytes: u64,
    /// Modification time when it was read.
    pub modified: Option<SystemTime>,
    /// How long reading took.
    pub duration: Duration,
    /// What was left out of the table.
    pub warnings: Warnings,
}

/// A table and where it came from.
pub struct Loaded<T> {
    /// The table.
    pub table: T,
    /// Where it came from.
    pub source: Source,
}

/// Why a data file is refused.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Read(io::Error),
    Empty,
    Cache(CacheError),
    GeoIp(maxminddb::MaxMindDbError),
    /// No line or record was usable; this would have been.
    NothingUsable {
        expected: &'static str,
        first_warning: Option<String>,
    },
}

impl LoadError {
    /// The file that is refused.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.problem {
            Problem::Read(error) => write!(f, "cannot read it: {error}"),
            Problem::Empty => f.write_str("the file is empty"),
            Problem::Cache(error) => write!(
                f,
                "not a usable mirrorlist cache: {error}; generate it anew or copy it again"
            ),
            Problem::GeoIp(error) => write!(f, "not a usable GeoIP database (MaxMind DB): {error}; copy it again"),
            Problem::NothingUsable {
                expected,
                first_warning,
            } => {
                write!(f, "nothing in it is usable; expected {expected}")?;
                match first_warning {
                    Some(warning) => write!(f, "; {warning}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads all files, the cache beside the others.
///
/// # Errors
/// The first file that is refused.
pub fn load(files: &DataFiles) -> Result<Snapshot, LoadError> {
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            Ok((
                load_country_continent(&files.country_continent)?,
                load_geoip(&files.geoip)?,
                load_global_netblocks(&files.global_netblocks)?,
            ))
        });
        let cache = load_cache(&files.cache);
        // A panic over there is a defect; it goes on here.
        let others = others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (cache, (continents, geoip, netblocks)) = (cache?, others?);
        Ok(Snapshot::new(
            Arc::new(cache),
            Arc::new(netblocks),
            Arc::new(continents),
            Some(Arc::new(geoip)),
        ))
    })
}

/// Loads a mirrorlist cache.
///
/// # Errors
/// Where the file can't be read, is damaged, or has nothing to answer from.
pub fn load_cache(path: &Path) -> Result<Loaded<Catalogue>, LoadError> {
    load_file(path, |file, warnings| {
        cache::read(file, warnings).map_err(|error| match error {
            CacheError::Wire(WireError::Read(error)) => Problem::Read(error),
            error => Problem::Cache(error),
        })
    })
}

/// Loads `global_netblocks.txt`.
///
/// # Errors
/// Where the file can't be read or has no usable line.
pub fn load_global_netblocks(path: &Path) -> Result<Loaded<AsTable>, LoadError> {
    load_file(path, |file, warnings| {
        let table = AsTable::read(file, warnings).map_err(Problem::Read)?;
        usable(table, AsTable::is_empty, "lines like 192.0.2.0/24 64496", warnings)
    })
}

/// Loads `country_continent.csv`.
///
/// # Errors
/// Where the file can't be read or has no usable line.
pub fn load_country_continent(path: &Path) -> Result<Loaded<ContinentTable>, LoadError> {
    load_file(path, |file, warnings| {
        let table = ContinentTable::read(file, warnings).map_err(Problem::Read)?;
        usable(table, ContinentTable::is_empty, "lines like DE,EU", warnings)
    })
}

/// Loads a GeoIP country database.
///
/// # Errors
/// Where the file can't be read, is no MaxMind DB, or names no country.
pub fn load_geoip(path: &Path) -> Result<Loaded<GeoIp>, LoadError> {
    load_file(path, |mut file, warnings| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Problem::Read)?;
        bytes.shrink_to_fit();
        let table = GeoIp::new(bytes).map_err(Problem::GeoIp)?;
        usable(
            table,
            |geoip| !geoip.has_countries(),
            "records with a country",
            warnings,
        )
    })
}

fn usable<T>(
    table: T,
    is_empty: impl Fn(&T) -> bool,
    expected: &'static str,
    warnings: &Warnings,
) -> Result<T, Problem> {
    if is_empty(&table) {
        return Err(Problem::NothingUsable {
            expected,
            first_warning: warnings.first().first().cloned(),
        });
    }
    Ok(table)
}

fn load_file<T>(
    path: &Path,
    read: impl FnOnce(BufReader<File>, &mut Warnings) -> Result<T, Problem>,
) -> Result<Loaded<T>, LoadError> {
    let refused = |problem| LoadError {
        path: path.to_owned(),
        problem,
    };
    let started = Instant::now();
    let mut warnings = Warnings::default();
    let file = File::open(path).map_err(|e| refused(Problem::Read(e)))?;
    let metadata = file.metadata().map_err(|e| refused(Problem::Read(e)))?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(refused(Problem::Empty));
    }
    let table = read(BufReader::with_capacity(BUFFER, file), &mut warnings).map_err(refused)?;
    Ok(Loaded {
        table,
        source: Source {
            path: path.to_owned(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            duration: started.elapsed(),
            warnings,
        },
    })
}
