//! The tables that a cache is made from: a struct for each row, and the query that reads them. Only the columns that are
//! needed are read, by name; production databases have more of them, or older ones.
//!
//! What is nullable is an `Option` here, and nothing is judged yet: that is the builders' work. host_category_dir, with its
//! 20 million rows, is not among them: see [`super::up_to_date`].

use std::collections::HashSet;

use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Error, Row};

use super::ids::{CategoryId, DirectoryId, HostCategoryId, HostId, SiteId};
use super::progress::Progress;
use super::session::{ReadError, Session};

/// A text of the database. A database without an encoding (SQL_ASCII) can hold any bytes; those that are no UTF-8 become
/// replacement characters.
struct Text(String);

impl<'a> FromSql<'a> for Text {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        <&str as FromSql>::accepts(ty)
    }
}

/// A row of `site`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteRow {
    /// Primary key.
    pub id: SiteId,
    /// The site's name.
    pub name: String,
    /// Whether it is only for its own networks.
    pub private: bool,
    /// Whether its owner wants it to be listed.
    pub user_active: bool,
    /// Whether MirrorManager2's administrators want it to be listed.
    pub admin_active: bool,
}

/// A row of `host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRow {
    /// Primary key.
    pub id: HostId,
    /// The host's name.
    pub name: String,
    /// The site that the host belongs to.
    pub site: Option<SiteId>,
    /// Country code, as typed.
    pub country: String,
    /// Bandwidth in Mbit/s, as typed.
    pub bandwidth: Option<i64>,
    /// Whether it is only for its own networks.
    pub private: bool,
    /// Whether its owner wants it to be listed.
    pub user_active: bool,
    /// Whether MirrorManager2's administrators want it to be listed.
    pub admin_active: bool,
    /// Whether it is on Internet2.
    pub internet2: bool,
    /// Whether it serves Internet2's clients although it is private.
    pub internet2_clients: bool,
    /// The number of its autonomous system.
    pub asn: Option<i64>,
    /// Whether it wants to serve its whole autonomous system.
    pub asn_clients: bool,
}

/// A row of `host_netblock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNetblockRow {
    /// The host that serves the network.
    pub host: Option<HostId>,
    /// A network, an address, a name or anything else, as typed.
    pub netblock: Option<String>,
}

/// A row of `host_country_allowed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCountryRow {
    /// The host that is restricted.
    pub host: Option<HostId>,
    /// Country code, as typed.
    pub country: String,
}

/// A row of `host_peer_asn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAsnRow {
    /// The host that serves the peer.
    pub host: Option<HostId>,
    /// The peer's AS number.
    pub asn: i64,
}

/// A row of `category`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryRow {
    /// Primary key.
    pub id: CategoryId,
    /// The category's name.
    pub name: String,
    /// The directory that its hosts' base URLs stand for.
    pub topdir: Option<DirectoryId>,
}

/// A row of `directory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Primary key.
    pub id: DirectoryId,
    /// Path from the master's root, as typed; empty for the root itself.
    pub name: Option<Box<str>>,
    /// When the directory changed on the master, in seconds since the Unix epoch.
    pub changed: Option<i64>,
}

/// A row of `category_directory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CategoryDirectoryRow {
    /// The category.
    pub category: CategoryId,
    /// A directory in it.
    pub directory: DirectoryId,
}

/// A row of `directory_exclusive_host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExclusiveHostRow {
    /// A directory that only some hosts may serve.
    pub directory: DirectoryId,
    /// One of them.
    pub host: HostId,
}

/// A row of `host_category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCategoryRow {
    /// Primary key.
    pub id: HostCategoryId,
    /// The host.
    pub host: Option<HostId>,
    /// A category that it carries.
    pub category: Option<CategoryId>,
    /// Whether it carries every directory of the category, whatever the crawler saw.
    pub always_up_to_date: bool,
}

