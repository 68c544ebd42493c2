//! A health file: one that is read comes back as it was when it is written out.

use mirrorlist_server::health::HealthFile;

use super::assert_one_line;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let file = match HealthFile::read(bytes) {
        Ok(file) => file,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    let written = file.to_json().expect("all keys are texts");
    assert_eq!(HealthFile::read(&*written).expect("it was just written"), file);
}
