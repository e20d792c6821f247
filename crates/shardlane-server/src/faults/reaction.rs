//! What a fault does.

use std::time::Duration;

use shardlane_wire::{ErrorBody, HEADER_LEN};

/// What happens instead of the usual. Unless it says otherwise, the request is carried out and
/// only its answer suffers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reaction {
    /// The first half of the answer, then the connection is closed.
    HalfFrameThenClose,
    /// The first half of the answer, then nothing more on this connection, which stays open.
    HalfFrameThenSilence,
    /// No answer to this request.
    Silence,
    /// The answer comes so much later.
    Delay(Duration),
    /// The connection is closed at once; the request is not carried out.
    Close,
    /// This error is the answer; the request is not carried out.
    Error(ErrorBody),
    /// SUPPORTED names this shard. For other requests, nothing.
    WrongShard(u16),
    /// SUPPORTED names another node. For other requests, nothing.
    WrongHost,
    /// The custom payload says something of the tablet that is not true, even if the request has met
    /// the right shard. For requests that no tablet would be told of, nothing.
    WrongTablet(TabletLie),
    /// Bytes that are no frame, then the connection is closed.
    Garbage,
    /// The header announces a body of almost 4 GiB.
    OversizedLength,
    /// The answer comes on another stream: its id plus this.
    WrongStream(i16),
}

/// What SUPPORTED says instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SupportedLie {
    Shard(u16),
    Host,
}

/// What is said of a tablet instead of the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TabletLie {
    /// Each replica lies one shard further on.
    NextShard,
    /// The replicas lie on nodes that nobody knows.
    UnknownNodes,
    /// It has no replicas.
    NoReplicas,
    /// Bytes that are no tablet.
    Garbage,
}

/// How a port of a node misbehaves. Connections that are there already stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PortFault {
    /// Not at all.
    #[default]
    None,
    /// Nobody listens: connecting is refused.
    Refused,
    /// Packets to the port are dropped: connecting neither succeeds nor fails until the client
    /// gives up. (The kernel does that while the accept queue of a listener is full.)
    Dropped,
    /// Connecting succeeds, and then nothing ever answers.
    Silent,
    /// Source ports arrive rewritten, as behind NAT: the shard is not the one that the client
    /// meant. It is always the next one, so that a test can rely on it.
    Nat,
}

/// What is to go wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseFault {
    HalfThenClose,
    HalfThenSilence,
    Drop,
    Delay(Duration),
    Garbage,
    Oversized,
    Stream(i16),
}

impl ResponseFault {
    /// Whether what goes wrong is in the envelope, not in the bytes around it: the segments of v5
    /// are whole then.
    pub(crate) const fn is_in_envelope(self) -> bool {
        matches!(
            self,
            Self::Drop | Self::Oversized | Self::Stream(_) | Self::Delay(_)
        )
    }
}

/// What becomes of the connection after a damaged answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aftermath {
    None,
    Close,
    Silence,
}

/// Bytes that are no frame: the version is none, with the response bit set.
const GARBAGE: [u8; 32] = [0xFE; 32];

/// Damages the frame that starts at `start` and ends where `out` ends. Delays are the caller's.
pub(crate) fn damage(fault: ResponseFault, out: &mut Vec<u8>, start: usize) -> Aftermath {
    match fault {
        ResponseFault::HalfThenClose | ResponseFault::HalfThenSilence => {
            out.truncate(start + (out.len() - start) / 2);
            if fault == ResponseFault::HalfThenClose {
                Aftermath::Close
            } else {
                Aftermath::Silence
            }
        }
        ResponseFault::Drop => {
            out.truncate(start);
            Aftermath::None
        }
        ResponseFault::Garbage => {
            out.truncate(start);
            out.extend_from_slice(&GARBAGE);
            Aftermath::Close
        }
        ResponseFault::Oversized => {
            if let Some(length) = out.get_mut(start + 5..start + HEADER_LEN) {
                length.copy_from_slice(&(u32::MAX - 1).to_be_bytes());
            }
            Aftermath::None
        }
        ResponseFault::Stream(delta) => {
            if let Some(stream) = out.get_mut(start + 2..start + 4) {
                let seen = i16::from_be_bytes([stream[0], stream[1]]);
                stream.copy_from_slice(&seen.wrapping_add(delta).to_be_bytes());
            }
            Aftermath::None
        }
        ResponseFault::Delay(_) => Aftermath::None,
    }
}

impl Reaction {
    /// What this does to the answer, if the request is carried out at all.
    pub(crate) const fn response_fault(&self) -> Option<ResponseFault> {
        Some(match self {
            Self::HalfFrameThenClose => ResponseFault::HalfThenClose,
            Self::HalfFrameThenSilence => ResponseFault::HalfThenSilence,
            Self::Silence => ResponseFault::Drop,
            Self::Delay(by) => ResponseFault::Delay(*by),
            Self::Garbage => ResponseFault::Garbage,
            Self::OversizedLength => ResponseFault::Oversized,
            Self::WrongStream(delta) => ResponseFault::Stream(*delta),
            Self::Close
            | Self::Error(_)
            | Self::WrongShard(_)
            | Self::WrongHost
            | Self::WrongTablet(_) => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use shardlane_wire::{FrameHeader, Opcode, Version};

    use super::*;

    /// Something sent before, then a frame on stream 7 with a body of ten bytes.
    fn frame() -> (Vec<u8>, usize) {
        let mut header = FrameHeader::response(Version::V4, 7, Opcode::Result);
        header.length = 10;
        let mut out = vec![0xAA; 3];
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(&[1; 10]);
        (out, 3)
    }

    fn damaged(fault: ResponseFault) -> (Vec<u8>, Aftermath) {
        let (mut out, start) = frame();
        let aftermath = damage(fault, &mut out, start);
        assert_eq!(out[..3], [0xAA; 3], "what was sent before stays whole");
        (out.split_off(3), aftermath)
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let (whole, start) = frame();
        let whole = &whole[start..];
        assert_eq!(
            damaged(ResponseFault::HalfThenClose),
            (whole[..9].to_vec(), Aftermath::Close)
        );
        assert_eq!(
            damaged(ResponseFault::HalfThenSilence),
            (whole[..9].to_vec(), Aftermath::Silence)
        );
        assert_eq!(damaged(ResponseFault::Drop), (Vec::new(), Aftermath::None));
        let (garbage, aftermath) = damaged(ResponseFault::Garbage);
        let head: [u8; HEADER_LEN] = garbage[..HEADER_LEN].try_into().expect("nine bytes");
        assert!(FrameHeader::decode(&head).is_err());
        assert_eq!(aftermath, Aftermath::Close);
    }

    #[test]
    fn headers_are_changed_in_place() {
        let header = |fault| {
            let (out, _) = damaged(fault);
            let head: [u8; HEADER_LEN] = out[..HEADER_LEN].try_into().expect("nine bytes");
            FrameHeader::decode(&head).expect("still a header")
        };
        assert_eq!(header(ResponseFault::Oversized).length, u32::MAX - 1);
        assert_eq!(header(ResponseFault::Stream(1)).stream, 8);
        assert_eq!(header(ResponseFault::Delay(Duration::ZERO)).stream, 7);
    }
}
