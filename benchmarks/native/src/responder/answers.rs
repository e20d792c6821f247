//! Answers that are repeated.

use shardlane_wire::{Dialect, FrameHeader, Opcode};

/// What requests have in common that get the same answer: the kind, and the body up to the values.
type Key = (Opcode, Box<[u8]>);

/// The first answer to each statement.
#[derive(Default)]
pub(super) struct Answers {
    known: Vec<(Key, Box<[u8]>)>,
}

impl Answers {
    /// The body of the answer, if it is known. There are few statements: a search is cheaper than a hash.
    pub(super) fn find(&self, opcode: Opcode, prefix: &[u8]) -> Option<&[u8]> {
        let found = self
            .known
            .iter()
            .find(|((kind, known), _)| *kind == opcode && **known == *prefix);
        found.map(|(_, body)| &**body)
    }

    /// Keeps an answer.
    pub(super) fn learn(&mut self, opcode: Opcode, prefix: &[u8], body: &[u8]) {
        if self.find(opcode, prefix).is_none() {
            self.known.push(((opcode, prefix.into()), body.into()));
        }
    }
}

/// The part of a request's body that says what its answer is; `None`: it is not to be repeated.
pub(super) fn prefix<'a>(
    header: &FrameHeader,
    dialect: Dialect,
    body: &'a [u8],
) -> Option<&'a [u8]> {
    // Compressed, traced, or with a custom payload.
    if header.flags != 0 {
        return None;
    }
    match header.opcode {
        Opcode::Execute => {
            let mut at = 2 + usize::from(short(body, 0)?);
            if dialect.has_metadata_id() {
                at += 2 + usize::from(short(body, at)?);
            }
            // The consistency, and the flags, which say what else there is.
            body.get(..at + 3)
        }
        // The kind and how many statements: all that a batch is answered with is "done".
        Opcode::Batch => body.get(..3),
        _ => None,
    }
}

fn short(body: &[u8], at: usize) -> Option<u16> {
    let bytes = body.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shardlane_wire::Version;

    fn header(opcode: Opcode) -> FrameHeader {
        FrameHeader::request(Version::V4, 7, opcode)
    }

    #[test]
    fn values_are_no_part_of_the_key() {
        let body = [0, 2, 0xAB, 0xCD, 0, 10, 0x05, 0, 1, 0, 0, 0, 1, 9];
        let found = prefix(&header(Opcode::Execute), Dialect::V4, &body);
        assert_eq!(found, Some(&body[..7]));
        let with_id = Dialect {
            metadata_id: true,
            ..Dialect::V4
        };
        let body = [0, 1, 0xAB, 0, 2, 1, 2, 0, 10, 0x01, 0, 0];
        let found = prefix(&header(Opcode::Execute), with_id, &body);
        assert_eq!(found, Some(&body[..10]));
    }

    #[test]
    fn what_is_cut_short_or_special_is_not_repeated() {
        let body = [0, 9, 1];
        assert_eq!(prefix(&header(Opcode::Execute), Dialect::V4, &body), None);
        assert_eq!(prefix(&header(Opcode::Query), Dialect::V4, &body), None);
        let mut traced = header(Opcode::Batch);
        traced.flags = 0x02;
        assert_eq!(prefix(&traced, Dialect::V4, &body), None);
    }

    #[test]
    fn the_first_answer_stays() {
        let mut answers = Answers::default();
        answers.learn(Opcode::Execute, b"statement", b"first");
        answers.learn(Opcode::Execute, b"statement", b"second");
        assert_eq!(
            answers.find(Opcode::Execute, b"statement"),
            Some(&b"first"[..])
        );
        assert_eq!(answers.find(Opcode::Batch, b"statement"), None);
    }
}
