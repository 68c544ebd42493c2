//! The time that a repomd.xml says it was made: the latest `timestamp` of its `data` elements, as librepo and MirrorManager2 take it.
//!
//! The bytes are any mirror's. What is no repomd.xml has no time.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// The latest time in a repomd.xml, in seconds since the Unix epoch.
pub fn timestamp(content: &[u8]) -> Option<u64> {
    let mut reader = Reader::from_reader(content);
    let (mut depth, mut in_data, mut latest) = (0_usize, false, None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                depth += 1;
                let name = element.local_name();
                match depth {
                    1 if name.as_ref() != "repomd" => return None,
                    2 => in_data = name.as_ref() == "data",
                    3 if in_data && name.as_ref() == "timestamp" => {
                        let end = element.to_end().into_owned();
                        let text = reader.read_text(end.name()).ok()?;
                        depth -= 1;
                        latest = latest.max(seconds(&text));
                    }
                    _ => {}
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            // What is cut off is no repomd.xml.
            Event::Eof => return latest.filter(|_| depth == 0),
            _ => {}
        }
    }
}

/// Old tools write fractions.
fn seconds(text: &str) -> Option<u64> {
    text.trim().split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repomd(data: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\">{data}</repomd>")
            .into_bytes()
    }

    #[test]
    fn the_latest_time_of_the_data_counts() {
        let data = "<revision>9999999999</revision>\
            <data type=\"primary\"><checksum>ab</checksum><timestamp>1700000000</timestamp><size>1</size></data>\
            <data type=\"filelists\"><timestamp> 1700000007.25\n</timestamp></data>\
            <data type=\"other\"><timestamp>soon</timestamp><x><timestamp>1800000000</timestamp></x></data>\
            <timestamp>1900000000</timestamp>";
        assert_eq!(timestamp(&repomd(data)), Some(1_700_000_007));
    }

    #[test]
    fn what_is_no_repomd_has_no_time() {
        let whole = repomd("<data><timestamp>1700000000</timestamp></data>");
        for cut in 0..whole.len() {
            assert_eq!(timestamp(&whole[..cut]), None, "{cut}");
        }
        for text in [
            "<html><data><timestamp>1</timestamp></data></html>",
            "<repomd><data><timestamp>1</timestmap></data></repomd>",
            "<repomd><data><timestamp>-1</timestamp></data></repomd>",
            "<repomd/>",
            "\u{1f}\u{8b}\u{8}",
        ] {
            assert_eq!(timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
