//! Primary keys of the database: a type for each table, so that none is taken for another's.

use std::fmt;

macro_rules! id {
    ($(#[doc = $doc:literal] $name:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
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
