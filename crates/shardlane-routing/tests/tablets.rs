//! The tablet map and the tablet payload.

use proptest::prelude::*;
use shardlane_routing::tablets::payload::{self, PayloadError};
use shardlane_routing::{
    HostId, Tablet, TabletError, TabletMap, TabletReplica, TabletVersion, Token,
};

const A: HostId = HostId([0xa; 16]);
const B: HostId = HostId([0xb; 16]);

fn tablet(first: i64, last: i64, replicas: &[(HostId, u16)]) -> Tablet {
    Tablet::new(Token(first), Token(last), replicas.to_vec()).unwrap()
}

/// A tablet as bytes, written out by hand.
fn sample() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend([0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    bytes.extend([0, 0, 0, 68, 0, 0, 0, 2]);
    bytes.extend([0, 0, 0, 28, 0, 0, 0, 16].into_iter().chain([0xa; 16]));
    bytes.extend([0, 0, 0, 4, 0, 0, 0, 7]);
    bytes.extend([0, 0, 0, 28, 0, 0, 0, 16].into_iter().chain([0xb; 16]));
    bytes.extend([0, 0, 0, 4, 0, 0, 0xff, 0xff]);
    bytes
}

#[test]
fn payload_goes_both_ways() {
    let parsed = payload::parse(&sample()).unwrap();
    assert_eq!(parsed, tablet(i64::MIN, -2, &[(A, 7), (B, 65_535)]));
    let mut encoded = b"before".to_vec();
    payload::encode(&parsed, &mut encoded);
    assert_eq!(encoded.strip_prefix(b"before").unwrap(), sample());
}

#[test]
fn a_version_follows_the_replicas() {
    let mut bytes = sample();
    bytes.extend([0, 0, 0, 8, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10]);
    let parsed = payload::parse_v2(&bytes).unwrap();
    let version = TabletVersion(0xfedc_ba98_7654_3210);
    let expected = tablet(i64::MIN, -2, &[(A, 7), (B, 65_535)]).with_version(Some(version));
    assert_eq!(parsed, expected);
    let mut encoded = Vec::new();
    payload::encode_v2(&parsed, &mut encoded);
    assert_eq!(encoded, bytes);
    assert_eq!(
        payload::parse(&bytes).unwrap_err(),
        PayloadError::TrailingBytes("tablet", 12)
    );
    for length in 0..bytes.len() {
        assert!(
            payload::parse_v2(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn every_truncation_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(payload::parse(&whole[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn each_malformation_has_its_error() {
    let changed = |at: usize, bytes: &[u8]| {
        let mut value = sample();
        value[at..at + bytes.len()].copy_from_slice(bytes);
        payload::parse(&value).unwrap_err()
    };
    let minus_one = [0xff; 4];
    let wrong = |field, length| PayloadError::WrongLength { field, length };
    assert_eq!(
        payload::parse(&[]).unwrap_err(),
        PayloadError::Truncated("first token")
    );
    assert_eq!(changed(0, &minus_one), wrong("first token", -1));
    assert_eq!(changed(12, &[0, 0, 0, 7]), wrong("last token", 7));
    assert_eq!(changed(24, &minus_one), wrong("replica list", -1));
    assert_eq!(
        changed(24, &[0x7f, 0xff, 0xff, 0xff]),
        PayloadError::Truncated("replica list")
    );
    assert_eq!(
        changed(28, &[0, 0, 0, 1]),
        PayloadError::TrailingBytes("replica list", 32)
    );
    assert_eq!(changed(28, &[0, 0, 0, 3]), PayloadError::ReplicaCount(3));
    assert_eq!(changed(28, &minus_one), PayloadError::ReplicaCount(-1));
    let most = [0x7f, 0xff, 0xff, 0xff];
    assert_eq!(
        changed(28, &most),
        PayloadError::ReplicaCount(i32::MAX),
        "nothing is allocated"
    );
    assert_eq!(changed(36, &[0, 0, 0, 15]), wrong("host id", 15));
    assert_eq!(changed(56, &[0, 0, 0, 8]), wrong("shard", 8));
    assert_eq!(changed(60, &minus_one), PayloadError::Shard(-1));
    assert_eq!(changed(60, &[0, 1, 0, 0]), PayloadError::Shard(65_536));
    let (first, last) = (Token(i64::MIN), Token(i64::MIN));
    let range = PayloadError::Range(TabletError { first, last });
    assert_eq!(changed(16, &i64::MIN.to_be_bytes()), range);
    let mut longer_replica = sample();
    longer_replica.push(0);
    longer_replica[27] += 1; // the list
    longer_replica[67] += 1; // its second replica
    assert_eq!(
        payload::parse(&longer_replica).unwrap_err(),
        PayloadError::TrailingBytes("replica", 1)
    );
    let mut longer = sample();
    longer.push(0);
    assert_eq!(
        payload::parse(&longer).unwrap_err(),
        PayloadError::TrailingBytes("tablet", 1)
    );
}

#[test]
fn a_range_without_tokens_is_no_tablet() {
    assert!(Tablet::new(Token(5), Token(5), Vec::<TabletReplica>::new()).is_err());
    assert!(Tablet::new(Token(6), Token(5), Vec::<TabletReplica>::new()).is_err());
    assert!(Tablet::new(Token(5), Token(6), Vec::<TabletReplica>::new()).is_ok());
}

#[test]
fn ranges_are_open_below_and_closed_above() {
    let map: TabletMap = [tablet(0, 10, &[(A, 1)]), tablet(10, 20, &[(B, 2)])]
        .into_iter()
        .collect();
    let shard = |token| map.lookup(Token(token)).map(|found| found.replicas()[0].1);
    assert_eq!(shard(0), None);
    assert_eq!(shard(1), Some(1));
    assert_eq!(shard(10), Some(1));
    assert_eq!(shard(11), Some(2));
    assert_eq!(shard(20), Some(2));
    assert_eq!(shard(21), None);
    assert_eq!(TabletMap::<TabletReplica>::new().lookup(Token(0)), None);
}

#[test]
fn the_outermost_tablets_reach_the_ends_of_the_ring() {
    let all = tablet(i64::MIN, i64::MAX, &[(A, 0)]);
    let map: TabletMap = [all.clone()].into_iter().collect();
    assert_eq!(map.lookup(Token(i64::MIN + 1)), Some(&all));
    assert_eq!(map.lookup(Token::MAX), Some(&all));
    assert_eq!(map.lookup(Token::MIN), None, "no partition has this token");
}

#[test]
fn a_tablet_replaces_all_it_overlaps() {
    let mut map: TabletMap = (0..4)
        .map(|i| tablet(i * 10, i * 10 + 10, &[(A, i as u16)]))
        .collect();
    assert_eq!(map.len(), 4);
    // A merge, the very same again, a move, and a split.
    assert!(map.insert(tablet(10, 30, &[(A, 9)])));
    assert!(!map.insert(tablet(10, 30, &[(A, 9)])));
    assert!(map.insert(tablet(10, 30, &[(B, 9)])));
    assert_eq!(map.len(), 3);
    assert!(map.insert(tablet(10, 20, &[(B, 9)])));
    assert_eq!(
        map.lookup(Token(25)),
        None,
        "the other half is not known yet"
    );
    let ranges: Vec<_> = map.iter().map(|t| (t.first().0, t.last().0)).collect();
    assert_eq!(ranges, [(0, 10), (10, 20), (30, 40)]);
}

#[test]
fn a_node_that_leaves_takes_its_tablets_along() {
    let mut map: TabletMap = [
        tablet(0, 10, &[(A, 1), (B, 1)]),
        tablet(10, 20, &[(B, 2)]),
        tablet(20, 30, &[(A, 3)]),
    ]
    .into_iter()
    .collect();
    assert_eq!(map.remove_host(B), 2);
    assert_eq!(map.len(), 1);
    assert_eq!(map.lookup(Token(30)).and_then(|t| t.shard_on(A)), Some(3));
    assert_eq!(map.lookup(Token(30)).and_then(|t| t.shard_on(B)), None);
    map.clear();
    assert!(map.is_empty());
}

proptest! {
    #[test]
    fn any_tablet_survives_the_payload(
        ends in any::<[i64; 2]>(),
        replicas in prop::collection::vec((any::<[u8; 16]>(), any::<u16>()), 0..6),
    ) {
        let (first, last) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        prop_assume!(first < last);
        let replicas: Vec<_> = replicas.into_iter().map(|(id, shard)| (HostId(id), shard)).collect();
        let tablet = tablet(first, last, &replicas);
        let mut bytes = Vec::new();
        payload::encode(&tablet, &mut bytes);
        prop_assert_eq!(payload::parse(&bytes), Ok(tablet));
    }

    #[test]
    fn damaged_payloads_never_panic_and_never_change_silently(
        damage in prop::collection::vec((0usize..100, any::<u8>()), 1..5),
    ) {
        let mut bytes = sample();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        // The format has one way to write each tablet, so what can be read is written the same.
        if let Ok(tablet) = payload::parse(&bytes) {
            let mut again = Vec::new();
            payload::encode(&tablet, &mut again);
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(tablet) = payload::parse(&bytes) {
            prop_assert!(tablet.first() < tablet.last());
        }
    }

    /// Against a model that has one cell per token.
    #[test]
    fn the_map_agrees_with_a_cell_per_token(
        inserts in prop::collection::vec((-20i64..20, 1i64..15, 0u16..3), 0..40),
    ) {
        let mut map = TabletMap::<TabletReplica>::new();
        let mut cells: Vec<Option<(i64, i64, u16)>> = vec![None; 80];
        let cell = |token: i64| (token + 30) as usize;
        for (first, length, shard) in inserts {
            let last = first + length;
            let covered: Vec<_> = (first + 1..=last).filter_map(|t| cells[cell(t)]).collect();
            for old in &mut cells {
                if old.is_some_and(|old| covered.contains(&old)) {
                    *old = None;
                }
            }
            (first + 1..=last).for_each(|t| cells[cell(t)] = Some((first, last, shard)));
            let known = covered.contains(&(first, last, shard));
            prop_assert_eq!(map.insert(tablet(first, last, &[(A, shard)])), !known);
        }
        for token in -29i64..45 {
            let found = map.lookup(Token(token));
            let found = found.map(|t| (t.first().0, t.last().0, t.replicas()[0].1));
            prop_assert_eq!(found, cells[cell(token)], "token {}", token);
        }
        let lasts: Vec<_> = map.iter().map(Tablet::last).collect();
        prop_assert!(lasts.is_sorted());
    }
}
