//! Primary keys of the database: a type for each table, so that none is taken for another's.

use std::fmt;

macro_rules! id {
    ($($name:ident of $table:literal;)*) => {$(
        #[doc = concat!("The id of a row of `", $table, "`.")]
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    SiteId of "site";
    HostId of "host";
    CategoryId of "category";
    DirectoryId of "directory";
    HostCategoryId of "host_category";
}
