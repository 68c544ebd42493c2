//! Chosen hosts to bytes: [`text`] for mirrorlists and redirects, [`metalink`] for XML. [`comment`] makes the line that says
//! how a mirrorlist was chosen, [`suffix`] what follows each base URL, and [`buffer`] is the memory that it is written into.
//!
//! The texts of URLs are copied from the snapshot; text that is the same for all hosts of an answer is made once.

pub mod buffer;
pub mod comment;
pub mod metalink;
pub mod suffix;
pub mod text;
