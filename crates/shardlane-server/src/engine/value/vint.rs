//! Unsigned variable-length integers: the leading one bits of the first byte count the bytes that follow.

/// Appends `value`.
pub(super) fn push_vint(value: u64, out: &mut Vec<u8>) {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    let extra = ((bits - 1) / 7).min(8);
    let bytes = value.to_be_bytes();
    if extra == 8 {
        out.push(0xFF);
        out.extend_from_slice(&bytes);
    } else {
        let from = out.len();
        out.extend_from_slice(&bytes[7 - extra..]);
        out[from] |= !(0xFFu8 >> extra);
    }
}

/// Takes one off the front.
pub(super) fn read_vint(bytes: &mut &[u8]) -> Option<u64> {
    let first = *bytes.first()?;
    let extra = first.leading_ones() as usize;
    let value = if extra == 8 {
        0
    } else {
        u64::from(first & (0xFF >> extra))
    };
    let value = bytes
        .get(1..=extra)?
        .iter()
        .fold(value, |value, byte| value << 8 | u64::from(*byte));
    *bytes = &bytes[1 + extra..];
    Some(value)
}
