//! A server whose cache has one repository, and mirrors for it in an order that is certain.

use std::net::SocketAddr;

use mirrorlist_server::cache::proto::{
    FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType, IntRepeatedIntMap, IntStringMap,
    MirrorList, MirrorListCacheType, StringRepeatedIntMap, StringStringMap,
};

use crate::repository::{SUBPATH, TOP_DIRECTORY};
use crate::support::data::DataFiles;
use crate::support::server::Server;

/// The query for the repository.
pub(crate) const REPOSITORY: &str = "repo=example-1&arch=x86_64";
/// The query for the repository's index, a file.
pub(crate) const REPOMD: &str = "path=pub/example/1/os/repodata/repomd.xml";

/// A wish that leaves no mirror, since all are in Germany, so that a comment in the answer says that it is not followed.
pub(crate) const NONE_LEFT: &str = "&country=!de";

/// A server and its files.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) files: DataFiles,
}

impl Scene {
    /// A server that lists these mirrors in this order to clients on loopback. The versions of the repository's index are
    /// the current one first.
    pub(crate) fn with(mirrors: &[SocketAddr], repomd: Vec<FileDetailsType>) -> Self {
        let files = DataFiles::new(&cache(mirrors, repomd));
        let server = Server::start(&files, &[]);
        let scene = Self { server, files };
        let expected: Vec<String> = mirrors
            .iter()
            .map(|mirror| format!("{}/{SUBPATH}/", base_url(*mirror)))
            .collect();
        let answer = scene.server.get(&format!("/mirrorlist?{REPOSITORY}"));
        let listed: Vec<&str> = answer.text().lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(listed, expected, "the mirrors' order, which the tests rely on");
        scene
    }

    /// The URL of an answer.
    pub(crate) fn url(&self, endpoint: &str, query: &str) -> String {
        self.server.url(&format!("/{endpoint}?{query}"))
    }
}

/// The base URL of a mirror.
pub(crate) fn base_url(mirror: SocketAddr) -> String {
    format!("http://{mirror}/{TOP_DIRECTORY}")
}

/// The networks that mirrors register, so that tests know their order: the longest prefix that holds the client comes first,
/// and only one mirror is left to be chosen by chance.
fn netblock(place: usize) -> String {
    let length = 32_usize.checked_sub(place).unwrap();
    let mask = u32::MAX << (32 - length);
    let loopback = std::net::Ipv4Addr::from_bits(std::net::Ipv4Addr::LOCALHOST.to_bits() & mask);
    format!("{loopback}/{length}")
}

fn cache(mirrors: &[SocketAddr], repomd: Vec<FileDetailsType>) -> MirrorList {
    let hosts = || (1_i64..).zip(mirrors);
    let directory = |subpath: &str| MirrorListCacheType {
        directory: format!("{TOP_DIRECTORY}/{subpath}"),
        subpath: Some(subpath.to_owned()),
        global: hosts().map(|(id, _)| id).collect(),
        by_host_id: hosts()
            .map(|(id, _)| IntRepeatedIntMap {
                key: id,
                value: vec![id],
            })
            .collect(),
        ..MirrorListCacheType::default()
    };
    let repodata = format!("{SUBPATH}/repodata");
    MirrorList {
        time: 1_767_225_600,
        mirror_list_cache: vec![directory(SUBPATH), directory(&repodata)],
        repo_arch_to_directory_name: vec![StringStringMap {
            key: "example-1+x86_64".to_owned(),
            value: format!("{TOP_DIRECTORY}/{SUBPATH}"),
        }],
        hc_url_cache: hosts()
            .map(|(key, mirror)| IntStringMap {
                key,
                value: base_url(*mirror),
            })
            .collect(),
        host_country_cache: hosts()
            .map(|(key, _)| IntStringMap {
                key,
                value: "DE".to_owned(),
            })
            .collect(),
        host_netblock_cache: hosts()
            .take(mirrors.len().saturating_sub(1))
            .enumerate()
            .map(|(place, (id, _))| StringRepeatedIntMap {
                key: netblock(place),
                value: vec![id],
            })
            .collect(),
        file_details_cache: vec![FileDetailsCacheDirectoryType {
            directory: format!("{TOP_DIRECTORY}/{repodata}"),
            file_details_cache_files: vec![FileDetailsCacheFilesType {
                filename: "repomd.xml".to_owned(),
                file_details: repomd,
            }],
        }],
        ..MirrorList::default()
    }
}