/// A row of `host_category_url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlRow {
    /// Primary key.
    pub id: i64,
    /// The host and category that it leads to.
    pub host_category: HostCategoryId,
    /// Base URL, as typed.
    pub url: String,
}

/// A row of `repository`, with its arch's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// Primary key.
    pub id: i64,
    /// The repository's name in MirrorManager2.
    pub name: String,
    /// What clients ask for.
    pub prefix: Option<String>,
    /// The version it is of, if that exists.
    pub version: Option<i64>,
    /// Its architecture's name, if that exists.
    pub arch: Option<String>,
    /// Where it is, if that exists.
    pub directory: Option<DirectoryId>,
    /// Whether clients are told that it is disabled.
    pub disabled: bool,
}

/// A row of `repository_redirect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRedirectRow {
    /// The prefix that is asked for.
    pub from: String,
    /// The prefix that answers.
    pub to: Option<String>,
}

/// A row of `country_continent_redirect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinentRedirectRow {
    /// Country code, as typed.
    pub country: String,
    /// Continent code, as typed.
    pub continent: String,
}

/// A row of `netblock_country`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetblockCountryRow {
    /// A network, as typed.
    pub netblock: String,
    /// Country code, as typed.
    pub country: String,
}

/// A row of `file_detail`: a version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDetailRow {
    /// The directory that the file is in.
    pub directory: DirectoryId,
    /// The file's name.
    pub name: String,
    /// Modification time in seconds since the Unix epoch.
    pub timestamp: Option<i64>,
    /// Size in bytes.
    pub size: Option<i64>,
    /// SHA-1 in hexadecimal.
    pub sha1: Option<String>,
    /// MD5 in hexadecimal.
    pub md5: Option<String>,
    /// SHA-256 in hexadecimal.
    pub sha256: Option<String>,
    /// SHA-512 in hexadecimal.
    pub sha512: Option<String>,
}

/// Who carries what: all that is needed to know before host_category_dir can be folded.
#[derive(Debug, Clone, Default)]
pub struct CarrierTables {
    /// `site`.
    pub sites: Vec<SiteRow>,
    /// `host`, by id.
    pub hosts: Vec<HostRow>,
    /// `category`, by id.
    pub categories: Vec<CategoryRow>,
    /// `directory`, by id.
    pub directories: Vec<DirectoryRow>,
    /// `category_directory`.
    pub category_directories: Vec<CategoryDirectoryRow>,
    /// `directory_exclusive_host`, where that exists.
    pub exclusive_hosts: Vec<ExclusiveHostRow>,
    /// `host_category`, by id.
    pub host_categories: Vec<HostCategoryRow>,
    /// `host_category_url`, by id, without the private ones.
    pub urls: Vec<UrlRow>,
}

/// Everything else.
#[derive(Debug, Clone, Default)]
pub struct OtherTables {
    /// `host_netblock`.
    pub host_netblocks: Vec<HostNetblockRow>,
    /// `host_country_allowed`.
    pub allowed_countries: Vec<AllowedCountryRow>,
    /// `host_peer_asn`, where that exists.
    pub peer_asns: Vec<PeerAsnRow>,
    /// `repository`, by id.
    pub repositories: Vec<RepositoryRow>,
    /// `repository_redirect`, by id.
    pub repository_redirects: Vec<RepositoryRedirectRow>,
    /// `country_continent_redirect`, by id.
    pub continent_redirects: Vec<ContinentRedirectRow>,
    /// `netblock_country`, by id.
    pub netblock_countries: Vec<NetblockCountryRow>,
    /// `file_detail`: by directory and file, newest first, those without a time last.
    pub file_details: Vec<FileDetailRow>,
}

