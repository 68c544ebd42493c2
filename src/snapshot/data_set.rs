//! The table of all kinds of data files. Whatever goes through the files (status, `check`, metrics, logs, the watch, the shrink
//! guard) is a loop over [`DataSet::files`] or [`DataPaths::iter`].
//!
//! A new kind of data file has three places: its row in `data_files!` and its [`DataTable`] below, and its setting in
//! [`crate::settings`].

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::age;
use super::catalogue::Catalogue;
use super::data_file::{DataFile, DataTable, FileIdentity, Loaded, load};
use super::load_error::{LoadError, LoadProblem};
use super::shrink::{Count, cache_counts};
use crate::geo::{AsTable, ContinentTable, GeoIp};
use crate::rules::RulesFile;
use crate::settings::DataPaths;
use crate::threads::join;
use crate::warnings::Warnings;

/// The fields of [`DataPaths`] and [`DataSet`], and the loops over them. The first file takes about as long to read as all others,
/// which are read on a second thread.
macro_rules! data_files {
    ($(#[$first_doc:meta])* $first:ident: $First:ty, $($(#[$doc:meta])* $name:ident: $Table:ty,)*) => {
        impl DataPaths {
            /// The key of the setting of each file that is set, and its path.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Path)> {
                let paths = [(<$First>::KEY, self.$first.set()), $((<$Table>::KEY, self.$name.set()),)*];
                paths.into_iter().filter_map(|(key, path)| Some((key, path?)))
            }
        }

        /// The tables of all data files. They are shared with the next data set as long as a file stays the same.
        #[derive(Clone)]
        pub struct DataSet {
            $(#[$first_doc])*
            pub $first: Arc<Loaded<$First>>,
            $($(#[$doc])* pub $name: Arc<Loaded<$Table>>,)*
        }

        impl DataSet {
            /// Reads all files.
            ///
            /// # Errors
            /// The first file that is refused, in the order of reading.
            pub fn load(paths: &DataPaths) -> Result<Self, LoadError> {
                let ($first, $($name,)*) = read(paths, None);
                Ok(Self { $first: $first.loaded?, $($name: $name.loaded?,)* })
            }

            /// Reads the files that are not those of the current data set.
            pub fn reload(paths: &DataPaths, current: &Self) -> Reload {
                let ($first, $($name,)*) = read(paths, Some(current));
                let (mut changed, mut refused) = (Vec::new(), Vec::new());
                let $first = $first.note(&mut changed, &mut refused);
                $(let $name = $name.note(&mut changed, &mut refused);)*
                let all = || Some(Self { $first: $first?, $($name: $name?,)* });
                Reload { data_set: all(), changed, refused }
            }

            /// All files, in the order of reading.
            pub fn files(&self) -> impl Iterator<Item = &DataFile> {
                [self.$first.file.as_ref(), $(self.$name.file.as_ref(),)*].into_iter().flatten()
            }
        }

        fn read(paths: &DataPaths, current: Option<&DataSet>) -> (Attempt<$First>, $(Attempt<$Table>,)*) {
            thread::scope(|scope| {
                let others = scope.spawn(|| ($(Attempt::read(paths.$name.set(), current.map(|set| &set.$name)),)*));
                let $first = Attempt::read(paths.$first.set(), current.map(|set| &set.$first));
                let ($($name,)*) = join(others);
                ($first, $($name,)*)
            })
        }
    };
}

/// The path of a data file, as its setting gives it.
trait DataPath {
    /// The path; `None` if the setting is empty.
    fn set(&self) -> Option<&Path>;
}

impl DataPath for PathBuf {
    fn set(&self) -> Option<&Path> {
        Some(self)
    }
}

impl DataPath for Option<PathBuf> {
    fn set(&self) -> Option<&Path> {
        self.as_deref()
    }
}

data_files! {
    /// The mirrorlist cache.
    cache: Catalogue,
    /// `country_continent.csv`: countries and continents.
    country_continent: ContinentTable,
    /// The GeoIP country database: addresses and countries.
    geoip: GeoIp,
    /// The operators' rules; empty without such a file.
    rules: RulesFile,
    /// `global_netblocks.txt`: networks and AS numbers. It comes last, since making its table leaves freed memory that a file read after
    /// it does not fit into: 4 MB at Fedora's size.
    global_netblocks: AsTable,
}

/// The outcome of reading the data files while a data set is in use.
pub struct Reload {
    /// All tables; `None` if a file is refused.
    pub data_set: Option<DataSet>,
    /// The keys of the files that are not those of the current data set, and so were read or could not be.
    pub changed: Vec<&'static str>,
    /// Why each of the refused files is refused.
    pub refused: Vec<LoadError>,
}

/// The outcome of one file.
struct Attempt<T> {
    loaded: Result<Arc<Loaded<T>>, LoadError>,
    /// Whether the file is not that of the current data set.
    is_changed: bool,
}

impl<T: DataTable> Attempt<T> {
    fn read(path: Option<&Path>, current: Option<&Arc<Loaded<T>>>) -> Self {
        let path = match (path, T::without_file()) {
            (None, Some(table)) => {
                return Self {
                    is_changed: false,
                    loaded: Ok(Loaded::without_file(table)),
                };
            }
            (path, _) => path.unwrap_or(Path::new("")),
        };
        let is_same = |loaded: &&Arc<Loaded<T>>| {
            let identity = FileIdentity::at(path).ok();
            let file = loaded.file.as_ref();
            identity.is_some() && file.is_some_and(|file| file.path == path && file.identity == identity)
        };
        let same = current.filter(is_same);
        Self {
            is_changed: same.is_none(),
            loaded: same.map_or_else(|| load(path), |loaded| Ok(Arc::clone(loaded))),
        }
    }

    fn note(self, changed: &mut Vec<&'static str>, refused: &mut Vec<LoadError>) -> Option<Arc<Loaded<T>>> {
        if self.is_changed {
            changed.push(T::KEY);
        }
        self.loaded.map_err(|error| refused.push(error)).ok()
    }
}

impl DataTable for Catalogue {
    const KEY: &'static str = "cache";
    /// Fifty times Fedora's.
    const MAX_BYTES: u64 = 16 << 30;

    fn read_file(file: BufReader<File>, warnings: &mut Warnings) -> Result<Self, LoadProblem> {
        let catalogue = Catalogue::read(file, warnings)?;
        age::check_created(catalogue.created(), age::now())?;
        Ok(catalogue)
    }

    fn created_at(&self) -> Option<u64> {
        Some(self.created())
    }

    fn entry_counts(&self) -> Vec<Count> {
        let counts = self.counts();
        cache_counts(counts.hosts, counts.directories, counts.repositories).to_vec()
    }

    fn guarded_counts(&self) -> Vec<Count> {
        let counts = self.counts();
        cache_counts(self.carrying_hosts(), counts.directories, counts.repositories).to_vec()
    }

    fn summary(&self) -> Vec<String> {
        let counts = self.counts();
        vec![
            format!("created {}", age::Utc(self.created())),
            format!(
                "{} hosts, {} pairs of host and category, {} directories, {} repositories",
                counts.hosts, counts.carriers, counts.directories, counts.repositories
            ),
            format!(
                "{} directories with file details, {} networks of hosts, {} AS numbers of hosts",
                counts.directories_with_files, counts.host_netblocks, counts.as_numbers
            ),
        ]
    }
}

impl DataTable for AsTable {
    const KEY: &'static str = "global_netblocks";

    fn read_file(file: BufReader<File>, warnings: &mut Warnings) -> Result<Self, LoadProblem> {
        let table = Self::read(file, warnings)?;
        check_usable(!table.is_empty(), "lines like 192.0.2.0/24 64496", warnings)?;
        Ok(table)
    }

    fn entry_counts(&self) -> Vec<Count> {
        vec![Count::new("networks", self.len())]
    }
}

impl DataTable for ContinentTable {
    const KEY: &'static str = "cccsv";

    fn read_file(file: BufReader<File>, warnings: &mut Warnings) -> Result<Self, LoadProblem> {
        let table = Self::read(file, warnings)?;
        check_usable(!table.is_empty(), "lines like DE,EU", warnings)?;
        Ok(table)
    }

    fn entry_counts(&self) -> Vec<Count> {
        vec![Count::new("countries", self.len())]
    }
}

impl DataTable for GeoIp {
    const KEY: &'static str = "geoip";

    fn read_file(mut file: BufReader<File>, warnings: &mut Warnings) -> Result<Self, LoadProblem> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        bytes.shrink_to_fit();
        let table = Self::new(bytes)?;
        check_usable(table.has_countries(), "records with a country", warnings)?;
        Ok(table)
    }

    fn created_at(&self) -> Option<u64> {
        self.built()
    }

    fn entry_counts(&self) -> Vec<Count> {
        vec![Count::new("nodes", self.node_count())]
    }

    fn summary(&self) -> Vec<String> {
        let places = if self.has_places() { ", with coordinates" } else { "" };
        let line = |built| format!("built {}, {} nodes{places}", age::Utc(built), self.node_count());
        self.built().map(line).into_iter().collect()
    }
}

fn check_usable(is_usable: bool, expected: &str, warnings: &Warnings) -> Result<(), LoadProblem> {
    if is_usable {
        return Ok(());
    }
    Err(LoadProblem::NothingUsable(match warnings.first().first() {
        Some(warning) => format!("{expected}; {warning}"),
        None => expected.to_owned(),
    }))
}
