//! Scalar functions.

use shardlane_wire::CqlType;

use crate::engine::error::CqlError;
use crate::engine::value::{
    Bytes, Decimal, SplitMix, int_from_bytes, is_valid, json_value, parse_json, random_uuid,
    time_uuid, time_uuid_bound, time_uuid_millis, to_json, to_text,
};

const DAY_MS: i64 = 86_400_000;

/// A function of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ScalarFn {
    Now,
    Uuid,
    CurrentTimestamp,
    CurrentDate,
    CurrentTime,
    /// From a timeuuid, timestamp or date.
    ToTimestamp(CqlType),
    ToDate(CqlType),
    ToUnixTimestamp(CqlType),
    MinTimeUuid,
    MaxTimeUuid,
    /// `blobAsX`: checks.
    FromBlob(CqlType),
    /// `xAsBlob`: changes nothing.
    AsBlob,
    ToJson(CqlType),
    FromJson(CqlType),
    /// Token of the partition key's components.
    Token,
    /// CAST.
    Convert(CqlType, CqlType),
}

impl ScalarFn {
    /// Finds a function by name. `arguments` are the types of the arguments where they are known; `wanted` is the
    /// receiver's type. Gives the function, the types it takes and the one it returns.
    pub(crate) fn find(
        name: &str,
        arguments: &[Option<CqlType>],
        wanted: Option<&CqlType>,
    ) -> Result<Option<(Self, Vec<CqlType>, CqlType)>, CqlError> {
        let first = || arguments.first().cloned().flatten();
        let time_source = || match first() {
            None | Some(CqlType::TimeUuid) => Ok(CqlType::TimeUuid),
            Some(ty @ (CqlType::Timestamp | CqlType::Date)) => Ok(ty),
            Some(ty) => Err(CqlError::invalid(format!(
                "Type error: argument of {name} cannot be of type {ty}"
            ))),
        };
        let found = match name {
            "now" | "currenttimeuuid" => (Self::Now, vec![], CqlType::TimeUuid),
            "uuid" => (Self::Uuid, vec![], CqlType::Uuid),
            "currenttimestamp" => (Self::CurrentTimestamp, vec![], CqlType::Timestamp),
            "currentdate" => (Self::CurrentDate, vec![], CqlType::Date),
            "currenttime" => (Self::CurrentTime, vec![], CqlType::Time),
            "totimestamp" | "dateof" => {
                let source = time_source()?;
                (
                    Self::ToTimestamp(source.clone()),
                    vec![source],
                    CqlType::Timestamp,
                )
            }
            "todate" => {
                let source = time_source()?;
                (Self::ToDate(source.clone()), vec![source], CqlType::Date)
            }
            "tounixtimestamp" | "unixtimestampof" => {
                let source = time_source()?;
                (
                    Self::ToUnixTimestamp(source.clone()),
                    vec![source],
                    CqlType::BigInt,
                )
            }
            "mintimeuuid" => (
                Self::MinTimeUuid,
                vec![CqlType::Timestamp],
                CqlType::TimeUuid,
            ),
            "maxtimeuuid" => (
                Self::MaxTimeUuid,
                vec![CqlType::Timestamp],
                CqlType::TimeUuid,
            ),
            "tojson" => {
                let ty = first().ok_or_else(|| {
                    CqlError::invalid("toJson() needs an argument of a known type")
                })?;
                (Self::ToJson(ty.clone()), vec![ty], CqlType::Text)
            }
            "fromjson" => {
                let ty = wanted.ok_or_else(|| CqlError::invalid("fromJson() needs a receiver"))?;
                (Self::FromJson(ty.clone()), vec![CqlType::Text], ty.clone())
            }
            _ => {
                if let Some(ty) = name
                    .strip_prefix("blobas")
                    .and_then(CqlType::from_simple_name)
                {
                    (Self::FromBlob(ty.clone()), vec![CqlType::Blob], ty)
                } else if let Some(ty) = name
                    .strip_suffix("asblob")
                    .and_then(CqlType::from_simple_name)
                {
                    (Self::AsBlob, vec![ty], CqlType::Blob)
                } else {
                    return Ok(None);
                }
            }
        };
        if found.1.len() != arguments.len() {
            return Err(CqlError::invalid(format!(
                "Invalid number of arguments in call to function {name}: {} required but {} provided",
                found.1.len(),
                arguments.len()
            )));
        }
        Ok(Some(found))
    }

