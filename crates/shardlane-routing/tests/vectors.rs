//! Published vectors and small worked examples.

use std::num::NonZeroU16;

use shardlane_routing::{
    HostId, KeyError, Murmur3Hasher, Partitioner, Sharder, SourcePortError, SourcePorts, Token,
    composite_key, composite_token, murmur3_token,
};

/// Hashes that Cassandra itself computes; drivers have passed them on to each other for years.
const MURMUR3: &[(&[u8], i64)] = &[
    (b"123", -7468325962851647638),
    (b"\xfe\xfe\xfe\xfe\xfe\xfe\xfe\xfe", -8927430733708461935),
    (b"\x10\x10\x10\x10\x10\x10\x10\x10", 1446172840243228796),
    (b"9223372036854775807", 7162290910810015547),
    (
        b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
        -5563837382979743776,
    ),
    (
        b"\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11",
        -1513403162740402161,
    ),
    (
        b"\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12",
        -495360443712684655,
    ),
    (
        b"\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13",
        1734091135765407943,
    ),
    (
        b"\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14",
        -3199412112042527988,
    ),
    (
        b"\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15",
        -6316563938475080831,
    ),
    (
        b"\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16",
        8228893370679682632,
    ),
    (&[0; 16], 5457549051747178710),
    (&[0xff; 16], -2824192546314762522),
    (&[0xfe; 16], -833317529301936754),
    (
        b"\x00\x01\x02\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        6463632673159404390,
    ),
    (&[0xfe; 17], -1672437813826982685),
    (&[0xfe; 4], 4566408979886474012),
    (&[0; 4], -3485513579396041028),
    (b"\x00\x01\x7f\x7f", 6573459401642635627),
    (b"\x00\xff\xff\xff", 123573637386978882),
    (b"\xff\x01\x02\x03", -2839127690952877842),
    (b"\xe2\xe7", -8582699461035929883),
    (b"\xe2\xe7\xe2\xe7\xe2\xe7\x01", 2222373981930033306),
    (b"", 0),
];

#[test]
fn murmur3_is_cassandras() {
    for &(key, hash) in MURMUR3 {
        assert_eq!(murmur3_token(key), Token(hash), "{key:02x?}");
        let mut hasher = Murmur3Hasher::new();
        for byte in key {
            hasher.write(&[*byte]);
        }
        assert_eq!(hasher.finish(), Token(hash), "byte by byte: {key:02x?}");
    }
    let long = [0x00, 0xff, 0x10, 0xfa, 0x99].repeat(10);
    assert_eq!(murmur3_token(&long), Token(5837342703291459765));
}

#[test]
fn composite_of_two_ints_has_the_servers_token() {
    let (a, b) = (143i32.to_be_bytes(), 234i32.to_be_bytes());
    let parts = || [&a[..], &b[..]].into_iter();
    let mut key = Vec::new();
    composite_key(parts(), &mut key).unwrap();
    assert_eq!(
        key,
        b"\x00\x04\x00\x00\x00\x8f\x00\x00\x04\x00\x00\x00\xea\x00"
    );
    // The value that ScyllaDB's own tests took over from Cassandra.
    let expected = Token(4958784316840156970);
    assert_eq!(murmur3_token(&key), expected);
    assert_eq!(composite_token(parts()), Ok(expected));
    assert_eq!(
        Partitioner::Murmur3.token_of_components(parts()),
        Ok(expected)
    );
}

#[test]
fn one_component_is_the_key_itself_at_any_length() {
    let long = vec![7; 70_000];
    let mut key = b"before".to_vec();
    composite_key([&long[..]].into_iter(), &mut key).unwrap();
    assert_eq!(key.len(), 6 + 70_000);
    assert_eq!(
        composite_token([&long[..]].into_iter()),
        Ok(murmur3_token(&long))
    );
}

#[test]
fn a_component_of_several_ends_at_65535_bytes() {
    let (short, limit, long) = (vec![1; 3], vec![2; 65_535], vec![3; 65_536]);
    let mut key = b"before".to_vec();
    composite_key([&short[..], &limit].into_iter(), &mut key).unwrap();
    assert_eq!(key.len(), 6 + (2 + 3 + 1) + (2 + 65_535 + 1));

    let mut key = b"before".to_vec();
    let error = KeyError::ComponentTooLong {
        index: 1,
        length: 65_536,
    };
    assert_eq!(
        composite_key([&short[..], &long].into_iter(), &mut key),
        Err(error)
    );
    assert_eq!(key, b"before", "an error leaves the buffer as it was");
    assert_eq!(composite_token([&short[..], &long].into_iter()), Err(error));
    assert!(
        error.to_string().contains("column 1 is 65536 bytes"),
        "{error}"
    );
}

#[test]
fn no_component_is_no_key() {
    assert_eq!(
        composite_key(std::iter::empty(), &mut Vec::new()),
        Err(KeyError::Empty)
    );
    assert_eq!(composite_token(std::iter::empty()), Err(KeyError::Empty));
}

