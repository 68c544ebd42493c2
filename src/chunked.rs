//! Short texts that are copied often: an answer is put together from some hundred of them. A copy moves whole chunks of a fixed
//! size and leaves what is too much to the next one. Chunks are so large that a text is nearly always one: a loop that a
//! processor can't foresee the end of costs more than the bytes.

/// The size of a chunk in bytes.
const CHUNK: usize = 64;

/// Texts one after the other.
#[derive(Debug)]
pub struct ChunkedTexts {
    /// The texts and a chunk of zeros, so that every text is followed by what a chunk may need.
    bytes: Vec<u8>,
}

impl Default for ChunkedTexts {
    fn default() -> Self {
        Self { bytes: vec![0; CHUNK] }
    }
}

/// Where a text stands in [`ChunkedTexts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextSpan {
    start: u32,
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
    /// Whole chunks.
    chunks: &'a [u8],
    bytes: usize,
}

/// A buffer into which chunked texts go needs this much room behind the last one.
pub const SLACK: usize = CHUNK;

impl ChunkedTexts {
    /// Adds a text. None where there are more than 4 GB.
    pub fn push(&mut self, text: &str) -> Option<TextSpan> {
        let start = self.bytes.len() - CHUNK;
        let span = TextSpan {
            start: u32::try_from(start).ok()?,
            bytes: u32::try_from(text.len()).ok()?,
        };
        self.bytes.truncate(start);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(&[0; CHUNK]);
        Some(span)
    }

    /// The text at a place that [`ChunkedTexts::push`] gave.
    #[inline]
    pub fn get(&self, span: TextSpan) -> Chunked<'_> {
        let start = span.start as usize;
        let chunks = self.bytes.get(start..start + span.len().next_multiple_of(CHUNK));
        chunks.map_or(Chunked { chunks: &[], bytes: 0 }, |chunks| Chunked {
            chunks,
            bytes: span.len(),
        })
    }
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

    /// The text.
    pub fn as_str(self) -> &'a str {
        let bytes = self.chunks.get(..self.bytes).unwrap_or_default();
        // They came from a text.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Appends the text. Fast where `out` has room for it and [`SLACK`] more.
    #[inline]
    pub fn append_to(self, out: &mut Vec<u8>) {
        let end = out.len() + self.bytes;
        for chunk in self.chunks.as_chunks::<CHUNK>().0 {
            out.extend_from_slice(chunk);
        }
        out.truncate(end);
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
    fn texts_of_any_length_come_back_and_are_appended() {
        let mut texts = ChunkedTexts::default();
        let long = "https://mirror.example.org/pub/".repeat(5);
        let lengths = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, long.len(), 2];
        let spans = lengths.map(|length| texts.push(&long[..length]).unwrap());
        let (mut out, mut expected) = (Vec::new(), String::new());
        for (span, length) in spans.into_iter().zip(lengths) {
            assert_eq!(texts.get(span).as_str(), &long[..length]);
            texts.get(span).append_to(&mut out);
            expected.push_str(&long[..length]);
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
