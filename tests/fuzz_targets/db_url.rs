//! `DB_URL`, in the environment and in a file: no text for operators shows a password, however it is written.

use std::io::Write as _;

use mirrorlist_server::generate::database::{Database, Environment};

use super::assert_one_line;

/// A part of the password.
const SECRET: &str = "hunter2";

/// Stands for [`SECRET`] in inputs.
const PLACEHOLDER: &str = "PW";

/// The bytes are a URL or a file; where they are two or three lines, they are also parts of a URL around the password's secret
/// part.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let text = text.replace(SECRET, PLACEHOLDER);
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (before, after, rest) = (part(), part(), part());
    let url = format!("postgresql://mm:{before}{SECRET}{after}@database.example/mm{rest}");
    let parsed = Database::parse(&url, &Environment::default());
    assert_hidden(&format!("{parsed:?}"), &url);
    match parsed {
        Ok(database) => assert_hidden(&database.to_string(), &url),
        Err(error) => assert_one_line(&error.to_string()),
    }

    let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
    let password = format!("{}{SECRET}{}", quoted(before), quoted(after));
    let pairs = format!("host=database.example user=mm password='{password}' {rest}");
    let parsed = Database::parse(&pairs, &Environment::default());
    assert_hidden(&format!("{parsed:?}"), &pairs);
    if let Err(error) = parsed {
        assert_one_line(&error.to_string());
    }

    // In any other text, what is a secret can't be told; a name that is no parameter's is shown.
    if let Err(error) = Database::parse(&text, &Environment::default()) {
        assert_one_line(&error.to_string());
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "DB_URL=\"{url}\"").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    if let Err(error) = Database::find(file.path(), &Environment::default()) {
        assert_one_line(&error.to_string());
        assert_hidden(&error.to_string(), &url);
    }
}

fn assert_hidden(said: &str, given: &str) {
    assert!(!said.contains(SECRET), "{given:?}: {said}");
}
