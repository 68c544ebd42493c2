//! Texts one after the other in one piece of memory, for copying in blocks. Copying is the work of
//! `mirrorlist::render::buffer`, where the reason stands.

use crate::index_table::text_part;

/// The size of a block in bytes: a line of a processor's cache, longer than most texts.
pub const BLOCK: usize = 64;

/// The place of a text in a [`TextArena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSpan {
    start: u32,
    length: u32,
}

/// A text with a block or more after it in memory, so that it can be copied in whole blocks.
#[derive(Debug, Clone, Copy)]
pub struct PaddedText<'a> {
    memory: &'a [u8],
    start: usize,
    /// The length of the text in bytes.
    pub length: usize,
}

impl<'a> PaddedText<'a> {
    /// The block that the text begins with.
    #[inline(always)]
    pub fn first_block(self) -> Option<&'a [u8; BLOCK]> {
        let block = self.memory.get(self.start..self.start + BLOCK);
        debug_assert!(block.is_some(), "a text at {} has no block after it", self.start);
        block?.first_chunk()
    }

    /// The text without its first block.
    #[inline(always)]
    #[must_use]
    pub fn without_block(self) -> Self {
        Self {
            start: self.start + BLOCK,
            length: self.length.saturating_sub(BLOCK),
            ..self
        }
    }
}

/// A growing list of texts.
#[derive(Debug, Default)]
pub struct TextArena {
    texts: String,
}

impl TextArena {
    /// Adds a text. Returns `None` when it no longer fits the 32-bit index.
    pub fn push(&mut self, text: &str) -> Option<TextSpan> {
        let span = TextSpan {
            start: u32::try_from(self.texts.len()).ok()?,
            length: u32::try_from(text.len()).ok()?,
        };
        self.texts.push_str(text);
        Some(span)
    }

    /// Adds a block of blanks, so that the last text can be copied in blocks, too.
    pub fn finish(&mut self) {
        self.texts.push_str(&" ".repeat(BLOCK));
        self.texts.shrink_to_fit();
    }

    /// A text.
    pub fn get(&self, span: TextSpan) -> &str {
        let start = span.start as usize;
        text_part(&self.texts, start..start + span.length as usize)
    }

    /// A text for copying.
    #[inline]
    pub fn padded(&self, span: TextSpan) -> PaddedText<'_> {
        PaddedText {
            memory: self.texts.as_bytes(),
            start: span.start as usize,
            length: span.length as usize,
        }
    }
}

/// One text that is copied often.
#[derive(Debug)]
pub struct PaddedString {
    text: String,
    length: usize,
}

impl PaddedString {
    /// Pads a text.
    pub fn new(mut text: String) -> Self {
        let length = text.len();
        text.push_str(&" ".repeat(BLOCK));
        Self { text, length }
    }

    /// The text for copying.
    #[inline]
    pub fn get(&self) -> PaddedText<'_> {
        PaddedText {
            memory: self.text.as_bytes(),
            start: 0,
            length: self.length,
        }
    }
}
