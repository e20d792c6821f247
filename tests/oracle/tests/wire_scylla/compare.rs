//! Whether a value of theirs and one of ours mean the same.

use scylla_cql::frame::response::error::{DbError, OperationType};
use scylla_cql::frame::response::event::{SchemaChangeEvent, SchemaChangeType};
use scylla_cql::frame::response::result::{
    CollectionType, ColumnSpec as TheirSpec, ColumnType, NativeType,
};
use shardlane_wire::{
    ColumnSpec, CqlType, ErrorBody, ErrorDetail, RateLimitOp, SchemaChange, SchemaChangeKind,
    SchemaTarget,
};

fn same_native(ours: &CqlType, theirs: &NativeType) -> bool {
    matches!(
        (ours, theirs),
        (CqlType::Ascii, NativeType::Ascii)
            | (CqlType::BigInt, NativeType::BigInt)
            | (CqlType::Blob, NativeType::Blob)
            | (CqlType::Boolean, NativeType::Boolean)
            | (CqlType::Counter, NativeType::Counter)
            | (CqlType::Date, NativeType::Date)
            | (CqlType::Decimal, NativeType::Decimal)
            | (CqlType::Double, NativeType::Double)
            | (CqlType::Duration, NativeType::Duration)
            | (CqlType::Float, NativeType::Float)
            | (CqlType::Inet, NativeType::Inet)
            | (CqlType::Int, NativeType::Int)
            | (CqlType::SmallInt, NativeType::SmallInt)
            | (CqlType::Text, NativeType::Text)
            | (CqlType::Time, NativeType::Time)
            | (CqlType::TimeUuid, NativeType::Timeuuid)
            | (CqlType::Timestamp, NativeType::Timestamp)
            | (CqlType::TinyInt, NativeType::TinyInt)
            | (CqlType::Uuid, NativeType::Uuid)
            | (CqlType::VarInt, NativeType::Varint)
    )
}

pub(crate) fn same_type(ours: &CqlType, theirs: &ColumnType<'_>) -> bool {
    match (ours, theirs) {
        (ours, ColumnType::Native(native)) => same_native(ours, native),
        (
            CqlType::List(o),
            ColumnType::Collection {
                typ: CollectionType::List(t),
                ..
            },
        )
        | (
            CqlType::Set(o),
            ColumnType::Collection {
                typ: CollectionType::Set(t),
                ..
            },
        ) => same_type(o, t),
        (
            CqlType::Map(o),
            ColumnType::Collection {
                typ: CollectionType::Map(k, v),
                ..
            },
        ) => same_type(&o.0, k) && same_type(&o.1, v),
        (CqlType::Vector(o, n), ColumnType::Vector { typ, dimensions }) => {
            n == dimensions && same_type(o, typ)
        }
        (CqlType::Tuple(o), ColumnType::Tuple(t)) => {
            o.len() == t.len() && o.iter().zip(t).all(|(o, t)| same_type(o, t))
        }
        (CqlType::Udt(o), ColumnType::UserDefinedType { definition: t, .. }) => {
            *o.keyspace == *t.keyspace
                && *o.name == *t.name
                && o.fields.len() == t.field_types.len()
                && o.fields
                    .iter()
                    .zip(&t.field_types)
                    .all(|(o, t)| *o.0 == *t.0 && same_type(&o.1, &t.1))
        }
        _ => false,
    }
}

pub(crate) fn same_columns(ours: &[ColumnSpec], theirs: &[TheirSpec<'_>]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(o, t)| {
            *o.keyspace == *t.table_spec().ks_name()
                && *o.table == *t.table_spec().table_name()
                && *o.name == *t.name()
                && same_type(&o.cql_type, t.typ())
        })
}