impl CarrierTables {
    /// Reads the tables.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn read(session: &Session<'_>, existing: &Existing, progress: &Progress) -> Result<Self, ReadError> {
        let reader = Reader { session, progress };
        Ok(Self {
            sites: reader.read("site", SITE, |row| {
                Ok(SiteRow {
                    id: SiteId(row.try_get(0)?),
                    name: text(row, 1)?,
                    private: row.try_get(2)?,
                    user_active: row.try_get(3)?,
                    admin_active: row.try_get(4)?,
                })
            })?,
            hosts: reader.read("host", HOST, host)?,
            categories: reader.read("category", CATEGORY, |row| {
                Ok(CategoryRow {
                    id: CategoryId(row.try_get(0)?),
                    name: text(row, 1)?,
                    topdir: row.try_get::<_, Option<i64>>(2)?.map(DirectoryId),
                })
            })?,
            directories: reader.read("directory", existing.directory_query(), |row| {
                Ok(DirectoryRow {
                    id: DirectoryId(row.try_get(0)?),
                    name: optional_text(row, 1)?.map(Into::into),
                    changed: row.try_get(2)?,
                })
            })?,
            category_directories: reader.read("category_directory", CATEGORY_DIRECTORY, |row| {
                Ok(CategoryDirectoryRow {
                    category: CategoryId(row.try_get(0)?),
                    directory: DirectoryId(row.try_get(1)?),
                })
            })?,
            exclusive_hosts: if existing.exclusive_hosts {
                reader.read("directory_exclusive_host", EXCLUSIVE_HOST, |row| {
                    Ok(ExclusiveHostRow {
                        directory: DirectoryId(row.try_get(0)?),
                        host: HostId(row.try_get(1)?),
                    })
                })?
            } else {
                Vec::new()
            },
            host_categories: reader.read("host_category", HOST_CATEGORY, |row| {
                Ok(HostCategoryRow {
                    id: HostCategoryId(row.try_get(0)?),
                    host: row.try_get::<_, Option<i64>>(1)?.map(HostId),
                    category: row.try_get::<_, Option<i64>>(2)?.map(CategoryId),
                    always_up_to_date: row.try_get(3)?,
                })
            })?,
            urls: reader.read("host_category_url", URL, |row| {
                Ok(UrlRow {
                    id: row.try_get(0)?,
                    host_category: HostCategoryId(row.try_get(1)?),
                    url: text(row, 2)?,
                })
            })?,
        })
    }
}

impl OtherTables {
    /// Reads the tables.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn read(session: &Session<'_>, existing: &Existing, progress: &Progress) -> Result<Self, ReadError> {
        let reader = Reader { session, progress };
        Ok(Self {
            host_netblocks: reader.read("host_netblock", HOST_NETBLOCK, |row| {
                Ok(HostNetblockRow {
                    host: row.try_get::<_, Option<i64>>(0)?.map(HostId),
                    netblock: optional_text(row, 1)?,
                })
            })?,
            allowed_countries: reader.read("host_country_allowed", ALLOWED_COUNTRY, |row| {
                Ok(AllowedCountryRow {
                    host: row.try_get::<_, Option<i64>>(0)?.map(HostId),
                    country: text(row, 1)?,
                })
            })?,
            peer_asns: if existing.peer_asns {
                reader.read("host_peer_asn", PEER_ASN, |row| {
                    Ok(PeerAsnRow {
                        host: row.try_get::<_, Option<i64>>(0)?.map(HostId),
                        asn: row.try_get(1)?,
                    })
                })?
            } else {
                Vec::new()
            },
            repositories: reader.read("repository", REPOSITORY, |row| {
                Ok(RepositoryRow {
                    id: row.try_get(0)?,
                    name: text(row, 1)?,
                    prefix: optional_text(row, 2)?,
                    version: row.try_get(3)?,
                    arch: optional_text(row, 4)?,
                    directory: row.try_get::<_, Option<i64>>(5)?.map(DirectoryId),
                    disabled: row.try_get(6)?,
                })
            })?,
            repository_redirects: reader.read("repository_redirect", REPOSITORY_REDIRECT, |row| {
                Ok(RepositoryRedirectRow {
                    from: text(row, 0)?,
                    to: optional_text(row, 1)?,
                })
            })?,
            continent_redirects: reader.read("country_continent_redirect", CONTINENT_REDIRECT, |row| {
                Ok(ContinentRedirectRow {
                    country: text(row, 0)?,
                    continent: text(row, 1)?,
                })
            })?,
            netblock_countries: reader.read("netblock_country", NETBLOCK_COUNTRY, |row| {
                Ok(NetblockCountryRow {
                    netblock: text(row, 0)?,
                    country: text(row, 1)?,
                })
            })?,
            file_details: reader.read("file_detail", FILE_DETAIL, |row| {
                Ok(FileDetailRow {
                    directory: DirectoryId(row.try_get(0)?),
                    name: text(row, 1)?,
                    timestamp: row.try_get(2)?,
                    size: row.try_get(3)?,
                    sha1: optional_text(row, 4)?,
                    md5: optional_text(row, 5)?,
                    sha256: optional_text(row, 6)?,
                    sha512: optional_text(row, 7)?,
                })
            })?,
        })
    }
}

