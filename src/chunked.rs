//! Short texts that are copied often: an answer is put together from some hundred of them. They are kept, and copied, in whole
//! chunks of a fixed size, see [`crate::page`]. A chunk is as large as a line of a processor's cache, so that a text is nearly
//! always one: a loop that a processor can't foresee the end of costs more than the bytes.

/// The size of a chunk in bytes.
pub const CHUNK: usize = 64;

/// A piece of a text; behind the text's end the bytes are of no meaning.
pub type Chunk = [u8; CHUNK];

/// Texts one after the other, each in chunks of its own.
#[derive(Debug, Default)]
pub struct ChunkedTexts {
    chunks: Vec<Chunk>,
}

/// Where a text stands in [`ChunkedTexts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextSpan {
    first: u32,
    bytes: u32,
}

impl TextSpan {
    /// The text's length in bytes.
    pub fn len(self) -> usize {
        self.bytes as usize
    }

    /// Whether the text is empty.
    pub fn is_empty(self) -> bool {
        self.bytes == 0
    }
}

/// A text that is copied chunk by chunk.
#[derive(Debug, Clone, Copy)]
pub struct Chunked<'a> {
    chunks: &'a [Chunk],
    bytes: usize,
}

impl ChunkedTexts {
    /// Adds a text. None where there are more than 256 GB.
    pub fn push(&mut self, text: &str) -> Option<TextSpan> {
        let span = TextSpan {
            first: u32::try_from(self.chunks.len()).ok()?,
            bytes: u32::try_from(text.len()).ok()?,
        };
        self.chunks.extend(chunks_of(text));
        Some(span)
    }

    /// The text at a place that [`ChunkedTexts::push`] gave.
    #[inline]
    pub fn get(&self, span: TextSpan) -> Chunked<'_> {
        Chunked {
            chunks: self.chunks.get(span.first as usize..).unwrap_or_default(),
            bytes: span.len(),
        }
    }
}

fn chunks_of(text: &str) -> impl Iterator<Item = Chunk> {
    text.as_bytes().chunks(CHUNK).map(|bytes| {
        let mut chunk = [0; CHUNK];
        if let Some(start) = chunk.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        chunk
    })
}

impl<'a> Chunked<'a> {
    /// The text's length in bytes.
    pub fn len(self) -> usize {
        self.bytes
    }

    /// Whether the text is empty.
    pub fn is_empty(self) -> bool {
        self.bytes == 0
    }

    /// The text's first chunk, and the rest of the text where it has more.
    #[inline(always)]
    pub fn split_first(self) -> Option<(&'a Chunk, Self)> {
        let (first, chunks) = self.chunks.split_first()?;
        let bytes = self.bytes.saturating_sub(CHUNK);
        Some((first, Self { chunks, bytes }))
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        let bytes = self.chunks.as_flattened().get(..self.bytes).unwrap_or_default();
        // They came from a text.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A text by itself.
#[derive(Debug, Default)]
pub struct ChunkedText {
    texts: ChunkedTexts,
    span: TextSpan,
}

impl ChunkedText {
    /// Takes a text; one of more than 4 GB is empty.
    pub fn new(text: &str) -> Self {
        let mut texts = ChunkedTexts::default();
        let span = texts.push(text).unwrap_or_default();
        Self { texts, span }
    }

    /// The text.
    #[inline]
    pub fn get(&self) -> Chunked<'_> {
        self.texts.get(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_come_back() {
        let mut texts = ChunkedTexts::default();
        let long = "https://mirror.example.org/pub/".repeat(5);
        let lengths = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, long.len(), 2];
        let spans = lengths.map(|length| texts.push(&long[..length]).unwrap());
        for (span, length) in spans.into_iter().zip(lengths) {
            assert_eq!(texts.get(span).as_str(), &long[..length]);
            assert_eq!(ChunkedText::new(&long[..length]).get().as_str(), &long[..length]);
        }
    }
}
