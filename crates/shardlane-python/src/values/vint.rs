//! Variable-length integers: `[unsigned vint]` and `[vint]` of the native protocol
//! (v5 specification, section 3): the number of leading one bits in the first byte is the number
//! of bytes that follow, most significant first; a signed value is zig-zag encoded.

/// Appends `value` in one to nine bytes.
pub(crate) fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    // Each byte carries seven bits until all eight of the first are used up as a length.
    let significant = 64 - (value | 1).leading_zeros() as usize;
    let extra = if significant > 56 {
        8
    } else {
        (significant - 1) / 7
    };
    let bytes = value.to_be_bytes();
    if extra == 8 {
        out.push(0xFF);
        out.extend_from_slice(&bytes);
        return;
    }
    let start = out.len();
    out.extend_from_slice(&bytes[7 - extra..]);
    out[start] |= !(0xFF_u8 >> extra);
}

/// Appends `value` as a zig-zag encoded vint.
pub(crate) fn write_signed(value: i64, out: &mut Vec<u8>) {
    write_unsigned(((value << 1) ^ (value >> 63)) as u64, out);
}

/// Takes an unsigned vint off the front; `None` if the bytes end inside it.
pub(crate) fn read_unsigned(input: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = input.split_first()?;
    let extra = first.leading_ones() as usize;
    let (tail, rest) = rest.split_at_checked(extra)?;
    let head = if extra >= 8 {
        0
    } else {
        u64::from(first & (0xFF >> extra))
    };
    *input = rest;
    Some(
        tail.iter()
            .fold(head, |value, &byte| (value << 8) | u64::from(byte)),
    )
}

/// Takes a zig-zag encoded vint off the front.
pub(crate) fn read_signed(input: &mut &[u8]) -> Option<i64> {
    let raw = read_unsigned(input)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}
