//! UUIDs, and the little generator behind `uuid()` and `now()`.

/// 100 ns intervals between the UUID epoch (1582-10-15) and the Unix epoch (RFC 4122, section 4.1.4).
const UUID_EPOCH_100NS: i64 = 0x01B2_1DD2_1381_4000;

/// The text form.
pub fn uuid_text(id: &[u8; 16]) -> String {
    shardlane_routing::HostId(*id).to_string()
}

/// Reads the text form.
pub(crate) fn uuid_from_text(text: &str) -> Option<[u8; 16]> {
    text.parse::<shardlane_routing::HostId>()
        .ok()
        .map(Into::into)
}

/// SplitMix64: a sequence of well-mixed numbers from a seed that the caller brings.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A version 4 UUID.
pub(crate) fn random_uuid(random: &mut SplitMix) -> [u8; 16] {
    let bits = u128::from(random.next()) << 64 | u128::from(random.next());
    let mut id = bits.to_be_bytes();
    id[6] = id[6] & 0x0F | 0x40;
    id[8] = id[8] & 0x3F | 0x80;
    id
}

/// A version 1 UUID for a time in microseconds; `low` is clock sequence and node.
pub(crate) fn time_uuid(us: i64, low: u64) -> [u8; 16] {
    time_uuid_100ns(
        us.wrapping_mul(10).wrapping_add(UUID_EPOCH_100NS),
        low & 0x3FFF_FFFF_FFFF_FFFF | 1 << 63,
    )
}

fn time_uuid_100ns(time: i64, low: u64) -> [u8; 16] {
    let time = time.cast_unsigned();
    let mut id = [0; 16];
    id[..4].copy_from_slice(&(time as u32).to_be_bytes());
    id[4..6].copy_from_slice(&((time >> 32) as u16).to_be_bytes());
    id[6..8].copy_from_slice(&((time >> 48) as u16 & 0x0FFF | 0x1000).to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

/// The least (or greatest) time UUID of a millisecond, in the order of `timeuuid` (its bytes are signed).
pub(crate) fn time_uuid_bound(millis: i64, greatest: bool) -> [u8; 16] {
    let base = millis.wrapping_mul(10_000).wrapping_add(UUID_EPOCH_100NS);
    if greatest {
        time_uuid_100ns(base.wrapping_add(9_999), 0x7F7F_7F7F_7F7F_7F7F)
    } else {
        time_uuid_100ns(base, 0x8080_8080_8080_8080)
    }
}

/// The 60-bit timestamp of a version 1 UUID.
pub(crate) fn time_uuid_ticks(id: &[u8]) -> Option<i64> {
    let id: &[u8; 16] = id.try_into().ok()?;
    let high = u64::from(u16::from_be_bytes([id[6], id[7]]) & 0x0FFF);
    let mid = u64::from(u16::from_be_bytes([id[4], id[5]]));
    let low = u64::from(u32::from_be_bytes([id[0], id[1], id[2], id[3]]));
    Some((high << 48 | mid << 32 | low).cast_signed())
}

/// The time of a version 1 UUID in milliseconds since the Unix epoch.
pub(crate) fn time_uuid_millis(id: &[u8]) -> Option<i64> {
    time_uuid_ticks(id).map(|ticks| (ticks - UUID_EPOCH_100NS).div_euclid(10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_times() {
        let id = time_uuid(1_700_000_000_123_456, 7);
        assert_eq!(id[6] >> 4, 1);
        assert_eq!(time_uuid_millis(&id), Some(1_700_000_000_123));
        assert_eq!(random_uuid(&mut SplitMix::new(1))[6] >> 4, 4);
        let text = "50554d6e-29bb-11e5-b345-feff819cdc9f";
        assert_eq!(uuid_text(&uuid_from_text(text).unwrap()), text);
        assert_eq!(time_uuid_millis(&time_uuid_bound(-5, true)), Some(-5));
    }
}
