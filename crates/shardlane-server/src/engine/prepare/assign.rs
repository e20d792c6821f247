//! The assignments of UPDATE.

use shardlane_wire::CqlType;

use super::context::Context;
use super::modify::ColumnOp;
use crate::cql::ast::Assignment;
use crate::engine::error::CqlError;
use crate::engine::schema::Table;

/// Compiles one assignment to the column at a position.
pub(super) fn compile_assignment(
    cx: &mut Context<'_>,
    table: &Table,
    at: usize,
    assignment: &Assignment,
) -> Result<ColumnOp, CqlError> {
    let column = &table.columns[at];
    let (name, ty) = (&*column.name, &column.ty);
    let wrong = |what: &str| {
        CqlError::invalid(format!(
            "Invalid operation ({what}) for non collection column {name}"
        ))
    };
    let expect_multi = |what: &str| {
        if column.multi_cell {
            Ok(())
        } else {
            Err(CqlError::invalid(format!(
                "Invalid operation ({what}) for frozen collection column {name}"
            )))
        }
    };
    Ok(match (assignment, ty) {
        (Assignment::Set(..), CqlType::Counter) => {
            return Err(CqlError::invalid(format!(
                "Cannot set the value of counter column {name} (counters can only be incremented/decremented, not set)"
            )));
        }
        (Assignment::Set(_, term), _) => ColumnOp::Set(at, cx.term(term, ty, name)?),
        (Assignment::Add(_, term), CqlType::Counter) => {
            ColumnOp::Count(at, cx.term(term, ty, name)?, false)
        }
        (Assignment::Subtract(_, term), CqlType::Counter) => {
            ColumnOp::Count(at, cx.term(term, ty, name)?, true)
        }
        (Assignment::Add(_, term), CqlType::List(_) | CqlType::Set(_) | CqlType::Map(_)) => {
            expect_multi(&format!("{name} = {name} + ..."))?;
            ColumnOp::Append(at, cx.term(term, ty, name)?)
        }
        (Assignment::Prepend(_, term), CqlType::List(_)) => {
            expect_multi(&format!("{name} = ... + {name}"))?;
            ColumnOp::Prepend(at, cx.term(term, ty, name)?)
        }
        // of sets and maps the order of the operands does not matter
        (Assignment::Prepend(_, term), CqlType::Set(_) | CqlType::Map(_)) => {
            expect_multi(&format!("{name} = ... + {name}"))?;
            ColumnOp::Append(at, cx.term(term, ty, name)?)
        }
        (Assignment::Subtract(_, term), CqlType::List(_) | CqlType::Set(_)) => {
            expect_multi(&format!("{name} = {name} - ..."))?;
            ColumnOp::Remove(at, cx.term(term, ty, name)?)
        }
        (Assignment::Subtract(_, term), CqlType::Map(entry)) => {
            expect_multi(&format!("{name} = {name} - ..."))?;
            ColumnOp::Remove(
                at,
                cx.term(term, &CqlType::Set(Box::new(entry.0.clone())), name)?,
            )
        }
        (Assignment::Element(_, key, value), CqlType::Map(entry)) => {
            expect_multi(&format!("{name}[...] = ..."))?;
            let key = cx.term(key, &entry.0, &format!("key({name})"))?;
            ColumnOp::SetElement(
                at,
                key,
                cx.term(value, &entry.1, &format!("value({name})"))?,
            )
        }
        (Assignment::Element(_, key, value), CqlType::List(element)) => {
            expect_multi(&format!("{name}[...] = ..."))?;
            let key = cx.term(key, &CqlType::Int, &format!("idx({name})"))?;
            ColumnOp::SetElement(at, key, cx.term(value, element, &format!("value({name})"))?)
        }
        (Assignment::Field(_, field, value), CqlType::Udt(udt)) => {
            let Some(field_at) = udt.fields.iter().position(|(f, _)| **f == **field) else {
                return Err(CqlError::invalid(format!(
                    "UDT column {name} does not have a field named {field}"
                )));
            };
            if !column.multi_cell {
                return Err(CqlError::invalid(format!(
                    "Invalid operation ({name}.{field} = ...) for frozen UDT column {name}"
                )));
            }
            ColumnOp::SetField(
                at,
                field_at,
                cx.term(value, &udt.fields[field_at].1, &format!("{name}.{field}"))?,
            )
        }
        (Assignment::Field(..), _) => {
            return Err(CqlError::invalid(format!(
                "Invalid operation for non-UDT column {name}"
            )));
        }
        (Assignment::Add(..), _) => return Err(wrong(&format!("{name} = {name} + ..."))),
        (Assignment::Subtract(..), _) => return Err(wrong(&format!("{name} = {name} - ..."))),
        (Assignment::Prepend(..), _) => return Err(wrong(&format!("{name} = ... + {name}"))),
        (Assignment::Element(..), _) => return Err(wrong(&format!("{name}[...] = ..."))),
    })
}
