//! The text of `DB_URL`: of the environment, else of the configuration file. Its parts are read in [`super::parse`].

use std::io::{self, Cursor};
use std::path::Path;

use super::{Database, Environment};
use crate::settings::ConfigError;

/// The variable, and the key of the configuration file, that holds the database's URL.
const DB_URL: &str = "DB_URL";

impl Database {
    /// Reads `DB_URL` of the environment, else of the configuration file. If neither has one, libpq's variables are enough, like
    /// `PGHOST`.
    ///
    /// # Errors
    /// There is no usable URL. The text never has the password.
    pub fn find(config_file: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        match environment.text(DB_URL)? {
            Some(url) => Self::parse(url, environment),
            None => Self::parse(
                &db_url_of_file(config_file, environment.names_a_database())?,
                environment,
            ),
        }
    }
}

/// Reads `DB_URL` from a file in dotenv syntax; an empty one if there is none and none is needed. The process's environment is
/// not changed.
fn db_url_of_file(path: &Path, dispensable: bool) -> Result<String, ConfigError> {
    let mistake = |problem: &str| ConfigError::new(format!("configuration file {}: {problem}", path.display()));
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if dispensable && error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => {
            let advice = "set DB_URL in the environment or name another file with --config";
            return Err(mistake(&format!("{error}; {advice}")));
        }
    };
    for entry in dotenvy::from_read_iter(Cursor::new(&content)) {
        match entry {
            Ok((key, url)) if key == DB_URL => return Ok(url),
            Ok(_) => {}
            // The error's own text has the line, which may have the password.
            Err(dotenvy::Error::LineParse(line, _)) => {
                let content = String::from_utf8_lossy(&content);
                let found = content.lines().position(|candidate| candidate.trim() == line.trim());
                let place = found.map_or_else(String::new, |index| format!("line {}: ", index + 1));
                return Err(mistake(&format!("{place}expected KEY=\"value\"")));
            }
            Err(_) => return Err(mistake("it is not a text in UTF-8")),
        }
    }
    if dispensable {
        return Ok(String::new());
    }
    Err(mistake(
        "it has no DB_URL; expected DB_URL=\"postgresql://user:password@host/database\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgresql://mm:hunter2@db.example.org/mirrormanager2";

    #[test]
    fn the_url_comes_from_the_environment_or_else_the_file_in_every_dotenv_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.cfg");
        for content in [
            format!("DB_URL=\"{URL}\"\n"),
            format!("# comment\n\nOTHER=1\nexport DB_URL='{URL}'\n"),
            format!("DB_URL={URL}"),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(db_url_of_file(&path, false).unwrap(), URL, "{content}");
        }
    }

    #[test]
    fn a_bad_file_is_an_error_of_one_line_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.cfg");
        for (content, said) in [
            ("OTHER=1\n", "no DB_URL"),
            ("\nDB_URL \"postgresql://mm:hunter2@h/d\"\n", "line 2: "),
            ("DB_URL=\"postgresql://mm:hunter2@h/d\n", "expected KEY"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = db_url_of_file(&path, false).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("generator.cfg"), "{error}");
            assert!(!error.contains("hunter2") && error.lines().count() == 1, "{error}");
        }
        let error = db_url_of_file(Path::new("/no.cfg"), false).unwrap_err().to_string();
        assert!(error.contains("/no.cfg") && error.contains("--config"), "{error}");
    }
}
