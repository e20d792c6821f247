//! The inside of collections, tuples and user-defined types: `[int]` lengths and bytes
//! (native protocol v4, section 6).

/// Reads one `[bytes]`: `Some(None)` is null.
fn read_value<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = i32::from_be_bytes(*len);
    if len < 0 {
        *bytes = rest;
        return Some(None);
    }
    let len = len as usize;
    if rest.len() < len {
        return None;
    }
    let (value, rest) = rest.split_at(len);
    *bytes = rest;
    Some(Some(value))
}

/// The number at the head of a collection.
pub(crate) fn count_of(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(*bytes.first_chunk::<4>()?)).ok()
}

/// All elements of a list or set (or keys and values of a map in turn, with `per_element` 2).
/// `None` if the bytes are malformed or an element is null.
pub(crate) fn read_values(bytes: &[u8], per_element: usize) -> Option<Vec<&[u8]>> {
    let count = count_of(bytes)?.checked_mul(per_element)?;
    let mut rest = &bytes[4..];
    // every value takes at least its length
    if count > rest.len() / 4 {
        return None;
    }
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        out.push(read_value(&mut rest)??);
    }
    rest.is_empty().then_some(out)
}

/// The entries of a map.
pub(crate) fn map_entries(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let values = read_values(bytes, 2)?;
    Some(
        values
            .chunks_exact(2)
            .map(|pair| (pair[0], pair[1]))
            .collect(),
    )
}

/// The fields of a tuple or user-defined type; trailing ones may be missing.
pub(crate) fn tuple_values(mut bytes: &[u8], at_most: usize) -> Option<Vec<Option<&[u8]>>> {
    let mut out = Vec::with_capacity(at_most);
    while !bytes.is_empty() {
        if out.len() == at_most {
            return None;
        }
        out.push(read_value(&mut bytes)?);
    }
    Some(out)
}

/// Appends one `[bytes]`.
pub(crate) fn push_value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        // values come from frames or literals, both far below 2 GiB
        Some(value) => {
            out.extend_from_slice(&(value.len() as i32).to_be_bytes());
            out.extend_from_slice(value);
        }
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
    }
}

/// A collection of `count` elements, made of `values`.
pub(crate) fn collection<'a>(count: usize, values: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 * count + 4);
    out.extend_from_slice(&(count as i32).to_be_bytes());
    for value in values {
        push_value(&mut out, Some(value));
    }
    out
}
