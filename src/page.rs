//! Where an answer is put together: memory that is used again for the next answer and never cleared. It is in a processor's
//! cache then, and large enough for most answers without counting beforehand what they take.
//!
//! Short texts are written as blocks of a fixed size, of which only the first bytes are kept: a processor moves a whole block in
//! a few instructions, while a copy of just so many bytes is a call and a choice.

use bytes::{Bytes, BytesMut};

use crate::chunked::Chunked;

/// Memory for one answer after the other.
#[derive(Debug, Default)]
pub struct Page {
    memory: BytesMut,
    /// All of the memory, while the last answer is in it.
    last: Bytes,
}

/// An answer under construction. A function that appends many pieces has it by value, so that a compiler can keep its length in
/// a register.
#[derive(Debug)]
pub struct Draft<'a> {
    /// What follows [`Draft::length`] is of no meaning.
    memory: &'a mut BytesMut,
    last: &'a mut Bytes,
    length: usize,
}

impl Page {
    /// Begins an answer: in the memory of the last one if that has been sent, else in memory of its own.
    pub fn begin(&mut self) -> Draft<'_> {
        let last = std::mem::take(&mut self.last);
        self.memory = last.try_into_mut().unwrap_or_default();
        Draft {
            memory: &mut self.memory,
            last: &mut self.last,
            length: 0,
        }
    }
}

impl Draft<'_> {
    /// The answer.
    pub fn end(self) -> Bytes {
        *self.last = std::mem::take(self.memory).freeze();
        self.last.slice(..self.length.min(self.last.len()))
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends the first `length` bytes of a block.
    #[inline(always)]
    pub fn block<const N: usize>(&mut self, block: &[u8; N], length: usize) {
        if let Some(place) = self.room(N).first_chunk_mut() {
            *place = *block;
        }
        self.length += length.min(N);
    }

    /// Appends a text of a length that is known to the compiler.
    #[inline(always)]
    pub fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        self.block(text, N);
    }

    /// Appends a text.
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        self.room(text.len()).copy_from_slice(text.as_bytes());
        self.length += text.len();
    }

    /// Appends a text that is a chunk or a few.
    #[inline(always)]
    pub fn chunked(&mut self, mut text: Chunked<'_>) {
        while let Some((chunk, rest)) = text.split_first() {
            self.block(chunk, text.len());
            if rest.is_empty() {
                break;
            }
            text = rest;
        }
    }

    /// Appends a number in decimal digits.
    #[inline(always)]
    pub fn number(&mut self, number: u64) {
        self.text(itoa::Buffer::new().format(number));
    }

    /// Appends bytes as hexadecimal digits in lower case.
    #[inline(always)]
    pub fn hex<const N: usize>(&mut self, bytes: &[u8; N]) {
        let pairs = self.room(2 * N).as_chunks_mut().0;
        for (pair, byte) in pairs.iter_mut().zip(bytes) {
            *pair = HEXADECIMAL.get(usize::from(*byte)).copied().unwrap_or_default();
        }
        self.length += 2 * N;
    }

    /// The next so many bytes.
    #[inline(always)]
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.length + bytes;
        if self.memory.len() < end {
            lengthen(self.memory, end);
        }
        // There are as many now.
        self.memory.get_mut(self.length..end).unwrap_or_default()
    }
}

/// The digits of every byte.
const HEXADECIMAL: [[u8; 2]; 256] = hexadecimal();

#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would not go on")]
const fn hexadecimal() -> [[u8; 2]; 256] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        digits[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    digits
}

/// Makes room for at least so many bytes.
#[cold]
#[inline(never)]
fn lengthen(memory: &mut BytesMut, bytes: usize) {
    memory.resize(bytes.next_power_of_two(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunked::ChunkedText;

    #[test]
    fn an_answer_is_what_was_appended_whatever_the_memory_held() {
        let mut page = Page::default();
        for round in 0..3 {
            let mut draft = page.begin();
            draft.literal(b"<a>");
            draft.block(b"bcdefgh", 2);
            draft.number(round);
            draft.hex(&[0, 0x1f, 0xff]);
            let long = "long ".repeat(100);
            draft.chunked(ChunkedText::new(&long).get());
            draft.text("é");
            draft.chunked(ChunkedText::new("").get());
            let length = draft.length();
            let answer = draft.end();
            assert_eq!(answer, format!("<a>bc{round}001fff{long}é"));
            assert_eq!(answer.len(), length);
        }
    }

    #[test]
    fn memory_is_used_again_once_nobody_has_the_answer() {
        let mut page = Page::default();
        let mut write = |text: &str| {
            let mut draft = page.begin();
            draft.text(text);
            draft.end()
        };
        let first = write("first");
        let second = write("second");
        assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
        let place = second.as_ptr();
        drop(second);
        assert_eq!(write("third").as_ptr(), place);
    }
}
