//! A small reader of CQL type names, so that users and tests can name the types they convert:
//! `map<text, frozen<list<int>>>`, `vector<float, 3>`, `'some.java.Class'`, and a user-defined
//! type written out as `address{street: text, zip: int}`.

use std::sync::Arc;

use shardlane_wire::{CqlType, UdtType};

/// Deeper nesting than this is refused: the reader recurses.
const DEPTH_MAX: usize = 64;

/// Reads a whole type, or says what is wrong and where.
pub(super) fn parse(text: &str) -> Result<CqlType, String> {
    let mut parser = Parser {
        text,
        position: 0,
        depth: 0,
    };
    let parsed = parser.cql_type()?;
    parser.skip_space();
    if parser.position == text.len() {
        Ok(parsed)
    } else {
        Err(parser.error("nothing more"))
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.position..]
    }

    fn skip_space(&mut self) {
        self.position = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, expected: &str) -> String {
        format!(
            "expected {expected} at {} of {:?}",
            self.position, self.text
        )
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.position += token.len_utf8();
        }
        found
    }

    fn expect(&mut self, token: char) -> Result<(), String> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.error(&format!("{token:?}")))
        }
    }

    fn word(&mut self) -> Result<&'a str, String> {
        self.skip_space();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error("a name"));
        }
        self.position += end;
        Ok(&rest[..end])
    }

    fn cql_type(&mut self) -> Result<CqlType, String> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("less nesting"));
        }
        self.depth += 1;
        let parsed = self.nested_type();
        self.depth -= 1;
        parsed
    }

    fn nested_type(&mut self) -> Result<CqlType, String> {
        if self.take('\'') {
            let Some(end) = self.rest().find('\'') else {
                return Err(self.error("a closing quote"));
            };
            let class = self.rest()[..end].into();
            self.position += end + 1;
            return Ok(CqlType::Custom(class));
        }
        let name = self.word()?;
        if let Some(simple) = CqlType::from_simple_name(name) {
            return Ok(simple);
        }
        Ok(match name {
            "frozen" => self.arguments(1)?.remove(0),
            "list" => CqlType::List(Box::new(self.arguments(1)?.remove(0))),
            "set" => CqlType::Set(Box::new(self.arguments(1)?.remove(0))),
            "map" => {
                let mut pair = self.arguments(2)?;
                let value = pair.remove(1);
                CqlType::Map(Box::new((pair.remove(0), value)))
            }
            "tuple" => CqlType::Tuple(self.arguments(0)?),
            "vector" => self.vector()?,
            _ => self.udt(name)?,
        })
    }

    /// `<T, ...>`: exactly `count` types, or any number but none if that is 0.
    fn arguments(&mut self, count: usize) -> Result<Vec<CqlType>, String> {
        self.expect('<')?;
        let mut types = vec![self.cql_type()?];
        while self.take(',') {
            types.push(self.cql_type()?);
        }
        self.expect('>')?;
        if count == 0 || types.len() == count {
            Ok(types)
        } else {
            Err(self.error(&format!("{count} type arguments")))
        }
    }

    fn vector(&mut self) -> Result<CqlType, String> {
        self.expect('<')?;
        let element = self.cql_type()?;
        self.expect(',')?;
        let dimensions = self.word()?.parse().map_err(|_| self.error("a number"))?;
        self.expect('>')?;
        Ok(CqlType::Vector(Box::new(element), dimensions))
    }

    fn udt(&mut self, name: &str) -> Result<CqlType, String> {
        self.expect('{')?;
        let mut fields = Vec::new();
        loop {
            let field = self.word()?;
            self.expect(':')?;
            fields.push((field.into(), self.cql_type()?));
            if !self.take(',') {
                break;
            }
        }
        self.expect('}')?;
        Ok(CqlType::Udt(Arc::new(UdtType {
            keyspace: "test".into(),
            name: name.into(),
            fields,
        })))
    }
}
