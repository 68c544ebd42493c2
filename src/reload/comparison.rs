//! The reasons against taking new data: it has lost too much, or it is older than the current data. `force` skips this.

use crate::settings::Share;
use crate::snapshot::age;
use crate::snapshot::shrink::losses;
use crate::snapshot::{DataFile, Snapshot};

/// The reasons against taking new data, each in one line.
pub(super) fn objections(current: &Snapshot, new: &Snapshot, max_shrink: Share) -> Vec<String> {
    let pairs: Vec<(&DataFile, &DataFile)> = current
        .files()
        .filter_map(|old| Some((old, new.files().find(|new| new.key == old.key)?)))
        .collect();
    let shrunk = pairs.iter().flat_map(|(old, new)| {
        let losses = losses(&old.guarded_counts, &new.guarded_counts, max_shrink);
        losses
            .into_iter()
            .map(|loss| format!("{}: {loss}; reload with force=true if that is right", new.key))
    });
    let older = pairs.iter().filter_map(|(old, new)| {
        let (before, after) = (old.created?, new.created?);
        // A time from the future means that a clock was wrong, not that the data is newer than any that comes.
        (after < before && !age::is_ahead(before, age::now())).then(|| {
            format!(
                "{}: it was made {} s before the one in use; reload with force=true if that is right",
                new.key,
                before - after
            )
        })
    });
    shrunk.chain(older).collect()
}
