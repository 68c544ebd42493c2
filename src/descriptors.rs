//! File descriptors: raises the process's limit, and divides it among connections and everything else.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::listener::CONNECTIONS_TO_CLOSE;

/// The admin listener serves this many connections at once.
pub(crate) const ADMIN_CONNECTIONS: usize = 96;

/// The admin listener serves this many connections of one address beyond loopback at once.
pub(crate) const ADMIN_CONNECTIONS_PER_ADDRESS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// Descriptors for data files during a reload, logs, standard streams, the token file and the files that metrics are read from.
const FILES: usize = 32;

/// Descriptors of each worker, apart from its connections.
const OF_A_WORKER: usize = 4;

/// Descriptors of other threads, the listeners and the pipes of signals.
const OF_THE_PROCESS: usize = 24;

/// The limit of connections unless `max_connections` is set: each takes up to some 30 KB.
const MOST_BY_DEFAULT: usize = 65_536;

/// This many connections are served even if all descriptors are reserved.
const FEWEST: usize = 8;

/// Raises the soft limit of open descriptors to the hard one. Returns the limit; `None` if there is none.
pub(crate) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    let current = maximum;
    match setrlimit(Resource::Nofile, Rlimit { current, maximum }) {
        Ok(()) => maximum,
        // Some systems allow less than they say.
        Err(_) => getrlimit(Resource::Nofile).current,
    }
}

/// Returns whether a limit of descriptors is enough for this many workers.
pub(crate) fn suffice(limit: u64, workers: NonZeroUsize) -> bool {
    let needed = workers.get().saturating_mul(OF_A_WORKER).saturating_add(OF_THE_PROCESS);
    usize::try_from(limit).is_ok_and(|limit| needed <= limit)
}

/// The number of connections that fit into a limit of descriptors, if the public listener has this many workers.
pub(crate) fn room_for_connections(limit: Option<u64>, workers: NonZeroUsize) -> usize {
    let Some(limit) = limit else {
        return usize::MAX;
    };
    let workers = workers.get();
    let of_workers = workers.saturating_mul(OF_A_WORKER + CONNECTIONS_TO_CLOSE);
    let reserve = FILES + OF_THE_PROCESS + ADMIN_CONNECTIONS + CONNECTIONS_TO_CLOSE + of_workers;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    limit.saturating_sub(reserve).max(FEWEST)
}

/// The number of connections that the public listener serves at once, given `max_connections` and the room for them.
pub(crate) fn connections(wanted: Option<NonZeroUsize>, room: usize) -> usize {
    wanted.map_or(MOST_BY_DEFAULT, NonZeroUsize::get).min(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn connections_leave_room_for_everything_else() {
        // 32 files, 24 of the process, 96 + 8 of the admin listener, 2 x (4 + 8) of the workers.
        assert_eq!(room_for_connections(Some(1_000), number(2)), 1_000 - 32 - 24 - 104 - 24);
        assert_eq!(room_for_connections(Some(1_000), number(3)), 1_000 - 32 - 24 - 104 - 36);
        assert_eq!(room_for_connections(Some(10), number(2)), FEWEST);
        assert_eq!(room_for_connections(None, number(2)), usize::MAX);
    }

    #[test]
    fn as_many_connections_are_served_as_are_wanted_and_fit() {
        for (wanted, room, served) in [
            (None, usize::MAX, MOST_BY_DEFAULT),
            (None, 100, 100),
            (Some(1_000_000), 100, 100),
            (Some(1_000_000), usize::MAX, 1_000_000),
            (Some(10), 100, 10),
        ] {
            assert_eq!(connections(wanted.map(number), room), served);
        }
    }

    #[test]
    fn workers_need_descriptors() {
        assert!(suffice(24 + 4 * 2, number(2)));
        assert!(!suffice(24 + 4 * 2 - 1, number(2)));
        assert!(!suffice(1_000_000, NonZeroUsize::MAX));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        assert_eq!(raise_limit(), getrlimit(Resource::Nofile).maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    }
}
