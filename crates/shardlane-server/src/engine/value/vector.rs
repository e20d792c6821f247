//! The inside of vectors: elements one after another, without a count; each with its length as a vint in front
//! unless its type is one of fixed size (Cassandra 5, `VectorType`).

use shardlane_wire::CqlType;

use super::vint::{push_vint, read_vint};

/// The size of an element that has no length in front. Types that came later than vectors' notion of size
/// (`tinyint`, `date` ...) count as variable, though they are not.
fn element_len(ty: &CqlType) -> Option<usize> {
    match ty {
        CqlType::Boolean => Some(1),
        CqlType::Int | CqlType::Float => Some(4),
        CqlType::BigInt | CqlType::Double | CqlType::Timestamp => Some(8),
        CqlType::Uuid | CqlType::TimeUuid => Some(16),
        CqlType::Vector(element, len) => {
            element_len(element).and_then(|size| size.checked_mul(usize::from(*len)))
        }
        _ => None,
    }
}

/// Appends an element.
pub(crate) fn push_element(ty: &CqlType, element: &[u8], out: &mut Vec<u8>) {
    if element_len(ty).is_none() {
        push_vint(element.len() as u64, out);
    }
    out.extend_from_slice(element);
}

/// The elements of a vector of `len`; `None` if the bytes are malformed.
pub(crate) fn vector_values<'a>(
    ty: &CqlType,
    mut bytes: &'a [u8],
    len: usize,
) -> Option<Vec<&'a [u8]>> {
    let mut out = Vec::with_capacity(len.min(bytes.len()));
    for _ in 0..len {
        let size = match element_len(ty) {
            Some(size) => size,
            None => usize::try_from(read_vint(&mut bytes)?).ok()?,
        };
        let (element, rest) = bytes.split_at_checked(size)?;
        out.push(element);
        bytes = rest;
    }
    bytes.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_lengths_unless_their_size_is_fixed() {
        let int = CqlType::Vector(Box::new(CqlType::Int), 2);
        for (ty, elements, bytes) in [
            (
                CqlType::Int,
                vec![&[0, 0, 0, 1][..], &[0, 0, 0, 2]],
                vec![0, 0, 0, 1, 0, 0, 0, 2],
            ),
            (CqlType::TinyInt, vec![&[5][..], &[6]], vec![1, 5, 1, 6]),
            (CqlType::Text, vec![&b"ab"[..], b""], vec![2, b'a', b'b', 0]),
            (int, vec![&[1; 8][..], &[2; 8]], [[1; 8], [2; 8]].concat()),
        ] {
            let mut out = Vec::new();
            elements.iter().for_each(|e| push_element(&ty, e, &mut out));
            assert_eq!(out, bytes, "{ty}");
            assert_eq!(vector_values(&ty, &bytes, 2), Some(elements), "{ty}");
            assert_eq!(vector_values(&ty, &bytes[1..], 2), None, "{ty}");
            assert_eq!(vector_values(&ty, &bytes, 3), None, "{ty}");
            assert_eq!(vector_values(&ty, &bytes, 1), None, "{ty}");
        }
        let long = vec![7; 300];
        let mut out = Vec::new();
        push_element(&CqlType::Blob, &long, &mut out);
        assert_eq!(out[..2], [0x81, 0x2C]);
        assert_eq!(
            vector_values(&CqlType::Blob, &out, 1),
            Some(vec![&long[..]])
        );
        let huge = [0xFF; 9];
        assert_eq!(vector_values(&CqlType::Blob, &huge, 1), None);
    }
}
