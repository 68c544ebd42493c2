//! An RPM repository like a distribution's, but for its size: one package.

use std::fs;
use std::path::{Path, PathBuf};

use mirrorlist_server::cache::proto::FileDetailsType;
use tempfile::TempDir;

use crate::support::process::succeed;
use crate::support::programs::Program;

/// The repository's directory on a mirror, below [`TOP_DIRECTORY`].
pub(crate) const SUBPATH: &str = "1/os";
/// The category's directory, in which a mirror's base URLs end.
pub(crate) const TOP_DIRECTORY: &str = "pub/example";
/// The name of the package.
pub(crate) const PACKAGE: &str = "mirrored";

/// The document root of a mirror, with a repository in it.
pub(crate) struct Repository {
    root: TempDir,
}

impl Repository {
    /// What a repository can't be built without.
    pub(crate) const NEEDS: [Program; 2] = [Program::Rpmbuild, Program::CreaterepoC];

    /// A repository whose package has this version.
    pub(crate) fn with_version(version: u32) -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = directory(root.path());
        fs::create_dir_all(&directory).unwrap();
        build_package(version, &directory);
        // The Python that reads it knows no zstd, which is the default of newer versions.
        succeed(
            Program::CreaterepoC
                .command()
                .args(["--quiet", "--general-compress-type=gz"])
                .arg(directory),
        );
        Self { root }
    }

    /// The document root.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The repository's index.
    pub(crate) fn repomd(&self) -> PathBuf {
        repomd(self.root())
    }
}

/// Where the repository's index is below a document root.
pub(crate) fn repomd(root: &Path) -> PathBuf {
    directory(root).join("repodata/repomd.xml")
}

fn directory(root: &Path) -> PathBuf {
    root.join(TOP_DIRECTORY).join(SUBPATH)
}

/// A package without files.
fn build_package(version: u32, folder: &Path) {
    let work = tempfile::tempdir().unwrap();
    let spec = work.path().join("package.spec");
    let text = format!(
        "Name: {PACKAGE}\nVersion: {version}\nRelease: 1\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n\
         %description\nA package without files.\n%files\n"
    );
    fs::write(&spec, text).unwrap();
    let define = |name: &str, folder: &Path| ["--define".to_owned(), format!("{name} {}", folder.display())];
    succeed(
        Program::Rpmbuild
            .command()
            .args(["--quiet", "-bb"])
            .args(define("_topdir", work.path()))
            .args(define("_tmppath", work.path()))
            .args(define("_rpmdir", folder))
            .arg(spec),
    );
}

/// A file's details as a generator finds them.
pub(crate) fn details(file: &Path, time_stamp: u64) -> FileDetailsType {
    let hash = |program: &str| {
        let printed = succeed(std::process::Command::new(program).arg(file));
        printed.split_whitespace().next().map(str::to_owned)
    };
    FileDetailsType {
        time_stamp,
        size: fs::metadata(file).unwrap().len(),
        md5: hash("md5sum"),
        sha1: hash("sha1sum"),
        sha256: hash("sha256sum"),
        sha512: hash("sha512sum"),
    }
}
