//! Reads one data file into its table, whatever its kind: a regular file of a sensible size that stays the same meanwhile.
//!
//! Not here: what can stand in a file of each kind ([`super::data_set`]), and when files are read ([`crate::reload`]).

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::data_file::{DataFile, DataTable, FileIdentity, Loaded};
use super::load_error::{LoadError, LoadProblem};
use crate::warnings::Warnings;

/// The size of a read, in bytes.
const BUFFER: usize = 256 << 10;

/// Reads the file at a path.
///
/// # Errors
/// The file can't be read, is damaged, or has no entry that can be used.
pub fn load<T: DataTable>(path: &Path) -> Result<Arc<Loaded<T>>, LoadError> {
    read(path)
        .map(Arc::new)
        .map_err(|problem| LoadError::new(path, problem))
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
    let file = DataFile {
        duration: started.elapsed(),
        warnings,
        ..DataFile::new(&table, path, Some(identity))
    };
    Ok(Loaded {
        table,
        file: Some(file),
    })
}

/// Opens a regular file. Opening a pipe would wait for a writer for ever, and a device has no end.
fn open(path: &Path) -> Result<File, LoadProblem> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(LoadProblem::NoFile);
    }
    File::open(path).map_err(LoadProblem::from)
}
