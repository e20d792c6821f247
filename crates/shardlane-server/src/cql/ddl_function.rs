//! CREATE and DROP of functions, aggregates and triggers.

use super::ast::TypeAst;
use super::ast::{CreateAggregate, CreateFunction, CreateTrigger, Drop, DropFunction, DropTrigger};
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn create_function(&mut self, or_replace: bool) -> Parse<CreateFunction> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified_name()?;
        self.expect_symbol("(")?;
        let arguments = if self.is_symbol(")") {
            Vec::new()
        } else {
            self.comma_list(|p| Ok((p.name()?, p.type_name()?)))?
        };
        self.expect_symbol(")")?;
        let called_on_null = if self.keyword("called") {
            true
        } else {
            self.expect_keyword("returns")?;
            self.expect_keyword("null")?;
            false
        };
        self.expect_keyword("on")?;
        self.expect_keyword("null")?;
        self.expect_keyword("input")?;
        self.expect_keyword("returns")?;
        let returns = self.type_name()?;
        self.expect_keyword("language")?;
        let language = self.name()?;
        self.expect_keyword("as")?;
        let body = self.string()?;
        Ok(CreateFunction {
            name,
            or_replace,
            if_not_exists,
            arguments,
            called_on_null,
            returns,
            language,
            body,
        })
    }

    pub(super) fn create_aggregate(&mut self, or_replace: bool) -> Parse<CreateAggregate> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified_name()?;
        let arguments = self.argument_types()?;
        self.expect_keyword("sfunc")?;
        let state_func = self.name()?;
        self.expect_keyword("stype")?;
        let state_type = self.type_name()?;
        let reduce_func = self.name_after("reducefunc")?;
        let final_func = self.name_after("finalfunc")?;
        let initcond = if self.keyword("initcond") {
            let from = self.position();
            self.term()?;
            Some(self.source(from).to_owned())
        } else {
            None
        };
        Ok(CreateAggregate {
            name,
            or_replace,
            if_not_exists,
            arguments,
            state_func,
            state_type,
            reduce_func,
            final_func,
            initcond,
        })
    }

    fn name_after(&mut self, keyword: &str) -> Parse<Option<String>> {
        self.keyword(keyword).then(|| self.name()).transpose()
    }

    fn argument_types(&mut self) -> Parse<Vec<TypeAst>> {
        self.expect_symbol("(")?;
        let types = if self.is_symbol(")") {
            Vec::new()
        } else {
            self.comma_list(Self::type_name)?
        };
        self.expect_symbol(")")?;
        Ok(types)
    }

    /// What follows DROP FUNCTION and DROP AGGREGATE.
    pub(super) fn dropped_function(&mut self) -> Parse<DropFunction> {
        let Drop { name, if_exists } = self.dropped()?;
        let arguments = if self.is_symbol("(") {
            Some(self.argument_types()?)
        } else {
            None
        };
        Ok(DropFunction {
            name,
            if_exists,
            arguments,
        })
    }

    pub(super) fn create_trigger(&mut self) -> Parse<CreateTrigger> {
        let if_not_exists = self.if_not_exists();
        let name = self.name()?;
        self.expect_keyword("on")?;
        let table = self.qualified_name()?;
        self.expect_keyword("using")?;
        let class = self.string()?;
        Ok(CreateTrigger {
            name,
            if_not_exists,
            table,
            class,
        })
    }

    pub(super) fn dropped_trigger(&mut self) -> Parse<DropTrigger> {
        let if_exists = self.if_exists();
        let name = self.name()?;
        self.expect_keyword("on")?;
        let table = self.qualified_name()?;
        Ok(DropTrigger {
            name,
            if_exists,
            table,
        })
    }
}