    /// Calls it. A null argument gives null.
    pub(crate) fn call(
        &self,
        arguments: &[Option<Bytes>],
        now_us: i64,
        random: &mut SplitMix,
    ) -> Result<Option<Bytes>, CqlError> {
        let argument = arguments.first().and_then(Option::as_deref);
        let now_ms = now_us.div_euclid(1000);
        let bigint = |n: i64| Some(Bytes::from(&n.to_be_bytes()[..]));
        let date = |ms: i64| {
            Some(Bytes::from(
                &((ms.div_euclid(DAY_MS) + (1 << 31)) as u32).to_be_bytes()[..],
            ))
        };
        Ok(match self {
            Self::Now => Some(Bytes::from(&time_uuid(now_us, random.next())[..])),
            Self::Uuid => Some(Bytes::from(&random_uuid(random)[..])),
            Self::CurrentTimestamp => bigint(now_ms),
            Self::CurrentDate => date(now_ms),
            Self::CurrentTime => bigint(now_us.rem_euclid(DAY_MS * 1000) * 1000),
            Self::ToTimestamp(from) | Self::ToUnixTimestamp(from) => {
                argument.and_then(|v| millis(from, v)).and_then(bigint)
            }
            Self::ToDate(from) => argument.and_then(|v| millis(from, v)).and_then(date),
            Self::MinTimeUuid | Self::MaxTimeUuid => argument
                .and_then(int_from_bytes)
                .map(|ms| Bytes::from(&time_uuid_bound(ms, *self == Self::MaxTimeUuid)[..])),
            Self::FromBlob(ty) => match arguments.first().cloned().flatten() {
                Some(bytes) if !is_valid(ty, &bytes) => {
                    return Err(CqlError::invalid(format!(
                        "In call to function system.blobas{ty}, value 0x{} is not a valid binary representation for type {ty}",
                        bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
                    )));
                }
                bytes => bytes,
            },
            Self::AsBlob => arguments.first().cloned().flatten(),
            Self::ToJson(ty) => Some(to_json(ty, argument).into_bytes().into()),
            Self::FromJson(ty) => match argument {
                Some(text) => {
                    let text = std::str::from_utf8(text)
                        .map_err(|_| CqlError::invalid("fromJson(): not UTF-8"))?;
                    json_value(ty, &parse_json(text)?, "fromjson")?.map(Bytes::from)
                }
                None => None,
            },
            Self::Token => {
                let parts: Option<Vec<&[u8]>> = arguments.iter().map(Option::as_deref).collect();
                parts.and_then(|parts| bigint(super::key::token_of(&parts).0))
            }
            Self::Convert(from, to) => argument.and_then(|value| convert(from, to, value)),
        })
    }
}

fn millis(from: &CqlType, bytes: &[u8]) -> Option<i64> {
    match from {
        CqlType::TimeUuid => time_uuid_millis(bytes),
        CqlType::Date => {
            Some((i64::from(u32::from_be_bytes(bytes.try_into().ok()?)) - (1 << 31)) * DAY_MS)
        }
        _ => int_from_bytes(bytes),
    }
}

/// Whether CAST can go from one type to the other.
pub(crate) fn can_convert(from: &CqlType, to: &CqlType) -> bool {
    use CqlType::{Ascii, Date, Decimal, Double, Float, Text, TimeUuid, Timestamp};
    let numeric = |ty: &CqlType| is_integer(ty) || matches!(ty, Float | Double | Decimal);
    from == to
        || (numeric(from) && numeric(to) && *to != CqlType::Counter)
        || (matches!(to, Text | Ascii)
            && CqlType::simple_name(from).is_some()
            && !matches!(from, CqlType::Blob))
        || matches!(
            (from, to),
            (TimeUuid, Timestamp | Date) | (Timestamp, Date) | (Date, Timestamp)
        )
}

pub(crate) const fn is_integer(ty: &CqlType) -> bool {
    matches!(
        ty,
        CqlType::TinyInt
            | CqlType::SmallInt
            | CqlType::Int
            | CqlType::BigInt
            | CqlType::Counter
            | CqlType::VarInt
    )
}

fn convert(from: &CqlType, to: &CqlType, bytes: &[u8]) -> Option<Bytes> {
    if from == to {
        return Some(bytes.into());
    }
    match to {
        CqlType::Text | CqlType::Ascii => to_text(from, bytes).map(|text| text.into_bytes().into()),
        CqlType::Timestamp => millis(from, bytes).map(|ms| Bytes::from(&ms.to_be_bytes()[..])),
        CqlType::Date => millis(from, bytes)
            .map(|ms| Bytes::from(&((ms.div_euclid(DAY_MS) + (1 << 31)) as u32).to_be_bytes()[..])),
        _ => number_as(to, &to_text(from, bytes)?),
    }
}

/// A number's text as a value of a numeric type; fractions are cut and integers wrap, as in a C cast.
pub(crate) fn number_as(to: &CqlType, text: &str) -> Option<Bytes> {
    use crate::engine::value::{BigInt, decimal_from_text};
    let whole = || {
        let decimal = decimal_from_text(text)?;
        let digits = decimal.unscaled.digits();
        let sign = if decimal.unscaled.negative { "-" } else { "" };
        let cut = match usize::try_from(decimal.scale) {
            Ok(scale) if scale >= digits.len() => "0".to_owned(),
            Ok(scale) => digits[..digits.len() - scale].to_owned(),
            Err(_) => digits + &"0".repeat(decimal.scale.unsigned_abs().min(400) as usize),
        };
        BigInt::parse(&format!("{sign}{cut}"))
    };
    // the low bytes of the two's complement
    let wrapped = |len: usize| {
        let big = whole()?;
        let bytes = big.to_bytes();
        let mut out = vec![if big.negative { 0xFF } else { 0 }; len];
        let kept = bytes.len().min(len);
        out[len - kept..].copy_from_slice(&bytes[bytes.len() - kept..]);
        Some(out)
    };
    let out = match to {
        CqlType::TinyInt => wrapped(1)?,
        CqlType::SmallInt => wrapped(2)?,
        CqlType::Int => wrapped(4)?,
        CqlType::BigInt => wrapped(8)?,
        CqlType::VarInt => whole()?.to_bytes(),
        CqlType::Float => text.parse::<f32>().ok()?.to_be_bytes().to_vec(),
        CqlType::Double => text.parse::<f64>().ok()?.to_be_bytes().to_vec(),
        CqlType::Decimal => {
            let Decimal { unscaled, scale } = decimal_from_text(text)?;
            Decimal { unscaled, scale }.to_bytes()
        }
        _ => return None,
    };
    Some(out.into())
}
