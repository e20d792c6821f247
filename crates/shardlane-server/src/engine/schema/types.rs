//! Declared types resolved against a keyspace, and written out again.

use shardlane_wire::CqlType;

use super::Keyspace;
use crate::cql::ast::TypeAst;
use crate::engine::error::CqlError;

/// The type, and whether a column of it has a cell per element.
pub(crate) fn resolve_type(
    keyspace: &Keyspace,
    ast: &TypeAst,
) -> Result<(CqlType, bool), CqlError> {
    match ast {
        TypeAst::Frozen(inner) => {
            let ty = resolve_frozen(keyspace, inner)?;
            if CqlType::simple_name(&ty).is_some() {
                return Err(CqlError::invalid(
                    "frozen<> is only allowed on collections, tuples, and user-defined types (got "
                        .to_owned()
                        + &type_text(inner)
                        + ")",
                ));
            }
            Ok((ty, false))
        }
        TypeAst::List(_) | TypeAst::Set(_) | TypeAst::Map(..) => {
            for inner in parameters(ast) {
                expect_frozen_inside(keyspace, inner, ast)?;
            }
            Ok((resolve_frozen(keyspace, ast)?, true))
        }
        TypeAst::Named(..) => {
            let ty = resolve_frozen(keyspace, ast)?;
            let multi_cell = matches!(ty, CqlType::Udt(_));
            Ok((ty, multi_cell))
        }
        _ => Ok((resolve_frozen(keyspace, ast)?, false)),
    }
}

fn parameters(ast: &TypeAst) -> Vec<&TypeAst> {
    match ast {
        TypeAst::List(inner) | TypeAst::Set(inner) => vec![inner],
        TypeAst::Map(key, value) => vec![key, value],
        _ => Vec::new(),
    }
}

fn expect_frozen_inside(
    keyspace: &Keyspace,
    inner: &TypeAst,
    outer: &TypeAst,
) -> Result<(), CqlError> {
    let multi_cell = match inner {
        TypeAst::List(_) | TypeAst::Set(_) | TypeAst::Map(..) => true,
        TypeAst::Named(..) => matches!(resolve_frozen(keyspace, inner)?, CqlType::Udt(_)),
        _ => false,
    };
    if multi_cell {
        return Err(CqlError::invalid(format!(
            "Non-frozen user types or collections are not allowed inside collections: {}",
            type_text(outer)
        )));
    }
    if matches!(inner, TypeAst::Named(None, name) if name == "counter") {
        return Err(CqlError::invalid(format!(
            "Counters are not allowed inside collections: {}",
            type_text(outer)
        )));
    }
    Ok(())
}

/// The type alone; everything inside is taken as frozen.
fn resolve_frozen(keyspace: &Keyspace, ast: &TypeAst) -> Result<CqlType, CqlError> {
    let inner = |ast: &TypeAst| resolve_frozen(keyspace, ast).map(Box::new);
    Ok(match ast {
        TypeAst::Named(None, name) if CqlType::from_simple_name(name).is_some() => {
            CqlType::from_simple_name(name).unwrap_or(CqlType::Blob)
        }
        TypeAst::Named(qualifier, name) => {
            if let Some(other) = qualifier
                && **other != *keyspace.name
            {
                return Err(CqlError::invalid(format!(
                    "Statement on keyspace {} cannot refer to a user type in keyspace {other}; user types can only be \
                     used in the keyspace they are defined in",
                    keyspace.name
                )));
            }
            match keyspace.types.get(name.as_str()) {
                Some(user) => CqlType::Udt(user.resolved.clone()),
                None => {
                    return Err(CqlError::invalid(format!(
                        "Unknown type {}.{name}",
                        keyspace.name
                    )));
                }
            }
        }
        TypeAst::List(element) => CqlType::List(inner(element)?),
        TypeAst::Set(element) => CqlType::Set(inner(element)?),
        TypeAst::Map(key, value) => CqlType::Map(Box::new((
            resolve_frozen(keyspace, key)?,
            resolve_frozen(keyspace, value)?,
        ))),
        TypeAst::Tuple(types) => CqlType::Tuple(
            types
                .iter()
                .map(|ast| resolve_frozen(keyspace, ast))
                .collect::<Result<_, _>>()?,
        ),
        TypeAst::Vector(element, len) => CqlType::Vector(inner(element)?, *len),
        TypeAst::Frozen(ast) => resolve_frozen(keyspace, ast)?,
        TypeAst::Class(class) => shardlane_wire::types::parse_type_class(class)
            .map_err(|_| CqlError::syntax(format!("Unknown type class '{class}'")))?,
    })
}

/// The type as `system_schema` writes it.
pub(crate) fn type_text(ast: &TypeAst) -> String {
    text(ast, false)
}

fn text(ast: &TypeAst, frozen: bool) -> String {
    let freeze = |body: String| {
        if frozen {
            body
        } else {
            format!("frozen<{body}>")
        }
    };
    match ast {
        TypeAst::Named(None, name) => match CqlType::from_simple_name(name) {
            Some(ty) => ty.to_string(),
            None => quoted(name),
        },
        TypeAst::Named(Some(_), name) => quoted(name),
        TypeAst::List(inner) => format!("list<{}>", text(inner, false)),
        TypeAst::Set(inner) => format!("set<{}>", text(inner, false)),
        TypeAst::Map(key, value) => format!("map<{}, {}>", text(key, false), text(value, false)),
        // tuples are always frozen, and ScyllaDB says so
        TypeAst::Tuple(types) => freeze(format!(
            "tuple<{}>",
            types
                .iter()
                .map(|ast| text(ast, false))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        TypeAst::Vector(inner, len) => format!("vector<{}, {len}>", text(inner, false)),
        TypeAst::Frozen(inner) => format!("frozen<{}>", text(inner, true)),
        TypeAst::Class(class) => format!("'{}'", class.replace('\'', "''")),
    }
}

/// A name, quoted if it needs to be.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
