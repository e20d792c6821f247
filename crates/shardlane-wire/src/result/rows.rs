//! Rows, and walking their cells.

use super::metadata::{RowsMetadata, write_count};
use crate::dialect::Dialect;
use crate::primitive::Reader;
use crate::wire_error::{EncodeError, WireError, WireErrorKind};

/// The shortest cell: its length field.
const MIN_CELL_LEN: u64 = 4;

/// A page of rows: metadata, and the cells as raw bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows<'a> {
    /// The metadata.
    pub metadata: RowsMetadata<'a>,
    /// How many rows. Reading checks that `rows` is long enough to hold them, so that this many may
    /// be reserved.
    pub rows_count: u32,
    /// The cells of all rows, one after another, each a `[bytes]`.
    pub rows: &'a [u8],
}

impl<'a> Rows<'a> {
    /// Walks the cells, row by row.
    pub const fn cells(&self) -> CellReader<'a> {
        CellReader::new(self.rows)
    }

    /// How many cells there are in all.
    pub const fn cell_count(&self) -> u64 {
        // Both factors are below 2^32.
        self.rows_count as u64 * self.metadata.column_count as u64
    }

    /// Walks all cells and checks that they end where the body ends.
    pub fn validate(&self) -> Result<(), WireError> {
        let mut cells = self.cells();
        for _ in 0..self.cell_count() {
            cells.next_cell()?;
        }
        cells.finish()
    }

    pub(super) fn read(dialect: Dialect, mut reader: Reader<'a>) -> Result<Self, WireError> {
        let metadata = RowsMetadata::read(dialect, &mut reader)?;
        let at = reader.clone();
        let rows_count = reader.count("rows count")?;
        let rows = Self {
            metadata,
            rows_count,
            rows: reader.take_rest(),
        };
        // Rows without columns would be rows without bytes: any number of them fits.
        let needed = rows.cell_count().checked_mul(MIN_CELL_LEN);
        let fits = needed.is_some_and(|needed| needed <= rows.rows.len() as u64);
        if !fits || (metadata.column_count == 0 && rows_count > 0) {
            return Err(at.error("rows count", WireErrorKind::RowCount(rows_count)));
        }
        Ok(rows)
    }

    pub(super) fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.metadata.encode(dialect, out)?;
        write_count(out, self.rows_count, "rows count")?;
        out.extend_from_slice(self.rows);
        Ok(())
    }
}

/// Walks cells: the rows of a result, or the elements of a value that is laid out alike
/// (a tuple, a user-defined type).
#[derive(Debug, Clone)]
pub struct CellReader<'a> {
    reader: Reader<'a>,
}

impl<'a> CellReader<'a> {
    /// Starts at the first cell of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(bytes),
        }
    }

    /// The next cell; `None` is null.
    #[inline]
    pub fn next_cell(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        self.reader.bytes("cell")
    }

    /// Whether no bytes are left.
    pub fn is_at_end(&self) -> bool {
        self.reader.rest().is_empty()
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.reader.position()
    }

    /// Ends the walk: bytes left over are an error.
    pub fn finish(&self) -> Result<(), WireError> {
        self.reader.finish("rows")
    }
}
