//! SELECT.

use super::ast::{QualifiedName, Select, SelectItem, Selector};
use super::lexer::Kind;
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Parse<Select> {
        self.expect_keyword("select")?;
        // JSON and DISTINCT are also fine names for columns
        let json = self.is_keyword("json") && !self.ends_selector(1) && self.keyword("json");
        let distinct =
            self.is_keyword("distinct") && !self.ends_selector(1) && self.keyword("distinct");
        let items = if self.symbol("*") {
            Vec::new()
        } else {
            self.comma_list(Self::select_item)?
        };
        self.expect_keyword("from")?;
        let table = self.qualified_name()?;
        let mut select = Select {
            table,
            items,
            distinct,
            json,
            relations: Vec::new(),
            group_by: Vec::new(),
            order_by: Vec::new(),
            per_partition_limit: None,
            limit: None,
            allow_filtering: false,
        };
        if self.keyword("where") {
            select.relations = self.relations()?;
        }
        if self.keywords(&["group", "by"]) {
            select.group_by = self.comma_list(Self::name)?;
        }
        if self.keywords(&["order", "by"]) {
            select.order_by = self.comma_list(Self::ordering)?;
        }
        if self.keywords(&["per", "partition", "limit"]) {
            select.per_partition_limit = Some(self.term()?);
        }
        if self.keyword("limit") {
            select.limit = Some(self.term()?);
        }
        self.select_tail(&mut select)?;
        Ok(select)
    }

    fn select_tail(&mut self, select: &mut Select) -> Parse<()> {
        loop {
            if self.keywords(&["allow", "filtering"]) {
                select.allow_filtering = true;
            } else if self.keywords(&["bypass", "cache"]) {
                // there is no cache to bypass
            } else if self.keywords(&["using", "timeout"]) {
                // accepted: an answer from memory is never late
                self.term()?;
            } else {
                return Ok(());
            }
        }
    }

    /// `name [ASC | DESC]`; `true` is DESC.
    pub(super) fn ordering(&mut self) -> Parse<(String, bool)> {
        let name = self.name()?;
        let descending = self.keyword("desc");
        if !descending {
            self.keyword("asc");
        }
        Ok((name, descending))
    }

    fn ends_selector(&self, ahead: usize) -> bool {
        self.is_symbol_at(ahead, ",")
            || self.is_keyword_at(ahead, "from")
            || self.is_keyword_at(ahead, "as")
    }

    fn select_item(&mut self) -> Parse<SelectItem> {
        let selector = self.selector()?;
        let alias = if self.keyword("as") {
            Some(self.name()?)
        } else {
            None
        };
        Ok(SelectItem { selector, alias })
    }

    fn selector(&mut self) -> Parse<Selector> {
        self.nested(Self::selector_inner)
    }

    fn selector_inner(&mut self) -> Parse<Selector> {
        let mut selector = self.plain_selector()?;
        loop {
            if self.symbol(".") {
                selector = Selector::Field(Box::new(selector), self.name()?);
            } else if self.symbol("[") {
                let key = self.term()?;
                self.expect_symbol("]")?;
                selector = Selector::Element(Box::new(selector), key);
            } else {
                return Ok(selector);
            }
        }
    }

    fn plain_selector(&mut self) -> Parse<Selector> {
        let is_call = self.is_symbol_at(1, "(") && self.peek().kind == Kind::Word;
        if is_call {
            match self.peek().text.to_ascii_lowercase().as_str() {
                "count" if self.is_symbol_at(2, "*") || self.peek_at(2).text == "1" => {
                    for _ in 0..3 {
                        self.bump();
                    }
                    self.expect_symbol(")")?;
                    return Ok(Selector::CountAll);
                }
                "writetime" => return Ok(Selector::WriteTime(self.column_argument()?)),
                "ttl" => return Ok(Selector::Ttl(self.column_argument()?)),
                "cast" => {
                    self.bump();
                    self.bump();
                    let inner = self.selector()?;
                    self.expect_keyword("as")?;
                    let ty = self.type_name()?;
                    self.expect_symbol(")")?;
                    return Ok(Selector::Cast(Box::new(inner), ty));
                }
                "token" => {
                    self.bump();
                    return self.call(QualifiedName {
                        keyspace: None,
                        name: "token".to_owned(),
                    });
                }
                _ => {}
            }
        }
        let Some(name) = self.peek_name() else {
            return Ok(Selector::Term(self.term()?));
        };
        if is_call {
            self.bump();
            return self.call(QualifiedName {
                keyspace: None,
                name,
            });
        }
        if self.is_symbol_at(1, ".") && self.is_symbol_at(3, "(") {
            let name = self.qualified_name()?;
            return self.call(name);
        }
        if self.is_keyword("true") || self.is_keyword("false") {
            return Ok(Selector::Term(self.term()?));
        }
        self.bump();
        Ok(Selector::Column(name))
    }

    fn column_argument(&mut self) -> Parse<String> {
        self.bump();
        self.expect_symbol("(")?;
        let name = self.name()?;
        self.expect_symbol(")")?;
        Ok(name)
    }

    fn call(&mut self, name: QualifiedName) -> Parse<Selector> {
        self.expect_symbol("(")?;
        if self.symbol(")") {
            return Ok(Selector::Function(name, Vec::new()));
        }
        let arguments = self.comma_list(Self::selector)?;
        self.expect_symbol(")")?;
        Ok(Selector::Function(name, arguments))
    }
}
