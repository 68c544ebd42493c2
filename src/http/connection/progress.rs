//! How far an answer on its way to the client is: its head, then as many bytes as its Content-Length says (RFC 9112, 6.3).

/// An answer head ends with this.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct AnswerProgress {
    /// Whether the request was HEAD, whose answer has no body.
    to_head: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The part of the head that has been written.
    Head(Vec<u8>),
    /// Bytes of the body that are not written yet.
    Body(u64),
    /// The end of the connection is the end of the body.
    UntilClose,
}

impl AnswerProgress {
    /// An answer of which nothing is written yet.
    pub(super) fn new(to_head: bool) -> Self {
        Self {
            to_head,
            state: State::Head(Vec::new()),
        }
    }

    /// Takes bytes of the answer that have been written; says whether they were the last ones.
    pub(super) fn advance(&mut self, written: &[u8]) -> bool {
        match &mut self.state {
            State::Head(start) => {
                if start.is_empty()
                    && let Some(end) = end_of_head(written)
                {
                    self.body(written.get(..end).unwrap_or_default(), written.len() - end)
                } else {
                    // A head that is written in pieces: rare, and it has some hundred bytes.
                    start.extend_from_slice(written);
                    let head = std::mem::take(start);
                    match end_of_head(&head) {
                        Some(end) => self.body(head.get(..end).unwrap_or_default(), head.len() - end),
                        None => {
                            self.state = State::Head(head);
                            false
                        }
                    }
                }
            }
            State::Body(left) => {
                *left = left.saturating_sub(written.len() as u64);
                *left == 0
            }
            State::UntilClose => false,
        }
    }

    /// Goes on to the body, of which some bytes are written with the head.
    fn body(&mut self, head: &[u8], written: usize) -> bool {
        let length = match content_length(head) {
            _ if self.to_head => 0,
            Some(length) => length,
            None => {
                self.state = State::UntilClose;
                return false;
            }
        };
        let left = length.saturating_sub(written as u64);
        self.state = State::Body(left);
        left == 0
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, END_OF_HEAD).map(|start| start + END_OF_HEAD.len())
}

fn content_length(head: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"content-length: ";
    let start = memchr::memmem::find(head, NAME)? + NAME.len();
    let digits = head.get(start..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes of `answer` are taken before it is complete, written in pieces of this size.
    fn complete_after(answer: &[u8], to_head: bool, piece: usize) -> Option<usize> {
        let mut progress = AnswerProgress::new(to_head);
        let mut taken = 0;
        answer.chunks(piece).find_map(|bytes| {
            taken += bytes.len();
            progress.advance(bytes).then_some(taken)
        })
    }

    #[test]
    fn an_answer_is_complete_with_its_last_byte_however_it_is_cut() {
        let get = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\ndate: x\r\n\r\n\r\n\r\nHTTP/1.1";
        let empty = b"HTTP/1.0 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        for piece in 1..=get.len() {
            assert_eq!(complete_after(get, false, piece), Some(get.len()), "{piece}");
            assert_eq!(complete_after(&get[..get.len() - 1], false, piece), None, "{piece}");
        }
        for piece in 1..=empty.len() {
            assert_eq!(complete_after(empty, false, piece), Some(empty.len()));
            assert_eq!(complete_after(&empty[..empty.len() - 1], false, piece), None);
        }
        let head = &get[..get.len() - 12];
        assert_eq!(complete_after(head, true, 7), Some(head.len()));
        assert_eq!(complete_after(b"HTTP/1.1 200 OK\r\n\r\nbody", false, 5), None);
    }
}
