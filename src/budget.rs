//! A limit to the memory that the tables of a data file take while it is loaded: a fixed amount for small files and a few bytes for
//! each byte that was read. A file that would take more is refused before it does.
//!
//! Tables are charged for the most that they take, growing and being turned into others included. Loading may take four bytes for each
//! byte of the file; the fourth, which no charge can use, is for what is not charged: the current message or line.

use std::io;

use thiserror::Error;

/// The memory that any file may take, in bytes.
const BASE: u64 = 24 << 20;

/// The memory that each byte of a file may take, in bytes.
const PER_BYTE: u64 = 3;

/// The account of one file that is being loaded.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    read: u64,
    taken: u64,
}

/// A file that would take more memory than its size allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "its first {read} bytes would take {taken} bytes of memory, more than {BASE} and {PER_BYTE} for each byte; no real data does"
)]
pub struct OverBudget {
    /// How much of the file was read, in bytes.
    read: u64,
    /// How much memory the tables take that were made of that, in bytes.
    taken: u64,
}

impl Budget {
    /// Sets how many bytes of the file have been read.
    pub fn read(&mut self, bytes: u64) {
        self.read = bytes;
    }

    /// Charges memory.
    ///
    /// # Errors
    /// If all charges together are more than the bytes read so far allow.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Result<(), OverBudget> {
        self.taken = self.taken.saturating_add(bytes as u64);
        if self.taken > BASE.saturating_add(self.read.saturating_mul(PER_BYTE)) {
            let Self { read, taken } = *self;
            return Err(OverBudget { read, taken });
        }
        Ok(())
    }

    /// Takes back a charge.
    pub fn give_back(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_sub(bytes as u64);
    }
}

/// Why a file of lines makes no table.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It would take too much memory.
    #[error(transparent)]
    TooLarge(#[from] OverBudget),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_read_allows_three_beyond_the_base() {
        let mut budget = Budget::default();
        let base = usize::try_from(BASE).unwrap();
        budget.take(base).unwrap();
        let error = budget.take(1).unwrap_err().to_string();
        assert!(
            error.starts_with("its first 0 bytes would take 25165825 bytes"),
            "{error}"
        );
        budget.read(10);
        budget.take(29).unwrap();
        assert!(budget.take(1).is_err());
        budget.give_back(11);
        budget.take(10).unwrap();
        assert!(budget.take(usize::MAX).is_err());
    }
}
