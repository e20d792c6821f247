//! The two checksums of a segment: CRC24 of its header, CRC32 of its payload.

/// Start value and polynomial, chosen by the specification for headers of 3 and 5 bytes.
const CRC24_INIT: u32 = 0x0087_5060;
const CRC24_POLYNOMIAL: u32 = 0x0197_4F0B;

/// The CRC32 of the four bytes FA 2D 55 CA, which precede every payload in the computation.
const CRC32_INIT: u32 = 0x4477_7ED3;

const CRC24_TABLE: [u32; 256] = crc24_table();

const fn crc24_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 16;
        let mut bit = 0;
        while bit < 8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= CRC24_POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of the bytes of a header.
pub(super) fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(CRC24_INIT, |crc, byte| {
        let index = (crc >> 16) as u8 ^ byte;
        ((crc << 8) & 0x00FF_FFFF) ^ CRC24_TABLE[usize::from(index)]
    })
}

/// The checksum of a payload as it travels.
pub(super) fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(CRC32_INIT);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the specification words it: bit by bit.
    fn crc24_by_bits(bytes: &[u8]) -> u32 {
        let mut crc = CRC24_INIT;
        for byte in bytes {
            crc ^= u32::from(*byte) << 16;
            for _ in 0..8 {
                crc <<= 1;
                if crc & 0x0100_0000 != 0 {
                    crc ^= CRC24_POLYNOMIAL;
                }
            }
        }
        crc
    }

    #[test]
    fn the_table_gives_what_the_bits_give() {
        for n in 0..10_000_u32 {
            let bytes = n.wrapping_mul(0x9E37_79B9).to_le_bytes();
            for len in [0, 3] {
                assert_eq!(crc24(&bytes[..len]), crc24_by_bits(&bytes[..len]));
            }
            let five = [bytes[0], bytes[1], bytes[2], bytes[3], n as u8];
            assert_eq!(crc24(&five), crc24_by_bits(&five));
        }
    }

    #[test]
    fn the_payload_checksum_begins_with_four_bytes() {
        assert_eq!(CRC32_INIT, crc32fast::hash(&[0xFA, 0x2D, 0x55, 0xCA]));
        assert_eq!(
            crc32(b"abc"),
            crc32fast::hash(&[0xFA, 0x2D, 0x55, 0xCA, b'a', b'b', b'c'])
        );
    }
}
