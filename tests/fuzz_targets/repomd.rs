//! A mirror's repomd.xml: its time is one of the numbers that stand in it, and is the same whatever is said outside of the document.

use mirrorlist_server::probe::repomd::timestamp;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let Some(time) = timestamp(bytes) else { return };
    let digits = time.to_string();
    let stands_in = bytes.windows(digits.len()).any(|window| window == digits.as_bytes());
    assert!(stands_in, "{time}");
    assert_eq!(timestamp(&[bytes, b"\n<!-- end -->"].concat()), Some(time));
    // A content that is cut off in its last element has no time.
    let end = bytes
        .iter()
        .rposition(|byte| *byte == b'<')
        .expect("an element has a start");
    if bytes[end..].starts_with(b"</repomd") {
        assert_eq!(timestamp(&bytes[..end]), None);
    }
}
