//! The file between generator and server: what may stand in it. The generator leaves out what breaks these rules, and so does the
//! server, which reads files of other generators, too; a rule that both followed by themselves would be two rules.
//!
//! - [`schema`]: the fields; [`proto`]: the message types; [`wire`]: the bytes of a message, field by field
//! - `write`: writes a cache, entry by entry; `summary`: counts what one holds
//! - [`url`]: which base URLs can stand in an answer
//! - [`name`]: which names of directories, files and repositories can, and how a directory's name is written

pub mod name;
pub mod proto;
pub mod schema;
pub(crate) mod summary;
pub mod url;
pub mod wire;
pub(crate) mod write;
