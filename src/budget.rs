//! How much memory the tables of a data file may take while it is loaded: a fixed amount for small files and a few bytes for each
//! byte that was read. A file that would take more is refused before it does, whoever wrote it.
//!
//! Tables are charged for what they take at their largest, growing and being turned into others included. What the charges leave
//! out (the message or line at hand) is why three bytes are given for each byte of the file where four may be taken.

use std::{fmt, io};

/// What any file may take, in bytes.
const BASE: u64 = 16 << 20;

/// What each byte of a file may take, in bytes.
const PER_BYTE: u64 = 3;

/// The account of one file that is being loaded.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    read: u64,
    taken: u64,
}

/// A file that would take more memory than its size allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverBudget {
    /// How much of the file was read, in bytes.
    read: u64,
    /// What the tables made of that take, in bytes.
    taken: u64,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, taken } = self;
        write!(
            f,
            "its first {read} bytes would take {taken} bytes of memory, more than {BASE} and {PER_BYTE} for each byte; no real data does"
        )
    }
}

impl std::error::Error for OverBudget {}

impl Budget {
    /// Says how many bytes of the file have been read.
    pub fn read(&mut self, bytes: u64) {
        self.read = bytes;
    }

    /// Charges memory.
    ///
    /// # Errors
    /// Where all that was charged is more than the bytes read so far allow.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Result<(), OverBudget> {
        self.taken = self.taken.saturating_add(bytes as u64);
        if self.taken > BASE.saturating_add(self.read.saturating_mul(PER_BYTE)) {
            return Err(OverBudget {
                read: self.read,
                taken: self.taken,
            });
        }
        Ok(())
    }

    /// Takes back a charge.
    pub fn give_back(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes as u64);
    }
}

/// Why a file of lines makes no table.
#[derive(Debug)]
pub enum ReadError {
    /// It can't be read.
    Io(io::Error),
    /// It would take too much memory.
    TooLarge(OverBudget),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::TooLarge(error) => Some(error),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OverBudget> for ReadError {
    fn from(error: OverBudget) -> Self {
        Self::TooLarge(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_read_allows_three_beyond_the_base() {
        let mut budget = Budget::default();
        let base = usize::try_from(BASE).unwrap();
        budget.take(base).unwrap();
        let error = budget.take(1).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("its first 0 bytes would take 16777217 bytes")
        );
        budget.read(10);
        budget.take(29).unwrap();
        assert!(budget.take(1).is_err());
        budget.give_back(11);
        budget.take(10).unwrap();
        assert!(budget.take(usize::MAX).is_err());
    }
}
