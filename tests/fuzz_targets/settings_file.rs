//! The server's configuration file: it is taken, or an error of one line names it.

use std::io::Write as _;

use mirrorlist_server::settings::ServerCommand;

use super::assert_one_line;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let path = file.path().to_str().unwrap();
    match ServerCommand::parse(["mirrorlist-server", "--config", path], []) {
        Ok(ServerCommand::Serve(config)) => {
            assert!(config.workers.is_none_or(|workers| workers.get() <= 512));
            assert!(!config.deadlines.head.is_zero());
        }
        Ok(other) => panic!("a file makes a command: {other:?}"),
        Err(error) => {
            let error = error.to_string();
            assert_one_line(&error);
            assert!(error.contains(path), "{error}");
        }
    }
}
