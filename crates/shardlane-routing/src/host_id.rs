//! The identity of a node.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A node's host id: the UUID that stays with it when its address changes. Bytes in network order,
/// as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub [u8; 16]);

impl HostId {
    /// The sixteen bytes, in network order.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for HostId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<HostId> for [u8; 16] {
    fn from(id: HostId) -> Self {
        id.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostId({self})")
    }
}

/// The text is not a UUID of the form `622eb096-7afa-4998-a821-bb4e63a936be`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostIdError;

impl fmt::Display for HostIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host id is a UUID: 8-4-4-4-12 hexadecimal digits")
    }
}

impl Error for HostIdError {}

impl FromStr for HostId {
    type Err = HostIdError;

    fn from_str(text: &str) -> Result<Self, HostIdError> {
        let text: &[u8; 36] = text.as_bytes().try_into().map_err(|_| HostIdError)?;
        if [8, 13, 18, 23].iter().any(|&dash| text[dash] != b'-') {
            return Err(HostIdError);
        }
        // Where each byte's two digits begin.
        const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        let mut id = [0; 16];
        for (byte, at) in id.iter_mut().zip(DIGITS) {
            *byte = hex(text[at])? << 4 | hex(text[at + 1])?;
        }
        Ok(Self(id))
    }
}

fn hex(digit: u8) -> Result<u8, HostIdError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(HostIdError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "622eb096-7afa-4998-a821-bb4e63a936be";

    #[test]
    fn text_form_goes_both_ways() {
        let id: HostId = TEXT.parse().unwrap();
        assert_eq!(id.0[..5], [0x62, 0x2e, 0xb0, 0x96, 0x7a]);
        assert_eq!(id.0[15], 0xbe);
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(TEXT.to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn anything_else_is_refused() {
        let bad = [
            String::new(),
            TEXT.replace('-', ""),
            TEXT.replace('b', "g"),
            TEXT[1..].to_owned(),
            format!("{TEXT}0"),
            TEXT.replace("6-7", "-67"),
            TEXT.replace("62", "+2"),
            TEXT.replace("62", "é"),
        ];
        for text in bad {
            assert_eq!(text.parse::<HostId>(), Err(HostIdError), "{text}");
        }
    }
}
