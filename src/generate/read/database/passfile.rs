//! The password file (`~/.pgpass`): lines `host:port:database:user:password`, of which the first that fits counts.

use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// A password file's content.
pub struct Passwords(Vec<u8>);

/// More than any list of passwords.
const SIZE_LIMIT: u64 = 16 << 20;

impl Passwords {
    /// Reads a file. Returns `None` if there is none.
    ///
    /// # Errors
    /// The reason why it does not count, with the file's name.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, String> {
        let unusable = |problem: &dyn Display| format!("the password file {} is ignored: {problem}", path.display());
        // A pipe without a writer must not hold up the run.
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&error)),
        };
        let metadata = file.metadata().map_err(|error| unusable(&error))?;
        if !metadata.is_file() {
            return Err(unusable(&"it is not a regular file"));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(unusable(&"its group or others may read or write it; chmod 0600 it"));
        }
        let mut content = Vec::new();
        let read = file.take(SIZE_LIMIT).read_to_end(&mut content);
        read.map_err(|error| unusable(&error))?;
        Ok(Some(Self(content)))
    }

    /// The password of a user of a database. A Unix socket's folder is asked for by its path and then, as long as no line has
    /// that, as `localhost`.
    pub(crate) fn find(&self, host: &str, port: u16, database: &str, user: &str) -> Option<Vec<u8>> {
        let port = port.to_string();
        let of_host = |host: &str| self.find_line([host, &port, database, user]);
        match of_host(host) {
            None if host.starts_with('/') => of_host("localhost"),
            found => found,
        }
    }

    fn find_line(&self, wanted: [&str; 4]) -> Option<Vec<u8>> {
        let lines = self.0.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.starts_with(b"#"))
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .find_map(|line| {
                let mut rest = line;
                for value in wanted {
                    let (field, after) = split_field(rest);
                    if !rest.starts_with(b"*:") && field != value.as_bytes() {
                        return None;
                    }
                    rest = after?;
                }
                Some(split_field(rest).0)
            })
            .filter(|password| !password.is_empty())
    }
}

/// A field, with what a backslash protects as it is, and what follows the colon after it.
fn split_field(line: &[u8]) -> (Vec<u8>, Option<&[u8]>) {
    let mut field = Vec::new();
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => return (field, Some(bytes.as_slice())),
            b'\\' => field.push(*bytes.next().unwrap_or(byte)),
            _ => field.push(*byte),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let passwords = Passwords(
            b"# comment:*:*:*:no\n\
              db.example.org:5432:mm:mirror:one\n\
              db.example.org:*:mm:mirror:two\\:\\\\two\r\n\
              \n\
              not a line\n\
              fe80\\:\\:1:5432:*:*:three:what follows is not of it\n\
              localhost:5432:*:mirror:four\n\
              /run/a:*:*:*:five\n\
              *:*:odd\\*:*:six\n\
              *:*:short\n\
              *:*:*:last:seven"
                .to_vec(),
        );
        for (host, port, database, user, password) in [
            ("db.example.org", 5432, "mm", "mirror", Some("one")),
            ("db.example.org", 5433, "mm", "mirror", Some("two:\\two")),
            ("db.example.org", 5433, "mm", "other", None),
            ("fe80::1", 5432, "x", "y", Some("three")),
            ("localhost", 5432, "x", "mirror", Some("four")),
            ("/var/run/postgresql", 5432, "x", "mirror", Some("four")),
            ("/run/a", 5432, "x", "mirror", Some("five")),
            ("h", 1, "odd*", "y", Some("six")),
            ("h", 1, "odd", "y", None),
            ("h", 1, "short", "y", None),
            ("h", 1, "x", "last", Some("seven")),
        ] {
            let found = passwords.find(host, port, database, user);
            let found = found.map(|password| String::from_utf8(password).unwrap());
            assert_eq!(found.as_deref(), password, "{host} {port} {database} {user}");
        }
    }
}
