//! A metalink read: strictly first, as clients do, and then with patience, since servers that escape nothing are to be compared, too.

use std::collections::BTreeMap;
use std::fmt;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// A metalink, as far as servers can differ in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metalink {
    /// The file's name.
    pub(super) name: String,
    pub(super) current: Version,
    pub(super) alternates: Vec<Version>,
    /// `maxconnections` of the list of URLs.
    pub(super) max_connections: Option<String>,
    pub(super) urls: Vec<MetalinkUrl>,
}

/// A version of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) timestamp: Option<String>,
    pub(super) size: Option<String>,
    /// By type.
    pub(super) hashes: BTreeMap<String, String>,
}

/// A URL of a metalink.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MetalinkUrl {
    pub(super) url: String,
    /// Those of its [`URL_ATTRIBUTES`] that it has.
    pub(super) attributes: BTreeMap<&'static str, String>,
}

/// The attributes of URLs that clients read.
const URL_ATTRIBUTES: [&str; 5] = ["protocol", "type", "location", "preference", "mm0:private"];

/// A document of a metalink endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Document {
    /// It has a file.
    Metalink(Metalink),
    /// It has only comments.
    Comment(String),
}

/// Why a document can't be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(String);

/// Reads a document; with it, what is wrong with markup that is only not escaped.
///
/// # Errors
/// It is no XML for other reasons, for example because it is cut short.
pub(super) fn parse(text: &str) -> Result<(Document, Option<String>), Malformed> {
    match read(text, true) {
        Ok(document) => Ok((document, None)),
        Err(strict) => match read(text, false) {
            Ok(document) => Ok((document, Some(strict.0))),
            Err(_) => Err(strict),
        },
    }
}

