//! The rows of the tables that a cache is made from, each field with the SQL that gives it. Only the columns that are needed are
//! read; production databases have more of them, or older ones.
//!
//! Numbers are cast, so that a database with wider or narrower columns reads the same. `IS TRUE` is false for null.

use std::convert::identity;
use std::error::Error as StdError;

use tokio_postgres::types::{FromSql, FromSqlOwned, Type};
use tokio_postgres::{Error, Row};

use super::ids::{CategoryId, DirectoryId, HostCategoryId, HostId, SiteId};

/// A row of a table.
pub(super) trait TableRow: Sized {
    const TABLE: &'static str;

    fn query() -> String;
    fn read(row: &Row) -> Result<Self, Error>;
}

/// A value of a column, made of what the driver reads.
trait Column {
    type Sql: FromSqlOwned;

    fn of(value: Self::Sql) -> Self;
}

impl<T: Column> Column for Option<T> {
    type Sql = Option<T::Sql>;

    fn of(value: Self::Sql) -> Self {
        value.map(T::of)
    }
}

macro_rules! columns {
    ($($type:ty: $sql:ty = $of:expr;)*) => {$(
        impl Column for $type {
            type Sql = $sql;

            fn of(value: $sql) -> Self {
                $of(value)
            }
        }
    )*};
}

columns! {
    bool: bool = identity;
    i64: i64 = identity;
    SiteId: i64 = SiteId;
    HostId: i64 = HostId;
    CategoryId: i64 = CategoryId;
    DirectoryId: i64 = DirectoryId;
    HostCategoryId: i64 = HostCategoryId;
    String: Text = |text: Text| text.0;
    Box<str>: Text = |text: Text| text.0.into();
}

/// A text of the database. A database without an encoding (SQL_ASCII) can hold any bytes; those that are not UTF-8 become
/// replacement characters.
struct Text(String);

impl FromSql<'_> for Text {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(of: &Type) -> bool {
        <&str as FromSql>::accepts(of)
    }
}

/// Reads the column at `index`, and goes on to the next one.
fn take<T: Column>(row: &Row, index: &mut usize) -> Result<T, Error> {
    let value = row.try_get(*index)?;
    *index += 1;
    Ok(T::of(value))
}

