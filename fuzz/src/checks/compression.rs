//! Compressed bodies: refused within the limits, or unpacked; and what we pack unpacks.

use shardlane_wire::Compression;

use super::Depth;

/// The limit on unpacked bodies, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// Unpacks `data`, and packs and unpacks it.
pub fn check_compression(data: &[u8]) -> Depth {
    let mut depth = Depth::default();
    for algorithm in [Compression::Lz4, Compression::Snappy] {
        let mut out = vec![7];
        match algorithm.decompress(data, MAX_LEN, &mut out) {
            Ok(()) => {
                assert!(out.len() - 1 <= MAX_LEN);
                depth.messages += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert_eq!(out, [7], "an error leaves nothing behind");
                depth.refused += 1;
            }
        }
        let (mut packed, mut plain) = (Vec::new(), Vec::new());
        algorithm.compress(data, &mut packed).expect("short");
        algorithm
            .decompress(&packed, data.len(), &mut plain)
            .expect("our own");
        assert_eq!(plain, data);
    }
    depth
}
