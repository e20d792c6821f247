//! The notations of section 3: reading them with bounds checks, and writing them.

mod reader;
mod writer;

pub use reader::{BytesMap, Reader};
pub(crate) use writer::short_len;
pub use writer::{
    write_byte, write_bytes, write_bytes_map, write_bytes_opt, write_consistency, write_inet,
    write_inetaddr, write_int, write_long, write_long_string, write_short, write_short_bytes,
    write_string, write_string_list, write_string_map, write_string_multimap, write_unset,
    write_uuid,
};
