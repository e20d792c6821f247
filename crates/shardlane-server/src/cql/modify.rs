//! INSERT, UPDATE, DELETE and BATCH.

use super::ast::{
    Assignment, Batch, Conditions, Delete, DeleteTarget, Insert, InsertSource, Modification, Term,
    Update, Using,
};
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn modification(&mut self) -> Parse<Modification> {
        if self.is_keyword("insert") {
            self.insert().map(Modification::Insert)
        } else if self.is_keyword("update") {
            self.update().map(Modification::Update)
        } else if self.is_keyword("delete") {
            self.delete().map(Modification::Delete)
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn batch(&mut self) -> Parse<Batch> {
        self.expect_keyword("begin")?;
        let kind = self.batch_kind();
        self.expect_keyword("batch")?;
        let using = self.using()?;
        let mut statements = Vec::new();
        while !self.is_keyword("apply") {
            statements.push(self.modification()?);
            while self.symbol(";") {}
        }
        self.expect_keyword("apply")?;
        self.expect_keyword("batch")?;
        Ok(Batch {
            kind,
            using,
            statements,
        })
    }

    fn using(&mut self) -> Parse<Using> {
        let mut using = Using::default();
        if !self.keyword("using") {
            return Ok(using);
        }
        loop {
            if self.keyword("ttl") {
                using.ttl = Some(self.term()?);
            } else if self.keyword("timestamp") {
                using.timestamp = Some(self.term()?);
            } else if self.keyword("timeout") {
                // accepted: a write to memory is never late
                self.term()?;
            } else {
                return Err(self.unexpected());
            }
            if !self.keyword("and") {
                return Ok(using);
            }
        }
    }

    fn insert(&mut self) -> Parse<Insert> {
        self.expect_keyword("insert")?;
        self.expect_keyword("into")?;
        let table = self.qualified_name()?;
        let source = if self.keyword("json") {
            let term = self.term()?;
            let default_unset = self.keywords(&["default", "unset"]);
            if !default_unset {
                self.keywords(&["default", "null"]);
            }
            InsertSource::Json {
                term,
                default_unset,
            }
        } else {
            let columns = self.parenthesized(Self::name)?;
            self.expect_keyword("values")?;
            let terms = self.parenthesized(Self::term)?;
            InsertSource::Values(columns, terms)
        };
        // IF and USING may come in either order
        let mut using = self.using()?;
        let if_not_exists = self.if_not_exists();
        if self.is_keyword("using") {
            using = self.using()?;
        }
        Ok(Insert {
            table,
            source,
            if_not_exists,
            using,
        })
    }

    fn update(&mut self) -> Parse<Update> {
        self.expect_keyword("update")?;
        let table = self.qualified_name()?;
        let using = self.using()?;
        self.expect_keyword("set")?;
        let assignments = self.comma_list(Self::assignment)?;
        self.expect_keyword("where")?;
        let relations = self.relations()?;
        let conditions = self.conditions()?;
        Ok(Update {
            table,
            using,
            assignments,
            relations,
            conditions,
        })
    }

    fn conditions(&mut self) -> Parse<Conditions> {
        if self.if_exists() {
            Ok(Conditions::IfExists)
        } else if self.if_not_exists() {
            Ok(Conditions::IfNotExists)
        } else if self.keyword("if") {
            self.relations().map(Conditions::If)
        } else {
            Ok(Conditions::Unconditional)
        }
    }

    fn assignment(&mut self) -> Parse<Assignment> {
        let column = self.name()?;
        if self.symbol("[") {
            let key = self.term()?;
            self.expect_symbol("]")?;
            self.expect_symbol("=")?;
            return Ok(Assignment::Element(column, key, self.term()?));
        }
        if self.symbol(".") {
            let field = self.name()?;
            self.expect_symbol("=")?;
            return Ok(Assignment::Field(column, field, self.term()?));
        }
        if self.symbol("+=") {
            return Ok(Assignment::Add(column, self.term()?));
        }
        if self.symbol("-=") {
            return Ok(Assignment::Subtract(column, self.term()?));
        }
        self.expect_symbol("=")?;
        if self.peek_name().as_deref() == Some(&column)
            && (self.is_symbol_at(1, "+") || self.is_symbol_at(1, "-"))
        {
            self.bump();
            let add = self.bump().text == "+";
            let term = self.term()?;
            return Ok(if add {
                Assignment::Add(column, term)
            } else {
                Assignment::Subtract(column, term)
            });
        }
        // `c = c -1` is lexed as c, -, 1 and was handled; `c = [x] + c` prepends
        let term: Term = self.term()?;
        if self.symbol("+") {
            let other = self.name()?;
            if other != column {
                return Err(
                    self.error_here("Only expressions of the form X = <value> + X are supported.")
                );
            }
            return Ok(Assignment::Prepend(column, term));
        }
        Ok(Assignment::Set(column, term))
    }

    fn delete(&mut self) -> Parse<Delete> {
        self.expect_keyword("delete")?;
        let targets = if self.is_keyword("from") {
            Vec::new()
        } else {
            self.comma_list(Self::delete_target)?
        };
        self.expect_keyword("from")?;
        let table = self.qualified_name()?;
        let using = self.using()?;
        self.expect_keyword("where")?;
        let relations = self.relations()?;
        let conditions = self.conditions()?;
        Ok(Delete {
            table,
            targets,
            using,
            relations,
            conditions,
        })
    }

    fn delete_target(&mut self) -> Parse<DeleteTarget> {
        let column = self.name()?;
        if self.symbol("[") {
            let key = self.term()?;
            self.expect_symbol("]")?;
            Ok(DeleteTarget::Element(column, key))
        } else if self.symbol(".") {
            Ok(DeleteTarget::Field(column, self.name()?))
        } else {
            Ok(DeleteTarget::Column(column))
        }
    }
}