pub(crate) fn same_change(ours: &SchemaChange, theirs: &SchemaChangeEvent) -> bool {
    let same_kind = |theirs: &SchemaChangeType| {
        matches!(
            (ours.kind, theirs),
            (SchemaChangeKind::Created, SchemaChangeType::Created)
                | (SchemaChangeKind::Updated, SchemaChangeType::Updated)
                | (SchemaChangeKind::Dropped, SchemaChangeType::Dropped)
        )
    };
    let same_keyspace = |theirs: &String| *ours.keyspace == **theirs;
    let same_types =
        |o: &[Box<str>], t: &[String]| o.iter().map(|s| &**s).eq(t.iter().map(String::as_str));
    match (&ours.target, theirs) {
        (
            SchemaTarget::Keyspace,
            SchemaChangeEvent::KeyspaceChange {
                change_type,
                keyspace_name,
            },
        ) => same_kind(change_type) && same_keyspace(keyspace_name),
        (
            SchemaTarget::Table(name),
            SchemaChangeEvent::TableChange {
                change_type,
                keyspace_name,
                object_name,
            },
        ) => same_kind(change_type) && same_keyspace(keyspace_name) && **name == **object_name,
        (
            SchemaTarget::Type(name),
            SchemaChangeEvent::TypeChange {
                change_type,
                keyspace_name,
                type_name,
            },
        ) => same_kind(change_type) && same_keyspace(keyspace_name) && **name == **type_name,
        (
            SchemaTarget::Function {
                name,
                argument_types,
            },
            SchemaChangeEvent::FunctionChange {
                change_type,
                keyspace_name,
                function_name: their_name,
                arguments,
            },
        )
        | (
            SchemaTarget::Aggregate {
                name,
                argument_types,
            },
            SchemaChangeEvent::AggregateChange {
                change_type,
                keyspace_name,
                aggregate_name: their_name,
                arguments,
            },
        ) => {
            same_kind(change_type)
                && same_keyspace(keyspace_name)
                && **name == **their_name
                && same_types(argument_types, arguments)
        }
        _ => false,
    }
}

/// What their parser should make of an error of ours. They do not know 0x1600 and 0x1700.
pub(crate) fn as_theirs(error: &ErrorBody) -> DbError {
    use ErrorDetail as Ours;
    let level =
        |level: shardlane_wire::Consistency| level.code().try_into().expect("known to both");
    let owned = |list: &[Box<str>]| list.iter().map(|s| s.to_string()).collect();
    match &error.detail {
        Ours::ServerError => DbError::ServerError,
        Ours::ProtocolError => DbError::ProtocolError,
        Ours::AuthenticationError => DbError::AuthenticationError,
        Ours::Overloaded => DbError::Overloaded,
        Ours::IsBootstrapping => DbError::IsBootstrapping,
        Ours::TruncateError => DbError::TruncateError,
        Ours::SyntaxError => DbError::SyntaxError,
        Ours::Unauthorized => DbError::Unauthorized,
        Ours::Invalid => DbError::Invalid,
        Ours::ConfigError => DbError::ConfigError,
        &Ours::Unavailable {
            consistency,
            required,
            alive,
        } => DbError::Unavailable {
            consistency: level(consistency),
            required,
            alive,
        },
        Ours::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type,
            ..
        } => DbError::WriteTimeout {
            consistency: level(*consistency),
            received: *received,
            required: *block_for,
            write_type: write_type.as_str().into(),
        },
        &Ours::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present,
        } => DbError::ReadTimeout {
            consistency: level(consistency),
            received,
            required: block_for,
            data_present,
        },
        Ours::ReadFailure {
            consistency,
            received,
            block_for,
            failures,
            data_present,
        } => DbError::ReadFailure {
            consistency: level(*consistency),
            received: *received,
            required: *block_for,
            numfailures: failures.count,
            data_present: *data_present,
        },
        Ours::WriteFailure {
            consistency,
            received,
            block_for,
            failures,
            write_type,
        } => DbError::WriteFailure {
            consistency: level(*consistency),
            received: *received,
            required: *block_for,
            numfailures: failures.count,
            write_type: write_type.as_str().into(),
        },
        Ours::FunctionFailure {
            keyspace,
            function,
            argument_types,
        } => DbError::FunctionFailure {
            keyspace: keyspace.to_string(),
            function: function.to_string(),
            arg_types: owned(argument_types),
        },
        Ours::AlreadyExists { keyspace, table } => DbError::AlreadyExists {
            keyspace: keyspace.to_string(),
            table: table.to_string(),
        },
        Ours::Unprepared { id } => DbError::Unprepared {
            statement_id: id.to_vec().into(),
        },
        Ours::RateLimitReached {
            operation,
            rejected_by_coordinator,
            ..
        } => DbError::RateLimitReached {
            op_type: match operation {
                RateLimitOp::Read => OperationType::Read,
                RateLimitOp::Write => OperationType::Write,
                RateLimitOp::Other(code) => OperationType::Other(*code),
            },
            rejected_by_coordinator: *rejected_by_coordinator,
        },
        other => DbError::Other(other.code()),
    }
}
