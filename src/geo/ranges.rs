//! Turns nested networks into ranges that follow each other, each with the value of the longest prefix that holds it; and the table
//! of such ranges. A network costs the same whatever its prefix length.

pub(super) trait Address: Copy + Ord {
    const FIRST: Self;

    /// The last address of the network that begins here.
    fn last_of(self, prefix_length: u8) -> Self;

    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    const FIRST: Self = 0;

    fn last_of(self, prefix_length: u8) -> Self {
        self | Self::MAX.unbounded_shr(prefix_length.into())
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// An IPv6 address in the order of its bytes, which is the order of the addresses; it takes no more room than they do.
pub(super) type Ipv6Bytes = [u8; 16];

impl Address for Ipv6Bytes {
    const FIRST: Self = [0; 16];

    fn last_of(self, prefix_length: u8) -> Self {
        let hosts = u128::MAX.unbounded_shr(prefix_length.into());
        (u128::from_be_bytes(self) | hosts).to_be_bytes()
    }

    fn next(self) -> Option<Self> {
        u128::from_be_bytes(self).checked_add(1).map(u128::to_be_bytes)
    }
}

/// A network and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<A, T> {
    pub(super) first: A,
    /// The prefix length in bits.
    pub(super) length: u8,
    pub(super) value: T,
}

impl<A: Address, T> Entry<A, T> {
    pub(super) fn new(first: A, length: u8, value: T) -> Self {
        Self { first, length, value }
    }

    pub(super) fn last(&self) -> A {
        self.first.last_of(self.length)
    }
}

/// Sorts networks by their first address, those with the shorter prefix first; equal ones stay in their order.
pub(super) fn sort<A: Address, T>(networks: &mut [Entry<A, T>]) {
    let key = |network: &Entry<A, T>| (network.first, network.length);
    // As a rule they are in order.
    if !networks.is_sorted_by_key(key) {
        networks.sort_by_key(key);
    }
}

/// Gives each range in order: its first address and its value. Of the networks that hold an address the longest prefix counts,
/// and of equal ones the last. Addresses that none holds have the value `other`.
pub(super) fn for_each_range<A: Address, T: Copy>(
    mut networks: Vec<Entry<A, T>>,
    other: T,
    mut give: impl FnMut(A, T),
) {
    sort(&mut networks);
    let (mut range_first, mut range_value) = (A::FIRST, other);
    // Of ranges that begin with the same address the last counts.
    let mut begin = |first: A, value: T| {
        if first != range_first {
            give(range_first, range_value);
        }
        (range_first, range_value) = (first, value);
    };
    // The networks that hold the address at hand, from the shortest prefix to the longest.
    let mut open: Vec<Entry<A, T>> = Vec::new();
    for network in networks.into_iter().map(Some).chain([None]) {
        let is_before = |open: &Entry<A, T>| network.as_ref().is_none_or(|network| open.last() < network.first);
        while let Some(ended) = open.pop_if(|open| is_before(open)) {
            if let Some(next) = ended.last().next() {
                begin(next, open.last().map_or(other, |outer| outer.value));
            }
        }
        if let Some(network) = network {
            // Of equal ones the last counts; the others would only pile up.
            let _ = open.pop_if(|open| open.first == network.first && open.length == network.length);
            begin(network.first, network.value);
            open.push(network);
        }
    }
    give(range_first, range_value);
}

/// Ranges of addresses and their values: a look-up halves them until one is left.
#[derive(Debug)]
pub(super) struct Ranges<A, T> {
    /// The first address of each range.
    starts: Vec<A>,
    values: Vec<T>,
}

impl<A: Address, T: Copy + PartialEq> Ranges<A, T> {
    /// The ranges of these networks, see [`for_each_range`].
    pub(super) fn of_networks(networks: Vec<Entry<A, T>>, other: T) -> Self {
        // A network has at most two borders.
        let most = networks.len() * 2 + 1;
        let mut ranges = Self {
            starts: Vec::with_capacity(most),
            values: Vec::with_capacity(most),
        };
        for_each_range(networks, other, |first, value| {
            if ranges.values.last() != Some(&value) {
                ranges.starts.push(first);
                ranges.values.push(value);
            }
        });
        ranges.starts.shrink_to_fit();
        ranges.values.shrink_to_fit();
        ranges
    }

    /// The value of an address.
    pub(super) fn get(&self, address: A) -> Option<T> {
        // The first range begins with the first address.
        let range = self.starts.partition_point(|start| *start <= address).checked_sub(1)?;
        self.values.get(range).copied()
    }

    /// Every range: its first address and its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (A, T)> {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }
}
