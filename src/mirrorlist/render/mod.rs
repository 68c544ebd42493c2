//! Chosen hosts to bytes: [`text`] for mirrorlists and redirects, [`metalink`] for XML. [`comment`] makes the line that says
//! how a mirrorlist was chosen, [`suffix`] what follows each base URL.
//!
//! Base URLs are copied as they stand in the snapshot; what is the same for all hosts of an answer is made once.

pub mod comment;
pub mod metalink;
pub mod suffix;
pub mod text;