/// Which of the tables and columns that old databases lack are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Existing {
    exclusive_hosts: bool,
    peer_asns: bool,
    directory_changed: bool,
}

impl Existing {
    /// Asks the database.
    ///
    /// # Errors
    /// What it says.
    pub(super) fn read(session: &Session<'_>) -> Result<Self, ReadError> {
        let mut columns: HashSet<String> = HashSet::new();
        session.query("pg_attribute", COLUMNS)?.for_each(|row| {
            columns.insert(row.try_get(0)?);
            Ok(())
        })?;
        let all = |names: &[&str]| names.iter().all(|name| columns.contains(*name));
        Ok(Self {
            exclusive_hosts: all(&[
                "directory_exclusive_host.directory_id",
                "directory_exclusive_host.host_id",
            ]),
            peer_asns: all(&["host_peer_asn.host_id", "host_peer_asn.asn"]),
            directory_changed: all(&["directory.ctime"]),
        })
    }

    fn directory_query(self) -> &'static str {
        if self.directory_changed {
            DIRECTORY
        } else {
            DIRECTORY_WITHOUT_TIME
        }
    }
}

struct Reader<'a> {
    session: &'a Session<'a>,
    progress: &'a Progress,
}

impl Reader<'_> {
    fn read<T>(
        &self,
        table: &'static str,
        query: &str,
        row: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, ReadError> {
        let step = self.progress.table(table);
        let mut rows = Vec::new();
        self.session.query(table, query)?.for_each(|found| {
            rows.push(row(&found)?);
            Ok(())
        })?;
        rows.shrink_to_fit();
        step.finish(rows.len() as u64);
        Ok(rows)
    }
}

fn host(row: &Row) -> Result<HostRow, Error> {
    Ok(HostRow {
        id: HostId(row.try_get(0)?),
        name: text(row, 1)?,
        site: row.try_get::<_, Option<i64>>(2)?.map(SiteId),
        country: text(row, 3)?,
        bandwidth: row.try_get(4)?,
        private: row.try_get(5)?,
        user_active: row.try_get(6)?,
        admin_active: row.try_get(7)?,
        internet2: row.try_get(8)?,
        internet2_clients: row.try_get(9)?,
        asn: row.try_get(10)?,
        asn_clients: row.try_get(11)?,
    })
}

/// A text that the query makes sure is there.
fn text(row: &Row, column: usize) -> Result<String, Error> {
    Ok(row.try_get::<_, Text>(column)?.0)
}

fn optional_text(row: &Row, column: usize) -> Result<Option<String>, Error> {
    Ok(row.try_get::<_, Option<Text>>(column)?.map(|text| text.0))
}

// Numbers are cast, so that a database with wider or narrower columns reads the same; `IS TRUE` is false for null.

