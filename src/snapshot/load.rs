//! The data files to a [`Snapshot`]. A file that is missing, damaged, empty or makes no usable table is refused with an error
//! that names it; entries that can't be used are counted and left out.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Snapshot;
use super::age::{self, CreatedAhead};
use super::catalogue::Catalogue;
use crate::budget::{OverBudget, ReadError};
use crate::cache::error::{CacheError, WireError};
use crate::geo::{AsTable, ContinentTable, GeoIp};
use crate::warnings::Warnings;

/// Files are read in pieces of this many bytes.
const BUFFER: usize = 256 << 10;

/// A cache has at most so many bytes, fifty times Fedora's. What is larger has holes, and is no data.
const LARGEST_CACHE: u64 = 16 << 30;

/// The other files have at most so many bytes: eight times as many as the largest GeoIP database, which is held as it is.
const LARGEST_TABLE: u64 = 1 << 30;

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

impl DataFiles {
    /// All files with the keys of their settings.
    pub fn by_key(&self) -> [(&'static str, &Path); 4] {
        [
            ("cache", &self.cache),
            ("global_netblocks", &self.global_netblocks),
            ("cccsv", &self.country_continent),
            ("geoip", &self.geoip),
        ]
    }
}

/// What tells one content of a file from the next: whether it is written in place, renamed over or linked anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileIdentity {
    /// The identity of the file that is at a path now.
    ///
    /// # Errors
    /// Where nothing is there or it can't be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Modification time, where the file system has one.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }
}

/// Where a table came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file; the name of the data set for data inside the binary.
    pub path: PathBuf,
    /// Which file it was; none for data inside the binary.
    pub identity: Option<FileIdentity>,
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
    NoFile,
    TooLarge(OverBudget),
    LargerThan(u64),
    Empty,
    Changing,
    Cache(CacheError),
    Ahead(CreatedAhead),
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

    /// Whether the reason may pass without a change of the file: no descriptor or no permission, a disk or a network file system that
    /// fails, a writer who is not done, a clock that is wrong.
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            // What a parser finds wrong has no number of the operating system.
            Problem::Read(error) => error.raw_os_error().is_some(),
            Problem::Changing | Problem::Ahead(_) => true,
            Problem::NoFile
            | Problem::TooLarge(_)
            | Problem::LargerThan(_)
            | Problem::Empty
            | Problem::Cache(_)
            | Problem::GeoIp(_)
            | Problem::NothingUsable { .. } => false,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.problem {
            Problem::Read(error) => write!(f, "cannot read it: {error}"),
            Problem::NoFile => f.write_str("it is no regular file"),
            Problem::TooLarge(error) => error.fmt(f),
            Problem::LargerThan(most) => write!(f, "it has more than {most} bytes, which no such file needs"),
            Problem::Empty => f.write_str("the file is empty"),
            Problem::Changing => f.write_str("it changes while it is read; write a new file and rename it"),
            Problem::Cache(error) => write!(
                f,
                "not a usable mirrorlist cache: {error}; generate it anew or copy it again"
            ),
            Problem::Ahead(error) => error.fmt(f),
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

/// A table for each file: freshly loaded, or the present one where the file is still the same.
pub struct Tables {
    /// The mirrorlist cache.
    pub cache: Table<Catalogue>,
    /// Networks and AS numbers.
    pub global_netblocks: Table<AsTable>,
    /// Countries and continents.
    pub country_continent: Table<ContinentTable>,
    /// Addresses and countries.
    pub geoip: Table<GeoIp>,
}

/// What became of one file.
pub struct Table<T> {
    /// The table, or why the file is refused.
    pub loaded: Result<Arc<Loaded<T>>, LoadError>,
    /// Whether the file was read, since it is new or has changed.
    pub read: bool,
}

/// Loads all files, the cache beside the others.
///
/// # Errors
/// The first file that is refused.
pub fn load(files: &DataFiles) -> Result<Snapshot, LoadError> {
    let tables = read(files, None);
    Ok(Snapshot::new(
        tables.cache.loaded?,
        tables.global_netblocks.loaded?,
        tables.country_continent.loaded?,
        Some(tables.geoip.loaded?),
    ))
}

/// Reads the files that are not those of the present snapshot, the cache beside the others.
pub fn read(files: &DataFiles, present: Option<&Snapshot>) -> Tables {
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            (
                table(
                    &files.country_continent,
                    present.map(Snapshot::country_continent_file),
                    load_country_continent,
                ),
                table(&files.geoip, present.and_then(Snapshot::geoip_file), load_geoip),
                table(
                    &files.global_netblocks,
                    present.map(Snapshot::global_netblocks_file),
                    load_global_netblocks,
                ),
            )
        });
        let cache = table(&files.cache, present.map(Snapshot::cache_file), load_cache);
        // A panic over there is a defect; it goes on here.
        let others = others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (country_continent, geoip, global_netblocks) = others;
        Tables {
            cache,
            global_netblocks,
            country_continent,
            geoip,
        }
    })
}

