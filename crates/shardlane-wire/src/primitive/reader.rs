//! A bounded cursor over a message body.

use std::net::{IpAddr, SocketAddr};

use crate::consistency::{Consistency, SerialConsistency};
use crate::request::Value;
use crate::wire_error::{WireError, WireErrorKind};

/// The shortest possible element of the collections read here, for bounding reservations.
const MIN_STRING_LEN: usize = 2;

/// A \[bytes map\], in the order sent; a value may be null.
pub type BytesMap<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

/// A cursor that reads the notations of section 3 and never passes the end.
///
/// Each method takes the name of what it reads, which a [`WireError`] then tells.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    all: &'a [u8],
    pos: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { all: bytes, pos: 0 }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.pos
    }

    /// The bytes not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        &self.all[self.pos..]
    }

    /// The bytes between an earlier [`Self::position`] and here.
    ///
    /// # Panics
    /// If `start` is beyond the current position, which no earlier position is.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.all[start..self.pos]
    }

    /// Takes all that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest();
        self.pos = self.all.len();
        rest
    }

    /// An error at the current position.
    #[cold]
    pub fn error(&self, reading: &'static str, kind: WireErrorKind) -> WireError {
        WireError {
            reading,
            offset: self.pos,
            kind,
        }
    }

    /// Ends the reading: bytes left over are an error.
    pub fn finish(&self, reading: &'static str) -> Result<(), WireError> {
        if self.pos == self.all.len() {
            Ok(())
        } else {
            Err(self.error(
                reading,
                WireErrorKind::TrailingBytes(self.all.len() - self.pos),
            ))
        }
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize, reading: &'static str) -> Result<&'a [u8], WireError> {
        let rest = self.rest();
        match rest.get(..len) {
            Some(bytes) => {
                self.pos += len;
                Ok(bytes)
            }
            None => Err(self.error(
                reading,
                WireErrorKind::UnexpectedEnd {
                    needed: len,
                    left: rest.len(),
                },
            )),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self, reading: &'static str) -> Result<[u8; N], WireError> {
        match self.rest().first_chunk::<N>() {
            Some(bytes) => {
                self.pos += N;
                Ok(*bytes)
            }
            None => {
                let left = self.all.len() - self.pos;
                Err(self.error(reading, WireErrorKind::UnexpectedEnd { needed: N, left }))
            }
        }
    }

    /// A \[byte\].
    #[inline]
    pub fn byte(&mut self, reading: &'static str) -> Result<u8, WireError> {
        Ok(self.array::<1>(reading)?[0])
    }

    /// A \[short\]: two bytes, unsigned.
    #[inline]
    pub fn short(&mut self, reading: &'static str) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.array(reading)?))
    }

    /// An \[int\]: four bytes, signed.
    #[inline]
    pub fn int(&mut self, reading: &'static str) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array(reading)?))
    }

    /// A \[long\]: eight bytes, signed.
    #[inline]
    pub fn long(&mut self, reading: &'static str) -> Result<i64, WireError> {
        Ok(i64::from_be_bytes(self.array(reading)?))
    }

    /// An \[int\] that counts something, so must not be negative.
    #[inline]
    pub fn count(&mut self, reading: &'static str) -> Result<u32, WireError> {
        let start = self.pos;
        let n = self.int(reading)?;
        u32::try_from(n).map_err(|_| WireError {
            reading,
            offset: start,
            kind: WireErrorKind::NegativeLength(n),
        })
    }

    fn utf8(&self, bytes: &'a [u8], reading: &'static str) -> Result<&'a str, WireError> {
        std::str::from_utf8(bytes).map_err(|_| WireError {
            reading,
            offset: self.pos - bytes.len(),
            kind: WireErrorKind::NotUtf8,
        })
    }

    /// A \[string\]: a short length, then UTF-8.
    pub fn string(&mut self, reading: &'static str) -> Result<&'a str, WireError> {
        let bytes = self.short_bytes(reading)?;
        self.utf8(bytes, reading)
    }

    /// Passes over a \[string\] without looking at it.
    #[inline]
    pub fn skip_string(&mut self, reading: &'static str) -> Result<(), WireError> {
        self.short_bytes(reading).map(|_| ())
    }

    /// A \[long string\]: an int length, then UTF-8.
    pub fn long_string(&mut self, reading: &'static str) -> Result<&'a str, WireError> {
        let len = self.count(reading)? as usize;
        let bytes = self.take(len, reading)?;
        self.utf8(bytes, reading)
    }

    /// A \[uuid\].
    pub fn uuid(&mut self, reading: &'static str) -> Result<[u8; 16], WireError> {
        self.array(reading)
    }

    /// A \[string list\].
    pub fn string_list(&mut self, reading: &'static str) -> Result<Vec<&'a str>, WireError> {
        let n = usize::from(self.short(reading)?);
        let mut list = Vec::with_capacity(n.min(self.rest().len() / MIN_STRING_LEN));
        for _ in 0..n {
            list.push(self.string(reading)?);
        }
        Ok(list)
    }

    /// A \[bytes\]: an int length, negative for null.
    #[inline]
    pub fn bytes(&mut self, reading: &'static str) -> Result<Option<&'a [u8]>, WireError> {
        let len = self.int(reading)?;
        match usize::try_from(len) {
            Ok(len) => self.take(len, reading).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A \[value\]: as \[bytes\], but -2 means "not set" and anything below is an error.
    #[inline]
    pub fn value(&mut self, reading: &'static str) -> Result<Value<'a>, WireError> {
        let start = self.pos;
        let len = self.int(reading)?;
        match len {
            0.. => self.take(len as usize, reading).map(Value::Bytes),
            -1 => Ok(Value::Null),
            -2 => Ok(Value::Unset),
            _ => Err(WireError {
                reading,
                offset: start,
                kind: WireErrorKind::NegativeLength(len),
            }),
        }
    }

    /// A \[short bytes\].
    #[inline]
    pub fn short_bytes(&mut self, reading: &'static str) -> Result<&'a [u8], WireError> {
        let len = usize::from(self.short(reading)?);
        self.take(len, reading)
    }

    /// An \[inetaddr\]: a length byte and 4 or 16 bytes.
    pub fn inetaddr(&mut self, reading: &'static str) -> Result<IpAddr, WireError> {
        let start = self.pos;
        match self.byte(reading)? {
            4 => Ok(IpAddr::from(self.array::<4>(reading)?)),
            16 => Ok(IpAddr::from(self.array::<16>(reading)?)),
            n => Err(WireError {
                reading,
                offset: start,
                kind: WireErrorKind::AddressLength(n),
            }),
        }
    }

    /// An \[inet\]: an address and a port.
    pub fn inet(&mut self, reading: &'static str) -> Result<SocketAddr, WireError> {
        let address = self.inetaddr(reading)?;
        let start = self.pos;
        let port = self.int(reading)?;
        match u16::try_from(port) {
            Ok(port) => Ok(SocketAddr::new(address, port)),
            Err(_) => Err(WireError {
                reading,
                offset: start,
                kind: WireErrorKind::Port(port),
            }),
        }
    }

    /// A \[string map\], in the order sent.
    pub fn string_map(
        &mut self,
        reading: &'static str,
    ) -> Result<Vec<(&'a str, &'a str)>, WireError> {
        let n = usize::from(self.short(reading)?);
        let mut map = Vec::with_capacity(n.min(self.rest().len() / (2 * MIN_STRING_LEN)));
        for _ in 0..n {
            map.push((self.string(reading)?, self.string(reading)?));
        }
        Ok(map)
    }

    /// A \[string multimap\], in the order sent.
    pub fn string_multimap(
        &mut self,
        reading: &'static str,
    ) -> Result<Vec<(&'a str, Vec<&'a str>)>, WireError> {
        let n = usize::from(self.short(reading)?);
        let mut map = Vec::with_capacity(n.min(self.rest().len() / (2 * MIN_STRING_LEN)));
        for _ in 0..n {
            map.push((self.string(reading)?, self.string_list(reading)?));
        }
        Ok(map)
    }

    /// A \[bytes map\], in the order sent.
    pub fn bytes_map(&mut self, reading: &'static str) -> Result<BytesMap<'a>, WireError> {
        let n = usize::from(self.short(reading)?);
        let mut map = Vec::with_capacity(n.min(self.rest().len() / (MIN_STRING_LEN + 4)));
        for _ in 0..n {
            map.push((self.string(reading)?, self.bytes(reading)?));
        }
        Ok(map)
    }

    /// A \[consistency\].
    pub fn consistency(&mut self, reading: &'static str) -> Result<Consistency, WireError> {
        let start = self.pos;
        let code = self.short(reading)?;
        Consistency::from_code(code).ok_or(WireError {
            reading,
            offset: start,
            kind: WireErrorKind::UnknownCode(code.into()),
        })
    }

    /// A \[consistency\] that must be one of the serial levels.
    pub fn serial_consistency(
        &mut self,
        reading: &'static str,
    ) -> Result<SerialConsistency, WireError> {
        let start = self.pos;
        let code = self.short(reading)?;
        SerialConsistency::from_code(code).ok_or(WireError {
            reading,
            offset: start,
            kind: WireErrorKind::UnknownCode(code.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_past_the_end_says_what_and_where() {
        let mut reader = Reader::new(&[0, 1, 0, 0]);
        assert_eq!(reader.short("first"), Ok(1));
        assert_eq!(
            reader.int("second"),
            Err(WireError {
                reading: "second",
                offset: 2,
                kind: WireErrorKind::UnexpectedEnd { needed: 4, left: 2 }
            })
        );
        assert_eq!(reader.position(), 2, "a failed read consumes nothing");
    }

    #[test]
    fn huge_announced_lengths_do_not_reserve() {
        let bytes = [0xFF, 0xFF, 0, 0];
        let error = Reader::new(&bytes).string_list("list").unwrap_err();
        assert_eq!(error.offset, 4);
        let error = Reader::new(&[0x7F, 0xFF, 0xFF, 0xFF])
            .long_string("text")
            .unwrap_err();
        assert_eq!(
            error.kind,
            WireErrorKind::UnexpectedEnd {
                needed: 0x7FFF_FFFF,
                left: 0
            }
        );
    }

    #[test]
    fn value_knows_null_and_unset() {
        let bytes = [
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFD,
        ];
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.value("v"), Ok(Value::Null));
        assert_eq!(reader.value("v"), Ok(Value::Unset));
        assert_eq!(reader.value("v"), Ok(Value::Bytes(&[])));
        assert_eq!(
            reader.value("v").unwrap_err().kind,
            WireErrorKind::NegativeLength(-3)
        );
    }

    #[test]
    fn addresses_have_4_or_16_bytes_and_a_port() {
        let mut reader = Reader::new(&[4, 127, 0, 0, 1, 0, 0, 0x23, 0x52]);
        assert_eq!(reader.inet("a"), Ok("127.0.0.1:9042".parse().unwrap()));
        assert_eq!(
            Reader::new(&[5, 0, 0, 0, 0, 0])
                .inetaddr("a")
                .unwrap_err()
                .kind,
            WireErrorKind::AddressLength(5)
        );
        assert_eq!(
            Reader::new(&[4, 0, 0, 0, 0, 0, 1, 0, 0])
                .inet("a")
                .unwrap_err()
                .kind,
            WireErrorKind::Port(65536)
        );
    }

    #[test]
    fn strings_must_be_utf8_and_bodies_must_end() {
        let error = Reader::new(&[0, 2, 0xC3, 0x28]).string("name").unwrap_err();
        assert_eq!((error.offset, error.kind), (2, WireErrorKind::NotUtf8));
        let error = Reader::new(&[1, 2, 3]).finish("body").unwrap_err();
        assert_eq!(error.kind, WireErrorKind::TrailingBytes(3));
    }

    #[test]
    fn unknown_consistency_is_named() {
        let error = Reader::new(&[0, 0x0B])
            .consistency("consistency")
            .unwrap_err();
        assert_eq!(error.kind, WireErrorKind::UnknownCode(11));
        let error = Reader::new(&[0, 1])
            .serial_consistency("serial")
            .unwrap_err();
        assert_eq!(error.kind, WireErrorKind::UnknownCode(1));
    }
}
