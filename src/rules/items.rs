//! Lists and tables of the file, whose mistakes are told in the words of TOML. Not here: the values in them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::entry::Audience;

/// Reads a list; `expected` describes it for who wrote something else.
///
/// # Errors
/// The value is no list, or one in it is none of these items.
pub(super) fn items<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(Items {
        expected,
        items: PhantomData,
    })
}

/// Reads the tables of one kind of rules.
///
/// # Errors
/// As [`items`].
pub(super) fn rules<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    items(
        deserializer,
        "rules with two brackets on each side, like [[clients]], [[mirrors]] or [[repositories]]",
    )
}

struct Items<T> {
    expected: &'static str,
    items: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// Reads the clients of `never_for`.
///
/// # Errors
/// The value is no table, or has a key or value that such a table has not.
pub(super) fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Audience>, D::Error> {
    deserializer.deserialize_any(AudienceTable).map(Some)
}

struct AudienceTable;

impl<'de> Visitor<'de> for AudienceTable {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with networks, as or countries, like { countries = [\"DE\"] }")
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Audience, A::Error> {
        Audience::deserialize(MapAccessDeserializer::new(table))
    }
}
