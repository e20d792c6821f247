//! Terms: constants, markers, collections, function calls.

use super::ast::{Literal, Operator, Relation, RelationTarget, RelationValue, Term};
use super::lexer::Kind;
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn term(&mut self) -> Parse<Term> {
        self.nested(Self::term_inner)
    }

    fn term_inner(&mut self) -> Parse<Term> {
        let token = self.peek().clone();
        match token.kind {
            Kind::String(text) => self.take(Term::Literal(Literal::String(text))),
            Kind::Integer => self.take(Term::Literal(Literal::Integer(token.text.to_owned()))),
            Kind::Float => self.take(Term::Literal(Literal::Float(token.text.to_owned()))),
            Kind::Uuid(id) => self.take(Term::Literal(Literal::Uuid(id))),
            Kind::Hex(bytes) => self.take(Term::Literal(Literal::Hex(bytes))),
            Kind::Duration(duration) => self.take(Term::Literal(Literal::Duration(duration))),
            Kind::Marker => {
                self.bump();
                Ok(self.marker(None))
            }
            Kind::Symbol => self.bracketed(token.text),
            Kind::Word => self.word_term(token.text),
            Kind::QuotedName(_) => self.function_call(),
            Kind::End => Err(self.unexpected()),
        }
    }

    fn take(&mut self, term: Term) -> Parse<Term> {
        self.bump();
        Ok(term)
    }

    fn marker(&mut self, name: Option<String>) -> Term {
        self.markers.push(name);
        Term::Marker(self.markers.len() - 1)
    }

    fn word_term(&mut self, text: &str) -> Parse<Term> {
        match text.to_ascii_lowercase().as_str() {
            "null" => self.take(Term::Null),
            "true" => self.take(Term::Literal(Literal::Boolean(true))),
            "false" => self.take(Term::Literal(Literal::Boolean(false))),
            "nan" => self.take(Term::Literal(Literal::Float("NaN".to_owned()))),
            "infinity" => self.take(Term::Literal(Literal::Float("Infinity".to_owned()))),
            _ => self.function_call(),
        }
    }

    fn function_call(&mut self) -> Parse<Term> {
        let start = self.position();
        let name = if self.is_keyword("token") {
            self.bump();
            super::ast::QualifiedName {
                keyspace: None,
                name: "token".to_owned(),
            }
        } else {
            self.qualified_name()?
        };
        if !self.symbol("(") {
            self.rewind(start, self.markers.len());
            return Err(self.unexpected());
        }
        if self.symbol(")") {
            return Ok(Term::Function(name, Vec::new()));
        }
        let arguments = self.comma_list(Self::term)?;
        self.expect_symbol(")")?;
        Ok(Term::Function(name, arguments))
    }

    fn bracketed(&mut self, symbol: &str) -> Parse<Term> {
        match symbol {
            ":" => {
                self.bump();
                let name = self.marker_name()?;
                Ok(self.marker(Some(name)))
            }
            "-" => {
                self.bump();
                self.negative()
            }
            "[" => {
                self.bump();
                let items = self.items_until("]")?;
                Ok(Term::List(items))
            }
            "{" => {
                self.bump();
                self.braced()
            }
            "(" => self.parenthesized_term(),
            _ => Err(self.unexpected()),
        }
    }

    /// A marker's name may be any word, reserved or not.
    fn marker_name(&mut self) -> Parse<String> {
        let token = self.peek().clone();
        match token.kind {
            Kind::QuotedName(name) => {
                self.bump();
                Ok(name)
            }
            Kind::Word | Kind::Duration(_) => {
                self.bump();
                Ok(token.text.to_lowercase())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn negative(&mut self) -> Parse<Term> {
        let token = self.peek().clone();
        let literal = match token.kind {
            Kind::Integer => Literal::Integer(format!("-{}", token.text)),
            Kind::Float => Literal::Float(format!("-{}", token.text)),
            Kind::Word if token.text.eq_ignore_ascii_case("infinity") => {
                Literal::Float("-Infinity".to_owned())
            }
            Kind::Word if token.text.eq_ignore_ascii_case("nan") => {
                Literal::Float("NaN".to_owned())
            }
            Kind::Duration(duration) => match duration.negate() {
                Some(negative) => Literal::Duration(negative),
                None => return Err(self.error_here("duration out of range")),
            },
            _ => return Err(self.unexpected()),
        };
        self.take(Term::Literal(literal))
    }

    fn items_until(&mut self, close: &str) -> Parse<Vec<Term>> {
        if self.symbol(close) {
            return Ok(Vec::new());
        }
        let items = self.comma_list(Self::term)?;
        self.expect_symbol(close)?;
        Ok(items)
    }

    fn braced(&mut self) -> Parse<Term> {
        if self.symbol("}") {
            return Ok(Term::Set(Vec::new()));
        }
        if self.is_symbol_at(1, ":") && self.peek_name().is_some() && !self.is_constant_word() {
            let fields = self.comma_list(|p| {
                let name = p.name()?;
                p.expect_symbol(":")?;
                Ok((name, p.term()?))
            })?;
            self.expect_symbol("}")?;
            return Ok(Term::Udt(fields));
        }
        let first = self.term()?;
        if self.symbol(":") {
            let mut entries = vec![(first, self.term()?)];
            while self.symbol(",") {
                let key = self.term()?;
                self.expect_symbol(":")?;
                entries.push((key, self.term()?));
            }
            self.expect_symbol("}")?;
            return Ok(Term::Map(entries));
        }
        let mut items = vec![first];
        while self.symbol(",") {
            items.push(self.term()?);
        }
        self.expect_symbol("}")?;
        Ok(Term::Set(items))
    }

    /// `true` and `false` are names to the lexer but constants as map keys.
    fn is_constant_word(&self) -> bool {
        self.is_keyword("true") || self.is_keyword("false")
    }

    /// `(a, b)` or `(type) a`.
    fn parenthesized_term(&mut self) -> Parse<Term> {
        let (start, markers) = (self.position(), self.markers.len());
        self.bump();
        if let Ok(ty) = self.type_name()
            && self.symbol(")")
            && let Ok(term) = self.term()
        {
            return Ok(Term::Cast(ty, Box::new(term)));
        }
        self.rewind(start, markers);
        Ok(Term::Tuple(self.parenthesized(Self::term)?))
    }

    pub(super) fn relations(&mut self) -> Parse<Vec<Relation>> {
        let mut out = self.relation()?;
        while self.keyword("and") {
            out.append(&mut self.relation()?);
        }
        Ok(out)
    }

    fn relation(&mut self) -> Parse<Vec<Relation>> {
        if self.is_keyword("token") && self.is_symbol_at(1, "(") {
            self.bump();
            let names = self.parenthesized(Self::name)?;
            return Ok(vec![self.comparison(RelationTarget::Token(names))?]);
        }
        if self.is_symbol("(") {
            // either a tuple of columns or relations in brackets
            let (start, markers) = (self.position(), self.markers.len());
            if let Ok(names) = self.parenthesized(Self::name)
                && let Ok(relation) = self.comparison(RelationTarget::Tuple(names))
            {
                return Ok(vec![relation]);
            }
            self.rewind(start, markers);
            self.bump();
            let inner = self.nested(Self::relations)?;
            self.expect_symbol(")")?;
            return Ok(inner);
        }
        let name = self.name()?;
        let target = if self.symbol("[") {
            let key = self.term()?;
            self.expect_symbol("]")?;
            RelationTarget::Element(name, key)
        } else if self.symbol(".") {
            RelationTarget::Field(name, self.name()?)
        } else {
            RelationTarget::Column(name)
        };
        Ok(vec![self.comparison(target)?])
    }

    fn comparison(&mut self, target: RelationTarget) -> Parse<Relation> {
        let relation = |operator, value| Relation {
            target,
            operator,
            value,
        };
        if self.keywords(&["is", "not", "null"]) {
            return Ok(relation(Operator::IsNotNull, RelationValue::None));
        }
        if self.keyword("in") {
            let value = if self.symbol("(") {
                RelationValue::Many(self.items_until(")")?)
            } else {
                RelationValue::One(self.term()?)
            };
            return Ok(relation(Operator::In, value));
        }
        let operator = if self.keyword("contains") {
            if self.keyword("key") {
                Operator::ContainsKey
            } else {
                Operator::Contains
            }
        } else if self.keyword("like") {
            Operator::Like
        } else {
            let operator = match self.peek().text {
                "=" => Operator::Eq,
                "!=" => Operator::Ne,
                "<" => Operator::Lt,
                "<=" => Operator::Le,
                ">" => Operator::Gt,
                ">=" => Operator::Ge,
                _ => return Err(self.unexpected()),
            };
            self.bump();
            operator
        };
        let value = RelationValue::One(self.term()?);
        Ok(relation(operator, value))
    }
}
