//! A request laid out for one dialect, laid out for another.

use std::fmt;

use super::{Request, RequestEnvelope};
use crate::dialect::Dialect;
use crate::frame::{FrameHeader, Opcode};
use crate::wire_error::{EncodeError, WireError};

/// Why a request cannot be laid out for another dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TranscodeError {
    /// The body is none of the dialect that it is said to be of.
    Decode(WireError),
    /// It says something that the other dialect has no words for.
    Encode(EncodeError),
}

impl fmt::Display for TranscodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TranscodeError {}

impl Request<'_> {
    /// Lays out the frame body of a request, which `flags` of the header describe, for `to`.
    ///
    /// `keyspace`: the one for unqualified names, for a dialect whose requests name it themselves.
    /// Where `to` has no result metadata ids, nothing would tell the client that the result metadata
    /// it holds is out of date: then it is not left out.
    pub fn transcode(
        opcode: Opcode,
        flags: u8,
        body: &[u8],
        from: Dialect,
        to: Dialect,
        keyspace: Option<&str>,
    ) -> Result<Vec<u8>, TranscodeError> {
        let header = FrameHeader {
            flags,
            ..FrameHeader::request(from.version, 0, opcode)
        };
        let envelope = RequestEnvelope::decode(&header, body).map_err(TranscodeError::Decode)?;
        let mut request =
            Request::decode(from, opcode, envelope.body).map_err(TranscodeError::Decode)?;
        if to.has_wide_flags() {
            match &mut request {
                Request::Query(query) => query.params.keyspace = query.params.keyspace.or(keyspace),
                Request::Prepare(prepare) => prepare.keyspace = prepare.keyspace.or(keyspace),
                Request::Batch(batch) => batch.keyspace = batch.keyspace.or(keyspace),
                _ => {}
            }
        }
        if let Request::Execute(execute) = &mut request
            && !to.has_metadata_id()
        {
            execute.params.skip_metadata = false;
        }
        let mut out = Vec::with_capacity(body.len() + 16);
        envelope
            .encode_prefix(to, &mut out)
            .and_then(|()| request.encode(to, &mut out))
            .map_err(TranscodeError::Encode)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Flags, Version};
    use crate::request::{BoundValues, Execute, Query, QueryParams};
    use crate::{Consistency, Value};

    const V5: Dialect = Dialect::new(Version::V5);
    const WITH_ID: Dialect = Dialect {
        metadata_id: true,
        ..Dialect::V4
    };

    fn encoded(request: &Request<'_>, dialect: Dialect) -> (u8, Vec<u8>) {
        let envelope = RequestEnvelope {
            custom_payload: vec![("a", Some(b"b"))],
            ..RequestEnvelope::default()
        };
        let mut body = Vec::new();
        envelope.encode_prefix(dialect, &mut body).unwrap();
        request.encode(dialect, &mut body).unwrap();
        (envelope.flags(), body)
    }

    #[test]
    fn execute_gains_and_loses_its_metadata_id() {
        let values = [0, 0, 0, 1, 7];
        let execute = |result_metadata_id, skip_metadata| {
            Request::Execute(Execute {
                tablet_block: None,
                id: b"id",
                result_metadata_id,
                params: QueryParams {
                    values: BoundValues::positional(1, &values),
                    skip_metadata,
                    page_size: Some(10),
                    ..QueryParams::new(Consistency::One)
                },
            })
        };
        let (flags, with_id) = encoded(&execute(Some(b"meta"), true), WITH_ID);
        assert_eq!(flags, Flags::CUSTOM_PAYLOAD);
        let turned = |body: &[u8], from, to| {
            Request::transcode(Opcode::Execute, flags, body, from, to, None).unwrap()
        };
        assert_eq!(
            turned(&with_id, WITH_ID, Dialect::V4),
            encoded(&execute(None, false), Dialect::V4).1
        );
        let (_, plain) = encoded(&execute(None, false), Dialect::V4);
        assert_eq!(
            turned(&plain, Dialect::V4, WITH_ID),
            encoded(&execute(Some(b""), false), WITH_ID).1
        );
        assert_eq!(
            turned(&with_id, WITH_ID, V5),
            encoded(&execute(Some(b"meta"), true), V5).1
        );
        let read = execute(Some(b"meta"), true);
        let Request::Execute(read) = read else {
            unreachable!()
        };
        assert_eq!(
            read.params.values.iter().next(),
            Some(Ok((None, Value::Bytes(&[7]))))
        );
    }

    #[test]
    fn the_keyspace_goes_into_requests_that_can_name_it() {
        let query = |keyspace| {
            Request::Query(Query {
                text: "SELECT",
                params: QueryParams {
                    keyspace,
                    ..QueryParams::new(Consistency::One)
                },
            })
        };
        let (flags, plain) = encoded(&query(None), Dialect::V4);
        let turn = |from, to, body: &[u8]| {
            Request::transcode(Opcode::Query, flags, body, from, to, Some("ks"))
        };
        let (_, named) = encoded(&query(Some("ks")), V5);
        assert_eq!(turn(Dialect::V4, V5, &plain), Ok(named.clone()));
        // v4 has no place for it: the connection's keyspace would have to be changed.
        assert!(matches!(
            turn(V5, Dialect::V4, &named),
            Err(TranscodeError::Encode(_))
        ));
        assert!(matches!(
            turn(Dialect::V4, V5, &plain[..plain.len() - 1]),
            Err(TranscodeError::Decode(_))
        ));
    }
}
