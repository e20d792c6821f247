//! Type names.

use super::ast::TypeAst;
use super::lexer::Kind;
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn type_name(&mut self) -> Parse<TypeAst> {
        self.nested(Self::type_name_inner)
    }

    fn type_name_inner(&mut self) -> Parse<TypeAst> {
        if let Kind::String(class) = &self.peek().kind {
            let class = class.clone();
            self.bump();
            return Ok(TypeAst::Class(class));
        }
        let generic = self.is_symbol_at(1, "<") && self.peek().kind == Kind::Word;
        let word = self.peek().text.to_ascii_lowercase();
        if !generic {
            let name = self.qualified_name()?;
            return Ok(TypeAst::Named(name.keyspace, name.name));
        }
        match word.as_str() {
            "list" => Ok(TypeAst::List(Box::new(self.one_parameter()?))),
            "set" => Ok(TypeAst::Set(Box::new(self.one_parameter()?))),
            "frozen" => Ok(TypeAst::Frozen(Box::new(self.one_parameter()?))),
            "map" => {
                let mut parameters = self.parameters()?;
                match (parameters.pop(), parameters.pop(), parameters.pop()) {
                    (Some(value), Some(key), None) => {
                        Ok(TypeAst::Map(Box::new(key), Box::new(value)))
                    }
                    _ => Err(self.unexpected()),
                }
            }
            "tuple" => Ok(TypeAst::Tuple(self.parameters()?)),
            "vector" => {
                self.bump();
                self.bump();
                let element = self.type_name()?;
                self.expect_symbol(",")?;
                let length = self.bump();
                let length = length
                    .text
                    .parse()
                    .map_err(|_| self.error_here("vector length out of range"))?;
                self.expect_symbol(">")?;
                Ok(TypeAst::Vector(Box::new(element), length))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn parameters(&mut self) -> Parse<Vec<TypeAst>> {
        self.bump();
        self.expect_symbol("<")?;
        let out = self.comma_list(Self::type_name)?;
        self.expect_symbol(">")?;
        Ok(out)
    }

    fn one_parameter(&mut self) -> Parse<TypeAst> {
        let mut parameters = self.parameters()?;
        match (parameters.pop(), parameters.is_empty()) {
            (Some(ty), true) => Ok(ty),
            _ => Err(self.unexpected()),
        }
    }
}