const COLUMNS: &str = "\
    SELECT c.relname::text || '.' || a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
    WHERE c.relname IN ('directory', 'directory_exclusive_host', 'host_peer_asn') AND pg_table_is_visible(c.oid) \
    AND a.attnum > 0 AND NOT a.attisdropped";
const SITE: &str = "\
    SELECT id::bigint, coalesce(name, '')::text, private IS TRUE, user_active IS TRUE, admin_active IS TRUE \
    FROM site ORDER BY id";
const HOST: &str = "\
    SELECT id::bigint, coalesce(name, '')::text, site_id::bigint, coalesce(country, '')::text, bandwidth_int::bigint, \
    private IS TRUE, user_active IS TRUE, admin_active IS TRUE, internet2 IS TRUE, internet2_clients IS TRUE, \
    asn::bigint, asn_clients IS TRUE FROM host ORDER BY id";
const CATEGORY: &str = "SELECT id::bigint, coalesce(name, '')::text, topdir_id::bigint FROM category ORDER BY id";
const DIRECTORY: &str = "SELECT id::bigint, name::text, ctime::bigint FROM directory ORDER BY id";
const DIRECTORY_WITHOUT_TIME: &str = "SELECT id::bigint, name::text, NULL::bigint FROM directory ORDER BY id";
const CATEGORY_DIRECTORY: &str = "\
    SELECT category_id::bigint, directory_id::bigint FROM category_directory \
    WHERE category_id IS NOT NULL AND directory_id IS NOT NULL ORDER BY directory_id, category_id";
const EXCLUSIVE_HOST: &str = "\
    SELECT directory_id::bigint, host_id::bigint FROM directory_exclusive_host \
    WHERE directory_id IS NOT NULL AND host_id IS NOT NULL ORDER BY directory_id, host_id";
const HOST_CATEGORY: &str = "\
    SELECT id::bigint, host_id::bigint, category_id::bigint, always_up2date IS TRUE FROM host_category ORDER BY id";
const URL: &str = "\
    SELECT id::bigint, host_category_id::bigint, coalesce(url, '')::text FROM host_category_url \
    WHERE private IS NOT TRUE AND host_category_id IS NOT NULL ORDER BY id";
const HOST_NETBLOCK: &str = "SELECT host_id::bigint, netblock::text FROM host_netblock ORDER BY id";
const ALLOWED_COUNTRY: &str = "\
    SELECT host_id::bigint, coalesce(country, '')::text FROM host_country_allowed ORDER BY id";
const PEER_ASN: &str = "\
    SELECT host_id::bigint, asn::bigint FROM host_peer_asn WHERE asn IS NOT NULL ORDER BY host_id, asn";
const REPOSITORY: &str = "\
    SELECT r.id::bigint, coalesce(r.name, '')::text, r.prefix::text, v.id::bigint, a.name::text, \
    d.id::bigint, r.disabled IS TRUE FROM repository r LEFT JOIN version v ON v.id = r.version_id \
    LEFT JOIN arch a ON a.id = r.arch_id LEFT JOIN directory d ON d.id = r.directory_id ORDER BY r.id";
const REPOSITORY_REDIRECT: &str = "\
    SELECT coalesce(from_repo, '')::text, to_repo::text FROM repository_redirect ORDER BY id";
const CONTINENT_REDIRECT: &str = "\
    SELECT coalesce(country, '')::text, coalesce(continent, '')::text FROM country_continent_redirect ORDER BY id";
const NETBLOCK_COUNTRY: &str = "\
    SELECT coalesce(netblock, '')::text, coalesce(country, '')::text FROM netblock_country ORDER BY id";
const FILE_DETAIL: &str = "\
    SELECT directory_id::bigint, coalesce(filename, '')::text, \"timestamp\"::bigint, size::bigint, sha1::text, \
    md5::text, sha256::text, sha512::text FROM file_detail WHERE directory_id IS NOT NULL \
    ORDER BY directory_id, filename COLLATE \"C\", \"timestamp\" DESC NULLS LAST, id DESC";
