//! A data file: what it tells of itself, and how it is read into its table, whatever its kind: a regular file of a sensible size
//! that stays the same meanwhile.
//!
//! Not here: what can stand in a file of each kind ([`super::data_set`]), and when files are read ([`crate::reload`]).

use std::fs::{File, Metadata};
use std::io::{self, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use slog::{Logger, warn};

use super::load_error::{LoadError, LoadProblem};
use super::shrink::Count;
use crate::warnings::Warnings;

/// The size of a read, in bytes.
const BUFFER: usize = 256 << 10;

/// A kind of data file, by the table that is made of it.
pub trait DataTable: Sized {
    /// The key of the setting that names the file. It is also the file's name in metrics, status and messages.
    const KEY: &'static str;

    /// A larger file has holes or is something else, and is not read. Unless said otherwise, eight times as many bytes as the largest
    /// GeoIP database, which is kept in memory as it is.
    const MAX_BYTES: u64 = 1 << 30;

    /// Makes the table. Entries that can't be used are warnings.
    ///
    /// # Errors
    /// The file can't be read, or there is no entry that can be used.
    fn read_file(file: BufReader<File>, warnings: &mut Warnings) -> Result<Self, LoadProblem>;

    /// The table of a kind that may be left out, if no file is named.
    fn without_file() -> Option<Self> {
        None
    }

    /// When the content was made, in seconds since the Unix epoch, if the file says so.
    fn created_at(&self) -> Option<u64> {
        None
    }

    /// How many entries of each kind the table has, for status and metrics.
    fn entry_counts(&self) -> Vec<Count>;

    /// The counts that the shrink guard compares.
    fn guarded_counts(&self) -> Vec<Count> {
        self.entry_counts()
    }

    /// The table's content for people, in lines without indentation.
    fn summary(&self) -> Vec<String> {
        let counts = self.entry_counts();
        counts
            .iter()
            .map(|Count { kind, number }| format!("{number} {kind}"))
            .collect()
    }
}

/// The description that a data file gives of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The key of the setting that names it.
    pub key: &'static str,
    /// The file; the name of the data set for data inside the binary.
    pub path: PathBuf,
    /// Which file it was; `None` for data inside the binary.
    pub identity: Option<FileIdentity>,
    /// When the content was made, in seconds since the Unix epoch, if the file says so.
    pub created: Option<u64>,
    /// How many entries of each kind it has.
    pub counts: Vec<Count>,
    /// The counts that the shrink guard compares.
    pub guarded_counts: Vec<Count>,
    /// Its content for people, in lines without indentation.
    pub summary: Vec<String>,
    /// How long reading took.
    pub duration: Duration,
    /// The entries that were left out.
    pub warnings: Warnings,
}

impl DataFile {
    /// Describes the file that a table was made of.
    fn new<T: DataTable>(table: &T, path: &Path, identity: Option<FileIdentity>) -> Self {
        Self {
            key: T::KEY,
            path: path.to_owned(),
            identity,
            created: table.created_at(),
            counts: table.entry_counts(),
            guarded_counts: table.guarded_counts(),
            summary: table.summary(),
            duration: Duration::ZERO,
            warnings: Warnings::default(),
        }
    }

    /// Size in bytes; 0 for data inside the binary.
    pub fn bytes(&self) -> u64 {
        self.identity.map_or(0, |identity| identity.bytes)
    }

    /// Logs that entries were left out, if any.
    pub fn log_warnings(&self, logger: &Logger) {
        if self.warnings.count() > 0 {
            warn!(logger, "entries of a data file are left out";
                "file" => self.path.display().to_string(), "count" => self.warnings.count(),
                "first" => self.warnings.first().join("; "));
        }
    }

    /// When the file was last written, if the file system says so.
    pub fn modified(&self) -> Option<SystemTime> {
        self.identity?.modified
    }
}

/// A table and the file that it was made of.
pub struct Loaded<T> {
    /// The table.
    pub table: T,
    /// The file; `None` if there is none and the table is empty.
    pub file: Option<DataFile>,
}

impl<T: DataTable> Loaded<T> {
    /// A table of data inside the binary, called by a name instead of a path.
    pub fn built_in(name: &str, table: T) -> Arc<Self> {
        let file = Some(DataFile::new(&table, Path::new(name), None));
        Arc::new(Self { table, file })
    }

    /// An empty table for a file that is not there.
    pub fn without_file(table: T) -> Arc<Self> {
        Arc::new(Self { table, file: None })
    }
}

/// Tells one content of a file from the next, whether it is written in place, renamed over, or the link to it changes.
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
    /// There is no file, or it can't be looked at.
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
}

/// Reads the file at a path.
///
/// # Errors
/// The file can't be read, is damaged, or has no entry that can be used.
pub fn load<T: DataTable>(path: &Path) -> Result<Arc<Loaded<T>>, LoadError> {
    let path_of = |problem| LoadError {
        path: path.to_owned(),
        problem,
    };
    read(path).map(Arc::new).map_err(path_of)
}

fn read<T: DataTable>(path: &Path) -> Result<Loaded<T>, LoadProblem> {
    let started = Instant::now();
    let mut warnings = Warnings::default();
    let file = open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() == 0 {
        return Err(LoadProblem::Empty);
    }
    if metadata.len() > T::MAX_BYTES {
        return Err(LoadProblem::LargerThan(T::MAX_BYTES));
    }
    let identity = FileIdentity::of(&metadata);
    let handle = file.try_clone()?;
    let table = T::read_file(BufReader::with_capacity(BUFFER, file), &mut warnings);
    // A change explains whatever else is wrong.
    if FileIdentity::of(&handle.metadata()?) != identity {
        return Err(LoadProblem::Changing);
    }
    let table = table?;
    let file = Some(DataFile {
        duration: started.elapsed(),
        warnings,
        ..DataFile::new(&table, path, Some(identity))
    });
    Ok(Loaded { table, file })
}

/// Opens a regular file. Opening a pipe would wait for a writer for ever, and a device has no end.
fn open(path: &Path) -> Result<File, LoadProblem> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(LoadProblem::NoFile);
    }
    File::open(path).map_err(LoadProblem::from)
}
