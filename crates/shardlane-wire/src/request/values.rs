//! Bound values as they travel: already encoded, not yet looked at.

use crate::primitive::Reader;
use crate::wire_error::WireError;

/// One bound value (section 3, `[value]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Encoded bytes.
    Bytes(&'a [u8]),
    /// Null: deletes.
    Null,
    /// Not set: leaves what is there (v4 and later).
    Unset,
}

/// The bound values of one statement: `count` encoded `[value]`s one after another, each preceded by
/// its name as a `[string]` if `named`.
///
/// A client encodes values once and hands the bytes through; a server walks them with [`Self::iter`].
/// Without values the VALUES flag is not written, and a message that carries it with a count of
/// zero reads as one that does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BoundValues<'a> {
    /// How many values.
    pub count: u16,
    /// Whether each value has a name.
    pub named: bool,
    /// The encoded values.
    pub bytes: &'a [u8],
}

impl<'a> BoundValues<'a> {
    /// No values.
    pub const NONE: Self = Self {
        count: 0,
        named: false,
        bytes: &[],
    };

    /// Values without names.
    pub const fn positional(count: u16, bytes: &'a [u8]) -> Self {
        Self {
            count,
            named: false,
            bytes,
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Walks the values: name, if any, and value.
    pub const fn iter(&self) -> BoundValueIter<'a> {
        BoundValueIter {
            reader: Reader::new(self.bytes),
            left: self.count,
            named: self.named,
        }
    }

    /// Reads `count` values, checking their lengths, so that [`Self::iter`] will not fail but on a
    /// name that is not UTF-8.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        count: u16,
        named: bool,
    ) -> Result<Self, WireError> {
        let start = reader.position();
        for _ in 0..count {
            if named {
                reader.string("name of a bound value")?;
            }
            reader.value("bound value")?;
        }
        Ok(Self {
            count,
            named,
            bytes: reader.since(start),
        })
    }
}

/// Iterator over [`BoundValues`]. It ends after the first error.
#[derive(Debug, Clone)]
pub struct BoundValueIter<'a> {
    reader: Reader<'a>,
    left: u16,
    named: bool,
}

impl<'a> BoundValueIter<'a> {
    fn read_one(&mut self) -> Result<(Option<&'a str>, Value<'a>), WireError> {
        let name = match self.named {
            true => Some(self.reader.string("name of a bound value")?),
            false => None,
        };
        Ok((name, self.reader.value("bound value")?))
    }
}

impl<'a> Iterator for BoundValueIter<'a> {
    type Item = Result<(Option<&'a str>, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let item = self.read_one();
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.into()))
    }
}
