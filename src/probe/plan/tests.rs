use super::*;

use prost::Message as _;

use crate::cache::proto::{
    FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType, IntRepeatedIntMap, IntStringMap,
    MirrorList, MirrorListCacheType, StringStringMap,
};
use crate::warnings::Warnings;

/// A cache of repositories, each a directory below its topdir with its time, and of hosts with their URLs.
#[derive(Default)]
struct World {
    message: MirrorList,
    hosts: Vec<(i64, Vec<i64>)>,
}

impl World {
    fn host(mut self, id: i64, urls: &[&str]) -> Self {
        let first = self.next_url();
        let urls = (first..).zip(urls).map(|(key, url)| IntStringMap {
            key,
            value: (*url).to_owned(),
        });
        self.message.hc_url_cache.extend(urls);
        let last = self.next_url();
        self.hosts.push((id, (first..last).collect()));
        self
    }

    fn next_url(&self) -> i64 {
        i64::try_from(self.message.hc_url_cache.len()).unwrap()
    }

    fn repository(mut self, key: &str, topdir: &str, subpath: &str, time: u64, private: &[i64]) -> Self {
        let directory = format!("{topdir}/{subpath}");
        self.message.repo_arch_to_directory_name.push(StringStringMap {
            key: key.to_owned(),
            value: directory.clone(),
        });
        for (name, subpath) in [
            (directory.clone(), subpath.to_owned()),
            (format!("{directory}/repodata"), format!("{subpath}/repodata")),
        ] {
            let carriers = self.hosts.iter().map(|(key, value)| IntRepeatedIntMap {
                key: *key,
                value: value.clone(),
            });
            let public = self.hosts.iter().map(|(id, _)| *id).filter(|id| !private.contains(id));
            self.message.mirror_list_cache.push(MirrorListCacheType {
                directory: name,
                subpath: Some(subpath),
                global: public.collect(),
                by_host_id: carriers.collect(),
                ..MirrorListCacheType::default()
            });
        }
        let details = |time_stamp| FileDetailsType {
            time_stamp,
            size: 100,
            ..FileDetailsType::default()
        };
        self.message.file_details_cache.push(FileDetailsCacheDirectoryType {
            directory: format!("{directory}/repodata"),
            file_details_cache_files: vec![FileDetailsCacheFilesType {
                filename: "repomd.xml".to_owned(),
                file_details: vec![details(time), details(1)],
            }],
        });
        self
    }

    fn plan(&self, patterns: &[&str]) -> Plan {
        self.plan_without(patterns, &[])
    }

    fn plan_without(&self, patterns: &[&str], skipped: &[&str]) -> Plan {
        let message = MirrorList {
            time: 1_700_000_000,
            ..self.message.clone()
        };
        let catalogue = Catalogue::read(message.encode_to_vec().as_slice(), &mut Warnings::default()).unwrap();
        let patterns = patterns.iter().map(|text| glob::Pattern::new(text).unwrap());
        let skipped: Vec<String> = skipped.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(&catalogue, &Patterns(patterns.collect()), &skipped)
    }
}

fn directories(plan: &Plan) -> Vec<&str> {
    plan.repositories
        .iter()
        .map(|repository| repository.directory.as_str())
        .collect()
}

/// The questions of each group.
fn questions(plan: &Plan) -> Vec<Vec<&str>> {
    let groups = plan.groups.iter().map(|urls| {
        let questions = urls.iter().flat_map(|url| &url.questions);
        questions.map(|question| question.url.as_str()).collect()
    });
    groups.collect()
}

#[test]
fn the_three_of_each_category_that_changed_last_are_watched() {
    let mut world = World::default().host(1, &["http://a.example/pub"]);
    for (key, subpath, time) in [
        ("old+x86_64", "1/os", 10),
        ("b+x86_64", "2/os", 20),
        ("c+x86_64", "3/os", 30),
        ("d+x86_64", "4/os", 20),
        ("e+x86_64", "5/os", 20),
        // The same directory by another name.
        ("again+x86_64", "3/os", 30),
    ] {
        world = world.repository(key, "pub/linux", subpath, time, &[]);
    }
    world = world.repository("epel+x86_64", "pub/epel", "9/os", 5, &[]);
    let plan = world.plan(&[]);
    assert_eq!(
        directories(&plan),
        ["pub/epel/9/os", "pub/linux/2/os", "pub/linux/3/os", "pub/linux/4/os"]
    );
    assert_eq!(plan.repositories[0].category, "pub/epel");
    assert_eq!(plan.repositories[1].category, "pub/linux");
    assert_eq!((plan.repositories[1].newest(), plan.cache_created), (20, 1_700_000_000));
}

#[test]
fn patterns_are_matched_against_keys_and_directories() {
    let world = World::default()
        .host(1, &["http://a.example/pub"])
        .repository("fedora-41+x86_64", "pub/linux", "41/os", 10, &[])
        .repository("fedora-42+x86_64", "pub/linux", "42/os", 20, &[])
        .repository("epel+aarch64", "pub/epel", "9/os", 5, &[]);
    let plan = world.plan(&["fedora-?1+*", "pub/epel/*", "nothing*"]);
    assert_eq!(directories(&plan), ["pub/epel/9/os", "pub/linux/41/os"]);
    assert_eq!(plan.unmatched, ["nothing*"]);
}

#[test]
fn public_urls_of_http_are_asked_with_encoded_paths() {
    let world = World::default()
        .host(
            1,
            &[
                "https://a.example/pub",
                "rsync://a.example/pub",
                "ftp://a.example/pub",
                "http://a.example/pub/",
            ],
        )
        .host(2, &["http://private.example/pub"])
        .repository("x+x86_64", "pub/linux", "1 a/os", 10, &[2]);
    let plan = world.plan(&[]);
    assert_eq!(
        questions(&plan),
        [[
            "http://a.example/pub/1%20a/os/repodata/repomd.xml",
            "https://a.example/pub/1%20a/os/repodata/repomd.xml"
        ]]
    );
    assert_eq!(plan.repositories[0].directory, "pub/linux/1 a/os");
}

#[test]
fn urls_of_one_host_or_one_name_are_a_group() {
    let world = World::default()
        .host(1, &["http://a.example/1", "http://b.example/1"])
        .host(2, &["http://c.example/2"])
        .host(3, &["http://B.example.:8080/3", "http://d.example/3"])
        .host(4, &["http://[2001:db8::1]:80/4"])
        .host(5, &["http://user@[2001:DB8::1]/5"])
        // The URL of another host, too: it is asked once.
        .host(6, &["http://c.example/2"])
        .repository("x+x86_64", "pub/linux", "1", 10, &[]);
    let plan = world.plan(&[]);
    let ids: Vec<Vec<i64>> = plan
        .groups
        .iter()
        .map(|group| group.iter().map(|url| url.host_id).collect())
        .collect();
    assert_eq!(ids, [vec![1, 1, 3, 3], vec![2], vec![4, 5]]);
}

#[test]
fn hosts_that_want_none_of_it_are_not_asked() {
    let world = World::default()
        .host(1, &["http://A.example/pub", "https://a.example:8443/pub"])
        .host(2, &["http://b.example/pub"])
        .repository("fedora-41+x86_64", "pub/linux", "41/os", 10, &[]);
    let asked = world.plan_without(&[], &["a.example"]);
    let urls: Vec<&str> = asked.urls().map(|url| url.url.as_str()).collect();
    assert_eq!(urls, ["http://b.example/pub"]);
    assert_eq!(world.plan(&[]).urls().count(), 3);
}