#[test]
fn cdc_stream_id_carries_its_token() {
    let mut id = [0u8; 16];
    id[..8].copy_from_slice(&(-42i64).to_be_bytes());
    assert_eq!(Partitioner::Cdc.token(&id), Token(-42));
    assert_eq!(
        Partitioner::Cdc.token_of_components([&id[..]].into_iter()),
        Ok(Token(-42))
    );
    id[..8].copy_from_slice(&i64::MIN.to_be_bytes());
    assert_eq!(Partitioner::Cdc.token(&id), Token::MAX);
    for wrong in [&id[..0], &id[..8], &id[..15], &[0; 17]] {
        assert_eq!(
            Partitioner::Cdc.token(wrong),
            Token::MIN,
            "{} bytes",
            wrong.len()
        );
    }
}

#[test]
fn partitioners_are_known_by_class() {
    for partitioner in [Partitioner::Murmur3, Partitioner::Cdc] {
        assert_eq!(
            Partitioner::from_class(partitioner.class()),
            Some(partitioner)
        );
    }
    assert_eq!(
        Partitioner::from_class("Murmur3Partitioner"),
        Some(Partitioner::Murmur3)
    );
    assert_eq!(
        Partitioner::from_class("org.apache.cassandra.dht.RandomPartitioner"),
        None
    );
    assert_eq!(Partitioner::from_class(""), None);
    assert_eq!(Partitioner::default(), Partitioner::Murmur3);
}

fn sharder(nr_shards: u16, ignore_msb: u8) -> Sharder {
    Sharder::new(NonZeroU16::new(nr_shards).unwrap(), ignore_msb)
}

#[test]
fn shards_are_those_of_the_incumbent_driver() {
    let s = sharder(14, 12);
    for (token, shard) in [
        (i64::MIN, 0),
        (0, 0),
        (i64::MAX, 13),
        (-1, 13),
        (1234567890123456789, 1),
    ] {
        assert_eq!(s.shard_of(Token(token)), shard, "{token}");
    }
}

#[test]
fn extreme_sharders_stay_in_range() {
    assert_eq!(sharder(1, 0).shard_of(Token::MAX), 0);
    assert_eq!(sharder(65_535, 0).shard_of(Token::MAX), 65_534);
    assert_eq!(sharder(8, 63).shard_of(Token(1)), 4, "one bit decides");
    for ignore_msb in [64, 65, 255] {
        assert_eq!(
            sharder(8, ignore_msb).shard_of(Token::MAX),
            0,
            "no bit decides"
        );
    }
    assert_eq!(sharder(4, 12).shard_of_source_port(49_155), 3);
}

#[test]
fn source_ports_start_at_a_random_one_and_wrap_once() {
    let ports = |random| sharder(3, 12).source_ports(1, 10..=20, random).unwrap();
    assert_eq!(ports(0).collect::<Vec<_>>(), [10, 13, 16, 19]);
    assert_eq!(ports(2).collect::<Vec<_>>(), [16, 19, 10, 13]);
    assert_eq!(ports(7).collect::<Vec<_>>(), [19, 10, 13, 16]);
    let mut some = ports(u64::MAX);
    some.next();
    assert_eq!(some.len(), 3);
    assert_eq!(some.by_ref().count(), 3);
    assert_eq!(some.next(), None, "it stays at its end");
}

#[test]
fn source_ports_at_the_ends_of_the_port_space() {
    let one = NonZeroU16::new(1).unwrap();
    let all: Vec<u16> = SourcePorts::new(one, 0, 0..=65_535, 65_534)
        .unwrap()
        .collect();
    assert_eq!(all.len(), 65_535, "port 0 cannot be asked for");
    assert_eq!((all[0], all[1]), (65_535, 1));
    let most = NonZeroU16::new(65_535).unwrap();
    let last = SourcePorts::new(most, 65_534, 1..=65_535, 9).unwrap();
    assert_eq!(last.collect::<Vec<_>>(), [65_534]);
    let both = SourcePorts::new(most, 0, 0..=65_535, 1).unwrap();
    assert_eq!(both.collect::<Vec<_>>(), [65_535]);
}

#[test]
#[allow(clippy::reversed_empty_ranges)] // The point of the test.
fn source_ports_that_do_not_exist() {
    let four = NonZeroU16::new(4).unwrap();
    let new = |shard, range| SourcePorts::new(four, shard, range, 0).unwrap_err();
    assert_eq!(
        new(0, 20..=10),
        SourcePortError::EmptyRange { range: 20..=10 }
    );
    assert_eq!(
        new(4, 10..=20),
        SourcePortError::NoSuchShard {
            shard: 4,
            nr_shards: four
        }
    );
    let error = new(3, 4..=6);
    assert_eq!(
        error,
        SourcePortError::NoPortForShard {
            shard: 3,
            nr_shards: four,
            range: 4..=6
        }
    );
    assert_eq!(
        error.to_string(),
        "no local port in 4-6 reaches shard 3 of 4; widen the range"
    );
    assert_eq!(
        new(0, 0..=0),
        SourcePortError::NoPortForShard {
            shard: 0,
            nr_shards: four,
            range: 0..=0
        }
    );
}

#[test]
fn host_ids_convert_from_and_to_bytes() {
    let id = HostId::from([9; 16]);
    assert_eq!(<[u8; 16]>::from(id), *id.as_bytes());
    assert_eq!(
        format!("{id:?}"),
        "HostId(09090909-0909-0909-0909-090909090909)"
    );
}