fn table<T>(
    path: &Path,
    present: Option<&Arc<Loaded<T>>>,
    load: impl FnOnce(&Path) -> Result<Loaded<T>, LoadError>,
) -> Table<T> {
    let same = |loaded: &&Arc<Loaded<T>>| {
        let identity = FileIdentity::at(path).ok();
        loaded.source.path == path && identity.is_some() && loaded.source.identity == identity
    };
    match present.filter(same) {
        Some(loaded) => Table {
            loaded: Ok(Arc::clone(loaded)),
            read: false,
        },
        None => Table {
            loaded: load(path).map(Arc::new),
            read: true,
        },
    }
}

/// Loads a mirrorlist cache.
///
/// # Errors
/// Where the file can't be read, is damaged, has nothing to answer from, or is from the future.
pub fn load_cache(path: &Path) -> Result<Loaded<Catalogue>, LoadError> {
    load_file(path, LARGEST_CACHE, |file, warnings| {
        let catalogue = Catalogue::read(file, warnings).map_err(|error| match error {
            CacheError::Wire(WireError::Read(error)) => Problem::Read(error),
            error => Problem::Cache(error),
        })?;
        age::check_created(catalogue.created(), age::now()).map_err(Problem::Ahead)?;
        Ok(catalogue)
    })
}

/// Loads `global_netblocks.txt`.
///
/// # Errors
/// Where the file can't be read or has no usable line.
pub fn load_global_netblocks(path: &Path) -> Result<Loaded<AsTable>, LoadError> {
    load_file(path, LARGEST_TABLE, |file, warnings| {
        let table = AsTable::read(file, warnings).map_err(|error| match error {
            ReadError::Io(error) => Problem::Read(error),
            ReadError::TooLarge(error) => Problem::TooLarge(error),
        })?;
        usable(table, AsTable::is_empty, "lines like 192.0.2.0/24 64496", warnings)
    })
}

/// Loads `country_continent.csv`.
///
/// # Errors
/// Where the file can't be read or has no usable line.
pub fn load_country_continent(path: &Path) -> Result<Loaded<ContinentTable>, LoadError> {
    load_file(path, LARGEST_TABLE, |file, warnings| {
        let table = ContinentTable::read(file, warnings).map_err(Problem::Read)?;
        usable(table, ContinentTable::is_empty, "lines like DE,EU", warnings)
    })
}

/// Loads a GeoIP country database.
///
/// # Errors
/// Where the file can't be read, is no MaxMind DB, or names no country.
pub fn load_geoip(path: &Path) -> Result<Loaded<GeoIp>, LoadError> {
    load_file(path, LARGEST_TABLE, |mut file, warnings| {
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
    most: u64,
    read: impl FnOnce(BufReader<File>, &mut Warnings) -> Result<T, Problem>,
) -> Result<Loaded<T>, LoadError> {
    let refused = |problem| LoadError {
        path: path.to_owned(),
        problem,
    };
    let started = Instant::now();
    let mut warnings = Warnings::default();
    let file = open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(|e| refused(Problem::Read(e)))?;
    if metadata.len() == 0 {
        return Err(refused(Problem::Empty));
    }
    if metadata.len() > most {
        return Err(refused(Problem::LargerThan(most)));
    }
    let identity = FileIdentity::of(&metadata);
    let handle = file.try_clone().map_err(|e| refused(Problem::Read(e)))?;
    let table = read(BufReader::with_capacity(BUFFER, file), &mut warnings);
    let after = handle.metadata().map_err(|e| refused(Problem::Read(e)))?;
    if FileIdentity::of(&after) != identity {
        return Err(refused(Problem::Changing));
    }
    Ok(Loaded {
        table: table.map_err(refused)?,
        source: Source {
            path: path.to_owned(),
            identity: Some(identity),
            duration: started.elapsed(),
            warnings,
        },
    })
}

/// Opens a regular file. Opening a pipe would wait for a writer for ever, and what a device gives has no end.
fn open(path: &Path) -> Result<File, Problem> {
    if !std::fs::metadata(path).map_err(Problem::Read)?.is_file() {
        return Err(Problem::NoFile);
    }
    File::open(path).map_err(Problem::Read)
}
