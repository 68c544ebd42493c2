//! Loads a cache as a server would while it is still being written.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::thread;

use crate::generate::error::GenerateError;
use crate::snapshot::Catalogue;
use crate::snapshot::age;
use crate::threads::join;
use crate::warnings::Warnings;

/// Files and pipes are written and read in pieces of this many bytes, which stay in a processor's cache.
pub(super) const BUFFER: usize = 256 << 10;

/// Writes a cache, and loads it meanwhile in another thread. Returns both results.
pub(super) fn write_and_validate<W: Write>(
    reader: impl Read + Send,
    writer: W,
    write: impl FnOnce(BufWriter<W>) -> io::Result<u64>,
) -> (io::Result<u64>, Result<Catalogue, GenerateError>) {
    thread::scope(|scope| {
        let validated = scope.spawn(|| validate(BufReader::with_capacity(BUFFER, reader)));
        let bytes = write(BufWriter::with_capacity(BUFFER, writer));
        (bytes, join(validated))
    })
}

/// Writes a cache to nowhere but the loader. `outfile` is for messages.
///
/// # Errors
/// If a server would refuse it.
pub(crate) fn validate_only(
    outfile: &Path,
    write: impl FnOnce(BufWriter<io::PipeWriter>) -> io::Result<u64>,
) -> Result<(u64, Catalogue), GenerateError> {
    let failed = |error: io::Error| GenerateError::output(outfile, &error);
    let (reader, writer) = io::pipe().map_err(failed)?;
    let (bytes, catalogue) = write_and_validate(reader, writer, write);
    // A loader that gives up closes the pipe: its reason comes first.
    let catalogue = catalogue?;
    Ok((bytes.map_err(failed)?, catalogue))
}

fn validate(file: impl BufRead) -> Result<Catalogue, GenerateError> {
    let refused = |problem: String| {
        GenerateError::Refused(format!(
            "the new cache is not usable: {problem}; the current file stays as it is"
        ))
    };
    let mut warnings = Warnings::default();
    let catalogue = Catalogue::read(file, &mut warnings)
        .map_err(|error| refused(format!("{error}; check that this is the right database")))?;
    age::check_created(catalogue.created(), age::now()).map_err(|error| refused(error.to_string()))?;
    Ok(catalogue)
}
