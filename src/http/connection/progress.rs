//! How much of an answer is written: its head, then as many bytes as its Content-Length says (RFC 9112, 6.3). And how long it
//! may wait for its client.

use std::time::Duration;

use actix_web::rt::time::Instant;

use super::metrics::Cut;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// An answer that is being written.
#[derive(Debug)]
pub(super) struct AnswerProgress {
    /// Whether the request was HEAD, whose answer has no body.
    to_head: bool,
    state: ProgressState,
    /// The deadlines of the next byte and of the last one; not set while the answer need not wait.
    stall: Option<Instant>,
    whole: Option<Instant>,
}

#[derive(Debug)]
enum ProgressState {
    /// The written part of the head.
    Head(Vec<u8>),
    /// The bytes of the body that are not written yet.
    Body(u64),
    /// The end of the connection is the end of the body.
    UntilClose,
}

impl AnswerProgress {
    pub(super) fn new(to_head: bool) -> Self {
        Self {
            to_head,
            state: ProgressState::Head(Vec::new()),
            stall: None,
            whole: None,
        }
    }

    /// The answer has to wait: `stall` is the time to the next byte, `whole` the time to the last one. Returns the nearer
    /// deadline, and the reason for closing the connection then.
    pub(super) fn deadline(&mut self, stall: Duration, whole: Duration) -> (Instant, Cut) {
        let now = Instant::now();
        let stall = *self.stall.get_or_insert(now + stall);
        let whole = *self.whole.get_or_insert(now + whole);
        if whole <= stall {
            (whole, Cut::Slow)
        } else {
            (stall, Cut::Stalled)
        }
    }

    /// Takes the next bytes that are written. Returns whether the answer is complete.
    pub(super) fn advance(&mut self, written: &[u8]) -> bool {
        self.stall = None;
        match &mut self.state {
            ProgressState::Head(start) if start.is_empty() => self.take_head(written),
            // A head that is written in pieces: rare, and it has some hundred bytes.
            ProgressState::Head(start) => {
                start.extend_from_slice(written);
                let head = std::mem::take(start);
                self.take_head(&head)
            }
            ProgressState::Body(left) => {
                *left = left.saturating_sub(written.len() as u64);
                *left == 0
            }
            ProgressState::UntilClose => false,
        }
    }

    /// Goes on to the body if the head is whole. Returns whether the answer is complete.
    fn take_head(&mut self, written: &[u8]) -> bool {
        let Some((head, body)) = split_head(written) else {
            self.state = ProgressState::Head(written.to_vec());
            return false;
        };
        let length = if self.to_head { Some(0) } else { content_length(head) };
        let Some(length) = length else {
            self.state = ProgressState::UntilClose;
            return false;
        };
        let left = length.saturating_sub(body.len() as u64);
        self.state = ProgressState::Body(left);
        left == 0
    }
}

/// The head and the bytes after it, if the head is whole.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(memchr::memmem::find(bytes, END_OF_HEAD)? + END_OF_HEAD.len())
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
        for answer in [&get[..], empty] {
            for piece in 1..=answer.len() {
                assert_eq!(complete_after(answer, false, piece), Some(answer.len()), "{piece}");
                assert_eq!(
                    complete_after(&answer[..answer.len() - 1], false, piece),
                    None,
                    "{piece}"
                );
            }
        }
        let head = &get[..get.len() - 12];
        assert_eq!(complete_after(head, true, 7), Some(head.len()));
        assert_eq!(complete_after(b"HTTP/1.1 200 OK\r\n\r\nbody", false, 5), None);
    }
}
