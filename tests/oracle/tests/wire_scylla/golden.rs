//! The captured responses of a real ScyllaDB mean the same to both.

use bytes::Bytes;
use scylla_cql::frame::protocol_features::ProtocolFeatures;
use scylla_cql::frame::response::event::{EventV2, StatusChangeEvent, TopologyChangeEvent};
use scylla_cql::frame::response::result::Result as TheirResult;
use scylla_cql::frame::response::{ResponseOpcode, ResponseV2};
use scylla_cql::frame::{Compression, parse_response_body_extensions};
use shardlane_wire::event::{StatusChangeKind, TopologyChangeKind};
use shardlane_wire::{
    Compression as OurCompression, Direction, Event, Flags, Response, ResponseEnvelope, ResultBody,
    SupportedOptions,
};

use crate::compare::{as_theirs, same_change, same_columns};
use crate::features;
use crate::session::{GoldenFrame, load_session};

fn check(frame: &GoldenFrame) {
    let (features, dialect) = features(false);
    let mut plain = Vec::new();
    if frame.header.has(Flags::COMPRESSION) {
        OurCompression::Lz4
            .decompress(&frame.body, 1 << 28, &mut plain)
            .unwrap();
    } else {
        plain.extend_from_slice(&frame.body);
    }
    let envelope = ResponseEnvelope::decode(&frame.header, &plain).unwrap();
    let ours = Response::decode(dialect, frame.header.opcode, envelope.body).unwrap();

    let body = Bytes::copy_from_slice(&frame.body);
    let compression = Some(Compression::Lz4);
    let theirs = parse_response_body_extensions(frame.header.flags, compression, body).unwrap();
    assert_eq!(
        theirs.trace_id.map(|id| id.into_bytes()),
        envelope.tracing_id
    );
    assert_eq!(theirs.warnings, envelope.warnings);
    assert_eq!(
        theirs
            .custom_payload
            .as_ref()
            .map_or(0, |payload| payload.len()),
        envelope.custom_payload.len()
    );
    for (key, value) in &envelope.custom_payload {
        assert_eq!(
            theirs.custom_payload.as_ref().unwrap()[*key],
            value.unwrap()
        );
    }
    let opcode = ResponseOpcode::try_from(frame.header.opcode.code()).unwrap();
    let theirs = ResponseV2::deserialize(&features, opcode, theirs.body, None).unwrap();
    assert_same(&ours, theirs);
}

fn assert_same(ours: &Response<'_>, theirs: ResponseV2) {
    match (ours, theirs) {
        (Response::Error(ours), ResponseV2::Error(theirs)) => {
            assert_eq!((*ours.message).to_owned(), theirs.reason);
            assert_eq!(as_theirs(ours), theirs.error);
        }
        (Response::Ready, ResponseV2::Ready) => {}
        (Response::Authenticate(ours), ResponseV2::Authenticate(theirs)) => {
            assert_eq!(*ours, theirs.authenticator_name);
        }
        (Response::AuthSuccess(ours), ResponseV2::AuthSuccess(theirs)) => {
            assert_eq!(*ours, theirs.success_message.as_deref());
        }
        (Response::Supported(ours), ResponseV2::Supported(theirs)) => {
            assert_eq!(ours.len(), theirs.options.len());
            for (key, values) in ours {
                assert_eq!(theirs.options[*key], *values);
            }
            let read = SupportedOptions::parse(ours).unwrap();
            let theirs = ProtocolFeatures::parse_from_supported(&theirs.options);
            assert_eq!(read.rate_limit_error, theirs.rate_limit_error);
            assert_eq!(read.lwt_mark, theirs.lwt_optimization_meta_bit_mask);
            assert_eq!(read.tablets_routing_v1, theirs.tablets_v1_supported);
            assert_eq!(read.tablets_routing_v2, theirs.tablets_v2_supported);
            assert_eq!(read.use_metadata_id, theirs.scylla_metadata_id_supported);
        }
        (Response::Event(ours), ResponseV2::Event(theirs)) => assert_same_event(ours, &theirs),
        (Response::Result(ours), ResponseV2::Result(theirs)) => assert_same_result(ours, theirs),
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

fn assert_same_event(ours: &Event, theirs: &EventV2) {
    let same = match (ours, theirs) {
        (Event::TopologyChange { change, address }, EventV2::TopologyChange(theirs)) => {
            match theirs {
                TopologyChangeEvent::NewNode(a) => {
                    (*change, address) == (TopologyChangeKind::New, a)
                }
                TopologyChangeEvent::RemovedNode(a) => {
                    (*change, address) == (TopologyChangeKind::Removed, a)
                }
            }
        }
        (Event::StatusChange { change, address }, EventV2::StatusChange(theirs)) => match theirs {
            StatusChangeEvent::Up(a) => (*change, address) == (StatusChangeKind::Up, a),
            StatusChangeEvent::Down(a) => (*change, address) == (StatusChangeKind::Down, a),
        },
        (Event::SchemaChange(ours), EventV2::SchemaChange(theirs)) => same_change(ours, theirs),
        _ => false,
    };
    assert!(same, "{ours:?} is not {theirs:?}");
}

fn assert_same_result(ours: &ResultBody<'_>, theirs: TheirResult) {
    match (ours, theirs) {
        (ResultBody::Void, TheirResult::Void) => {}
        (ResultBody::SetKeyspace(ours), TheirResult::SetKeyspace(theirs)) => {
            assert_eq!(*ours, theirs.keyspace_name);
        }
        (ResultBody::SchemaChange(ours), TheirResult::SchemaChange(theirs)) => {
            assert!(same_change(ours, &theirs.event));
        }
        (ResultBody::Rows(ours), TheirResult::Rows((raw, paging))) => {
            assert_eq!(paging.finished(), ours.metadata.paging_state.is_none());
            let read = raw.deserialize_metadata().unwrap();
            assert_eq!(read.rows_count(), ours.rows_count as usize);
            assert_eq!(&read.raw_rows()[..], ours.rows);
            let columns = ours.metadata.parse_columns().unwrap();
            assert!(same_columns(&columns, read.metadata().col_specs()));
        }
        (ResultBody::Prepared(ours), TheirResult::Prepared(theirs)) => {
            assert_eq!(ours.id, &theirs.id[..]);
            assert_eq!(ours.bind_flags, theirs.prepared_metadata.flags as u32);
            let columns = ours.parse_bind_columns().unwrap();
            assert!(same_columns(&columns, &theirs.prepared_metadata.col_specs));
            let mut indexes = theirs.prepared_metadata.pk_indexes;
            indexes.sort_by_key(|index| index.sequence);
            assert!(
                indexes
                    .iter()
                    .map(|index| index.index)
                    .eq(ours.pk_indexes.iter().copied())
            );
            let columns = ours.result_metadata.parse_columns().unwrap();
            assert!(same_columns(&columns, theirs.result_metadata.col_specs()));
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

#[test]
fn responses_of_all_sessions_mean_the_same_to_both() {
    let mut seen = 0;
    for name in [
        "types",
        "statements",
        "statements-lz4",
        "errors",
        "routing",
        "events",
        "auth",
    ] {
        for frame in load_session(name) {
            if frame.header.direction() == Direction::Response {
                check(&frame);
                seen += 1;
            }
        }
    }
    assert!(seen > 6_000, "{seen} responses");
}