fn read(text: &str, strict: bool) -> Result<Document, Malformed> {
    let mut xml = Reader::from_str(text);
    let config = xml.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = strict;
    config.allow_dangling_amp = !strict;
    let mut state = DocumentReader {
        strict,
        ..DocumentReader::default()
    };
    loop {
        let event = xml.read_event().map_err(|error| {
            let position = xml.error_position();
            Malformed(format!("{error} at byte {position}"))
        })?;
        match event {
            Event::Start(element) => state.start(&element)?,
            Event::End(_) => state.end(),
            Event::Text(text) => state.text.push_str(&text.xml10_content()),
            Event::CData(text) => state.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let number = reference
                    .resolve_char_ref()
                    .map_err(|error| Malformed(error.to_string()))?;
                state.reference(number, &reference.xml10_content())?;
            }
            Event::Comment(comment) => {
                state.comment.push_str(&comment.xml10_content());
                state.comment.push(' ');
            }
            Event::Eof => return state.finish(),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

#[derive(Default)]
struct DocumentReader {
    strict: bool,
    /// The open elements by their local names.
    open: Vec<String>,
    rooted: bool,
    files: usize,
    metalink: Metalink,
    hash_type: String,
    text: String,
    comment: String,
}

impl DocumentReader {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), Malformed> {
        let name = String::from(element.local_name().as_ref());
        self.text.clear();
        let depth_of_file = self.files == 1;
        match &*name {
            "file" => {
                self.files += 1;
                if self.files == 1 {
                    self.metalink.name = self.attribute(element, "name")?.unwrap_or_default();
                }
            }
            "alternate" if depth_of_file => self.metalink.alternates.push(Version::default()),
            "hash" => self.hash_type = self.attribute(element, "type")?.unwrap_or_default(),
            "resources" if depth_of_file => {
                self.metalink.max_connections = self.attribute(element, "maxconnections")?;
            }
            "url" if depth_of_file => {
                let mut url = MetalinkUrl::default();
                for name in URL_ATTRIBUTES {
                    url.attributes
                        .extend(self.attribute(element, name)?.map(|value| (name, value)));
                }
                self.metalink.urls.push(url);
            }
            _ => {}
        }
        self.open.push(name);
        self.rooted = true;
        Ok(())
    }

    fn end(&mut self) {
        let name = self.open.pop().unwrap_or_default();
        let text = std::mem::take(&mut self.text).trim().to_owned();
        if self.files != 1 {
            return;
        }
        let in_alternate = self.open.iter().any(|open| open == "alternate");
        let metalink = &mut self.metalink;
        let version = match metalink.alternates.last_mut() {
            Some(alternate) if in_alternate => alternate,
            _ => &mut metalink.current,
        };
        match &*name {
            "timestamp" => version.timestamp = Some(text),
            "size" => version.size = Some(text),
            "hash" => {
                version.hashes.insert(std::mem::take(&mut self.hash_type), text);
            }
            "url" => {
                if let Some(url) = metalink.urls.last_mut() {
                    url.url = text;
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, number: Option<char>, name: &str) -> Result<(), Malformed> {
        match (number, resolve_predefined_entity(name)) {
            (Some(character), _) => self.text.push(character),
            (None, Some(text)) => self.text.push_str(text),
            (None, None) if self.strict => return Err(Malformed(format!("the entity &{name}; is unknown"))),
            (None, None) => self.text.extend(["&", name, ";"]),
        }
        Ok(())
    }

    fn attribute(&self, element: &BytesStart<'_>, name: &str) -> Result<Option<String>, Malformed> {
        let malformed = |error: &dyn fmt::Display| Malformed(format!("attribute {name}: {error}"));
        let attribute = element.try_get_attribute(name).map_err(|error| malformed(&error))?;
        let Some(attribute) = attribute else {
            return Ok(None);
        };
        match attribute.normalized_value(XmlVersion::Implicit1_0) {
            Ok(value) => Ok(Some(value.into_owned())),
            Err(error) if self.strict => Err(malformed(&error)),
            Err(_) => Ok(Some(String::from(attribute.value.as_ref()))),
        }
    }

    fn finish(self) -> Result<Document, Malformed> {
        if let Some(open) = self.open.last() {
            return Err(Malformed(format!("it ends inside the element {open}")));
        }
        if !self.rooted {
            return Err(Malformed("it has no element".to_owned()));
        }
        Ok(match self.files {
            0 => Document::Comment(self.comment.trim().to_owned()),
            _ => Document::Metalink(self.metalink),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str, url: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<metalink xmlns:mm0=\"x\"><files><file name=\"{name}\"><mm0:timestamp>7</mm0:timestamp>\
             <size>8</size><verification><hash type=\"md5\">ab</hash></verification><mm0:alternates><mm0:alternate>\
             <size>9</size></mm0:alternate></mm0:alternates><resources maxconnections=\"1\"><url protocol=\"http\" \
             type=\"http\" location=\"DE\" preference=\"100\" mm0:private=\"True\">{url}</url></resources></file></files>\
             </metalink>"
        )
    }

    fn metalink(text: &str) -> (Metalink, Option<String>) {
        match parse(text).unwrap() {
            (Document::Metalink(metalink), flaw) => (metalink, flaw),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_that_counts_is_read() {
        let (read, flaw) = metalink(&document("a &amp; b", "http://a/?x=&lt;&#233;"));
        assert_eq!(flaw, None);
        assert_eq!(read.name, "a & b");
        assert_eq!(read.current.timestamp.as_deref(), Some("7"));
        assert_eq!(read.current.size.as_deref(), Some("8"));
        assert_eq!(read.current.hashes["md5"], "ab");
        assert_eq!(read.alternates.len(), 1);
        assert_eq!(read.alternates[0].size.as_deref(), Some("9"));
        assert_eq!(read.max_connections.as_deref(), Some("1"));
        assert_eq!(read.urls[0].url, "http://a/?x=<\u{e9}");
        let attributes = read.urls[0]
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        assert_eq!(
            attributes.collect::<Vec<_>>().join(" "),
            "location=DE mm0:private=True preference=100 protocol=http type=http"
        );
    }

    #[test]
    fn what_is_only_not_escaped_is_read_and_named() {
        let (read, flaw) = metalink(&document("a & b", "http://a/a & b"));
        assert_eq!((&*read.name, &*read.urls[0].url), ("a & b", "http://a/a & b"));
        assert!(flaw.is_some());
        let text = "<metalink><!-- a--b -->\n</metalink>";
        let (document, flaw) = parse(text).unwrap();
        assert_eq!(document, Document::Comment("a--b".to_owned()));
        assert!(flaw.is_some());
    }

    #[test]
    fn what_is_cut_short_is_malformed() {
        let whole = document("a", "http://a/");
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{}", &whole[..length]);
        }
        assert!(parse("<html><p>x</html>").is_err());
    }
}