macro_rules! rows {
    ($(
        $row:ident from $table:literal $clauses:literal {
            $(#[doc = $field_doc:literal] $field:ident: $type:ty = $sql:literal,)*
        }
    )*) => {$(
        #[doc = concat!("A row of `", $table, "`.")]
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $row {
            $(#[doc = $field_doc] pub $field: $type,)*
        }

        impl TableRow for $row {
            const TABLE: &'static str = $table;

            fn query() -> String {
                format!(concat!("SELECT {} FROM ", $table, " ", $clauses), [$($sql),*].join(", "))
            }

            fn read(row: &Row) -> Result<Self, Error> {
                let mut index = 0;
                Ok(Self { $($field: take(row, &mut index)?,)* })
            }
        }
    )*};
}

rows! {
    SiteRow from "site" "ORDER BY id" {
        /// Primary key.
        id: SiteId = "id::bigint",
        /// The site's name.
        name: String = "coalesce(name, '')::text",
        /// Whether it is only for its own networks.
        private: bool = "private IS TRUE",
        /// Whether its owner wants it to be listed.
        user_active: bool = "user_active IS TRUE",
        /// Whether MirrorManager2's administrators want it to be listed.
        admin_active: bool = "admin_active IS TRUE",
    }

    HostRow from "host" "ORDER BY id" {
        /// Primary key.
        id: HostId = "id::bigint",
        /// The host's name.
        name: String = "coalesce(name, '')::text",
        /// The site that the host belongs to.
        site: Option<SiteId> = "site_id::bigint",
        /// Country code, as typed.
        country: String = "coalesce(country, '')::text",
        /// Bandwidth in Mbit/s, as typed.
        bandwidth: Option<i64> = "bandwidth_int::bigint",
        /// Whether it is only for its own networks.
        private: bool = "private IS TRUE",
        /// Whether its owner wants it to be listed.
        user_active: bool = "user_active IS TRUE",
        /// Whether MirrorManager2's administrators want it to be listed.
        admin_active: bool = "admin_active IS TRUE",
        /// Whether it is on Internet2.
        internet2: bool = "internet2 IS TRUE",
        /// Whether it serves Internet2's clients although it is private.
        internet2_clients: bool = "internet2_clients IS TRUE",
        /// The number of its autonomous system.
        asn: Option<i64> = "asn::bigint",
        /// Whether it wants to serve its whole autonomous system.
        asn_clients: bool = "asn_clients IS TRUE",
        /// Its latitude in degrees, as typed or as a geocoder found it.
        latitude: Option<String> = "latitude::text",
        /// Its longitude in degrees, likewise.
        longitude: Option<String> = "longitude::text",
    }

    HostNetblockRow from "host_netblock" "ORDER BY id" {
        /// The host that serves the network.
        host: Option<HostId> = "host_id::bigint",
        /// A network, an address, a name or anything else, as typed.
        netblock: Option<String> = "netblock::text",
    }

    AllowedCountryRow from "host_country_allowed" "ORDER BY id" {
        /// The host that is restricted.
        host: Option<HostId> = "host_id::bigint",
        /// Country code, as typed.
        country: String = "coalesce(country, '')::text",
    }

    PeerAsnRow from "host_peer_asn" "WHERE asn IS NOT NULL ORDER BY host_id, asn" {
        /// The host that serves the peer.
        host: Option<HostId> = "host_id::bigint",
        /// The peer's AS number.
        asn: i64 = "asn::bigint",
    }

    CategoryRow from "category" "ORDER BY id" {
        /// Primary key.
        id: CategoryId = "id::bigint",
        /// The category's name.
        name: String = "coalesce(name, '')::text",
        /// The directory that its hosts' base URLs stand for.
        topdir: Option<DirectoryId> = "topdir_id::bigint",
    }

    DirectoryRow from "directory" "ORDER BY id" {
        /// Primary key.
        id: DirectoryId = "id::bigint",
        /// Path from the master's root, as typed; empty for the root itself.
        name: Option<Box<str>> = "name::text",
        /// When the directory changed on the master, in seconds since the Unix epoch.
        changed: Option<i64> = "ctime::bigint",
    }

    CategoryDirectoryRow from "category_directory" "WHERE category_id IS NOT NULL AND directory_id IS NOT NULL \
        ORDER BY directory_id, category_id" {
        /// The category.
        category: CategoryId = "category_id::bigint",
        /// A directory in it.
        directory: DirectoryId = "directory_id::bigint",
    }

    ExclusiveHostRow from "directory_exclusive_host" "WHERE directory_id IS NOT NULL AND host_id IS NOT NULL \
        ORDER BY directory_id, host_id" {
        /// A directory that only some hosts may serve.
        directory: DirectoryId = "directory_id::bigint",
        /// One of them.
        host: HostId = "host_id::bigint",
    }

    HostCategoryRow from "host_category" "ORDER BY id" {
        /// Primary key.
        id: HostCategoryId = "id::bigint",
        /// The host.
        host: Option<HostId> = "host_id::bigint",
        /// A category that it carries.
        category: Option<CategoryId> = "category_id::bigint",
        /// Whether it carries every directory of the category, whatever the crawler saw.
        always_up_to_date: bool = "always_up2date IS TRUE",
    }

    UrlRow from "host_category_url" "WHERE private IS NOT TRUE AND host_category_id IS NOT NULL \
        ORDER BY id" {
        /// Primary key.
        id: i64 = "id::bigint",
        /// The host and category that it leads to.
        host_category: HostCategoryId = "host_category_id::bigint",
        /// Base URL, as typed.
        url: String = "coalesce(url, '')::text",
    }

    RepositoryRow from "repository" "r \
        LEFT JOIN version v ON v.id = r.version_id \
        LEFT JOIN arch a ON a.id = r.arch_id \
        LEFT JOIN directory d ON d.id = r.directory_id \
        ORDER BY r.id" {
        /// Primary key.
        id: i64 = "r.id::bigint",
        /// The repository's name in MirrorManager2.
        name: String = "coalesce(r.name, '')::text",
        /// The name that clients ask for.
        prefix: Option<String> = "r.prefix::text",
        /// The version it is of, if that exists.
        version: Option<i64> = "v.id::bigint",
        /// Its architecture's name, if that exists.
        arch: Option<String> = "a.name::text",
        /// Its directory, if that exists.
        directory: Option<DirectoryId> = "d.id::bigint",
        /// Whether clients are told that it is disabled.
        disabled: bool = "r.disabled IS TRUE",
    }

    RepositoryRedirectRow from "repository_redirect" "ORDER BY id" {
        /// The prefix that is asked for.
        from: String = "coalesce(from_repo, '')::text",
        /// The prefix that answers.
        to: Option<String> = "to_repo::text",
    }

    ContinentRedirectRow from "country_continent_redirect" "ORDER BY id" {
        /// Country code, as typed.
        country: String = "coalesce(country, '')::text",
        /// Continent code, as typed.
        continent: String = "coalesce(continent, '')::text",
    }

    NetblockCountryRow from "netblock_country" "ORDER BY id" {
        /// A network, as typed.
        netblock: String = "coalesce(netblock, '')::text",
        /// Country code, as typed.
        country: String = "coalesce(country, '')::text",
    }

    FileDetailRow from "file_detail" "WHERE directory_id IS NOT NULL \
        ORDER BY directory_id, filename COLLATE \"C\", \"timestamp\" DESC NULLS LAST, id DESC" {
        /// The directory that the file is in.
        directory: DirectoryId = "directory_id::bigint",
        /// The file's name.
        name: String = "coalesce(filename, '')::text",
        /// Modification time in seconds since the Unix epoch.
        timestamp: Option<i64> = "\"timestamp\"::bigint",
        /// Size in bytes.
        size: Option<i64> = "size::bigint",
        /// SHA-1 in hexadecimal.
        sha1: Option<String> = "sha1::text",
        /// MD5 in hexadecimal.
        md5: Option<String> = "md5::text",
        /// SHA-256 in hexadecimal.
        sha256: Option<String> = "sha256::text",
        /// SHA-512 in hexadecimal.
        sha512: Option<String> = "sha512::text",
    }
}
