//! Primary keys of the database: a type for each table, so that none is taken for another's.

use std::error::Error;
use std::fmt;

use tokio_postgres::types::{FromSql, Type};

macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromSql<'_> for $name {
            fn from_sql(of: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
                i64::from_sql(of, raw).map(Self)
            }

            fn accepts(of: &Type) -> bool {
                <i64 as FromSql>::accepts(of)
            }
        }
    )*};
}

id! {
    /// The id of a row of `site`.
    SiteId;
    /// The id of a row of `host`.
    HostId;
    /// The id of a row of `category`.
    CategoryId;
    /// The id of a row of `directory`.
    DirectoryId;
    /// The id of a row of `host_category`: a host that carries a category.
    HostCategoryId;
}
