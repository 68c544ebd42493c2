//! The output buffer of a worker: every answer is written into the memory of the one before it. Knows nothing of formats.
//!
//! Optimised, in two ways that `cargo bench --bench stages` (`render metalink`) and `--bench instructions` show. Reusing the memory
//! saves an answer the allocation, the growth and the cache misses of a buffer of some 20 KB. And texts of URLs are copied in blocks
//! of a fixed size, which takes a few instructions where a copy of just so many bytes is a call: an answer has hundreds of them, and
//! with plain copies a request took 9 % more processor time.

use bytes::{Bytes, BytesMut};

use crate::snapshot::text_arena::{BLOCK, PaddedText};

/// A reusable output buffer.
#[derive(Debug, Default)]
pub struct ResponseBuffer {
    /// The whole memory of the last response.
    last: Bytes,
}

/// A response under construction.
#[derive(Debug)]
pub struct ResponseWriter<'a> {
    buffer: &'a mut ResponseBuffer,
    /// The response, and after it bytes of no meaning.
    memory: BytesMut,
    length: usize,
}

impl ResponseBuffer {
    /// Starts a response: in the memory of the last one if that has been sent, else in new memory.
    pub fn writer(&mut self) -> ResponseWriter<'_> {
        let memory = std::mem::take(&mut self.last).try_into_mut().unwrap_or_default();
        ResponseWriter {
            buffer: self,
            memory,
            length: 0,
        }
    }
}

/// What is left of the memory for texts that are copied in blocks; nothing is left once a text did not fit.
pub struct Room<'a>(&'a mut [u8]);

impl Room<'_> {
    /// Appends a text in whole blocks.
    #[inline(always)]
    #[must_use]
    pub fn padded(self, mut text: PaddedText<'_>) -> Self {
        let mut room = self;
        while let Some(block) = text.first_block() {
            if text.length <= BLOCK {
                return room.block(block, text.length);
            }
            room = room.block(block, BLOCK);
            text = text.without_block();
        }
        room
    }

    /// Appends the first bytes of a block.
    #[inline(always)]
    #[must_use]
    pub fn block<const N: usize>(self, block: &[u8; N], length: usize) -> Self {
        match self.0.first_chunk_mut() {
            Some(room) => *room = *block,
            None => return Self(&mut []),
        }
        Self(self.0.get_mut(length..).unwrap_or_default())
    }
}

impl ResponseWriter<'_> {
    /// Appends text.
    #[inline(always)]
    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.room(text.len()).copy_from_slice(text);
        self.length += text.len();
    }

    /// Appends what a function writes into the memory that is left. If that was too little, which the first answers of a worker find,
    /// the function writes it once more, into twice as much.
    #[inline(always)]
    pub fn blocks(&mut self, write: impl for<'r> Fn(Room<'r>) -> Room<'r>) {
        loop {
            if let Some((_, room)) = self.memory.split_at_mut_checked(self.length) {
                let whole = room.len();
                let left = write(Room(room)).0.len();
                if left > 0 {
                    self.length += whole - left;
                    return;
                }
            }
            let bytes = self.length.max(self.memory.len()) + BLOCK;
            lengthen(&mut self.memory, bytes);
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
        let (pairs, _) = self.room(2 * N).as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(bytes) {
            *pair = HEXADECIMAL.get(usize::from(*byte)).copied().unwrap_or_default();
        }
        self.length += 2 * N;
    }

    /// Finishes the response.
    pub fn finish(self) -> Bytes {
        self.buffer.last = self.memory.freeze();
        self.buffer.last.slice(..self.length)
    }

    /// The bytes that follow the response so far.
    #[inline(always)]
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.length + bytes;
        if self.memory.len() < end {
            lengthen(&mut self.memory, end);
        }
        // The memory has at least `end` bytes now.
        self.memory.get_mut(self.length..end).unwrap_or_default()
    }
}

/// The two digits of every byte.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would not go on")]
const HEXADECIMAL: [[u8; 2]; 256] = {
    let (mut digits, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        digits[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 15]];
        byte += 1;
    }
    digits
};

/// Makes room for at least this many bytes.
#[cold]
#[inline(never)]
fn lengthen(memory: &mut BytesMut, bytes: usize) {
    memory.resize(bytes.next_power_of_two(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::text_arena::PaddedString;

    #[test]
    fn a_response_is_what_was_written_whatever_the_memory_held() {
        let mut buffer = ResponseBuffer::default();
        for round in 0..3 {
            let mut writer = buffer.writer();
            writer.text(b"<a>");
            writer.number(round);
            writer.hex(&[0, 0x1f, 0xa9, 0xff]);
            let long = "long ".repeat(100);
            let padded = [PaddedString::new(long.clone()), PaddedString::new(String::new())];
            writer.blocks(|room| {
                padded
                    .iter()
                    .fold(room, |room, text| room.padded(text.get()))
                    .block(b"bcd", 1)
            });
            writer.text("é");
            assert_eq!(writer.finish(), format!("<a>{round}001fa9ff{long}bé"));
        }
    }

    #[test]
    fn memory_is_reused_once_the_last_response_is_dropped() {
        let mut buffer = ResponseBuffer::default();
        let mut write = |text: &str| {
            let mut writer = buffer.writer();
            writer.text(text);
            writer.finish()
        };
        let first = write("first");
        let second = write("second");
        assert_eq!((&first[..], &second[..]), (&b"first"[..], &b"second"[..]));
        let address = second.as_ptr();
        drop(second);
        assert_eq!(write("third").as_ptr(), address);
    }
}
