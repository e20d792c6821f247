//! CREATE, ALTER and DROP.

use super::ast::{
    AlterTable, AlterType, AlterView, ColumnDefinition, CreateIndex, CreateTable, CreateType,
    CreateView, DdlStatement, Drop, KeyspaceDefinition, Properties, PropertyValue, QualifiedName,
    TableChange, TableWith, TypeChange,
};
use super::lexer::Kind;
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn ddl(&mut self) -> Parse<DdlStatement> {
        let verb = self.bump().text.to_ascii_lowercase();
        match verb.as_str() {
            "create" => self.create(),
            "alter" => self.alter(),
            _ => self.drop_statement(),
        }
    }

    fn create(&mut self) -> Parse<DdlStatement> {
        if self.keyword("keyspace") || self.keyword("schema") {
            self.create_keyspace().map(DdlStatement::CreateKeyspace)
        } else if self.keyword("table") || self.keyword("columnfamily") {
            self.create_table().map(DdlStatement::CreateTable)
        } else if self.keyword("type") {
            self.create_type().map(DdlStatement::CreateType)
        } else if self.keywords(&["custom", "index"]) {
            self.create_index(true).map(DdlStatement::CreateIndex)
        } else if self.keyword("index") {
            self.create_index(false).map(DdlStatement::CreateIndex)
        } else if self.keywords(&["materialized", "view"]) {
            self.create_view().map(DdlStatement::CreateView)
        } else if self.keywords(&["or", "replace", "function"]) {
            self.create_function(true).map(DdlStatement::CreateFunction)
        } else if self.keyword("function") {
            self.create_function(false)
                .map(DdlStatement::CreateFunction)
        } else if self.keywords(&["or", "replace", "aggregate"]) {
            self.create_aggregate(true)
                .map(DdlStatement::CreateAggregate)
        } else if self.keyword("aggregate") {
            self.create_aggregate(false)
                .map(DdlStatement::CreateAggregate)
        } else if self.keyword("trigger") {
            self.create_trigger().map(DdlStatement::CreateTrigger)
        } else {
            Err(self.unexpected())
        }
    }

    fn alter(&mut self) -> Parse<DdlStatement> {
        if self.keyword("keyspace") || self.keyword("schema") {
            let name = self.name()?;
            let properties = self.with_properties()?;
            Ok(DdlStatement::AlterKeyspace(KeyspaceDefinition {
                name,
                if_not_exists: false,
                properties,
            }))
        } else if self.keyword("table") || self.keyword("columnfamily") {
            let table = self.qualified_name()?;
            let change = self.table_change()?;
            Ok(DdlStatement::AlterTable(AlterTable { table, change }))
        } else if self.keyword("type") {
            let name = self.qualified_name()?;
            let change = self.type_change()?;
            Ok(DdlStatement::AlterType(AlterType { name, change }))
        } else if self.keywords(&["materialized", "view"]) {
            let name = self.qualified_name()?;
            Ok(DdlStatement::AlterView(AlterView {
                name,
                with: self.table_with()?,
            }))
        } else {
            Err(self.unexpected())
        }
    }

    fn drop_statement(&mut self) -> Parse<DdlStatement> {
        if self.keyword("keyspace") || self.keyword("schema") {
            let if_exists = self.if_exists();
            let name = QualifiedName {
                keyspace: None,
                name: self.name()?,
            };
            Ok(DdlStatement::DropKeyspace(Drop { name, if_exists }))
        } else if self.keyword("table") || self.keyword("columnfamily") {
            self.dropped().map(DdlStatement::DropTable)
        } else if self.keyword("type") {
            self.dropped().map(DdlStatement::DropType)
        } else if self.keyword("index") {
            self.dropped().map(DdlStatement::DropIndex)
        } else if self.keywords(&["materialized", "view"]) {
            self.dropped().map(DdlStatement::DropView)
        } else if self.keyword("function") {
            self.dropped_function().map(DdlStatement::DropFunction)
        } else if self.keyword("aggregate") {
            self.dropped_function().map(DdlStatement::DropAggregate)
        } else if self.keyword("trigger") {
            self.dropped_trigger().map(DdlStatement::DropTrigger)
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn dropped(&mut self) -> Parse<Drop> {
        let if_exists = self.if_exists();
        Ok(Drop {
            name: self.qualified_name()?,
            if_exists,
        })
    }

    fn create_keyspace(&mut self) -> Parse<KeyspaceDefinition> {
        let if_not_exists = self.if_not_exists();
        let name = self.name()?;
        let properties = self.with_properties()?;
        Ok(KeyspaceDefinition {
            name,
            if_not_exists,
            properties,
        })
    }

    fn with_properties(&mut self) -> Parse<Properties> {
        self.expect_keyword("with")?;
        let mut out = vec![self.property()?];
        while self.keyword("and") {
            out.push(self.property()?);
        }
        Ok(out)
    }

    fn property(&mut self) -> Parse<(String, PropertyValue)> {
        let name = self.name()?;
        self.expect_symbol("=")?;
        if !self.symbol("{") {
            return Ok((name, PropertyValue::Scalar(self.scalar()?)));
        }
        let mut entries = Vec::new();
        while !self.symbol("}") {
            let key = self.scalar()?;
            self.expect_symbol(":")?;
            entries.push((key, self.scalar()?));
            if !self.is_symbol("}") {
                self.expect_symbol(",")?;
            }
        }
        Ok((name, PropertyValue::Map(entries)))
    }

    /// A constant as text.
    fn scalar(&mut self) -> Parse<String> {
        if self.symbol("-") {
            return Ok(format!("-{}", self.scalar()?));
        }
        let token = self.peek().clone();
        let text = match token.kind {
            Kind::String(text) | Kind::QuotedName(text) => text,
            Kind::Word => token.text.to_lowercase(),
            Kind::Integer | Kind::Float | Kind::Uuid(_) | Kind::Hex(_) | Kind::Duration(_) => {
                token.text.to_owned()
            }
            _ => return Err(self.unexpected()),
        };
        self.bump();
        Ok(text)
    }

    fn create_table(&mut self) -> Parse<CreateTable> {
        let if_not_exists = self.if_not_exists();
        let table = self.qualified_name()?;
        let mut out = CreateTable {
            table,
            if_not_exists,
            columns: Vec::new(),
            primary_keys: Vec::new(),
            with: TableWith::default(),
        };
        self.expect_symbol("(")?;
        loop {
            if self.keywords(&["primary", "key"]) {
                let key = self.primary_key()?;
                out.primary_keys.push(key);
            } else {
                let column = self.column_definition()?;
                if self.keywords(&["primary", "key"]) {
                    out.primary_keys
                        .push((vec![column.name.clone()], Vec::new()));
                }
                out.columns.push(column);
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        if self.is_keyword("with") {
            out.with = self.table_with()?;
        }
        Ok(out)
    }

    fn column_definition(&mut self) -> Parse<ColumnDefinition> {
        let name = self.name()?;
        let ty = self.type_name()?;
        Ok(ColumnDefinition {
            name,
            ty,
            is_static: self.keyword("static"),
        })
    }

    /// `((a, b), c)` as (partition key, clustering).
    fn primary_key(&mut self) -> Parse<(Vec<String>, Vec<String>)> {
        self.expect_symbol("(")?;
        let partition_key = if self.is_symbol("(") {
            self.parenthesized(Self::name)?
        } else {
            vec![self.name()?]
        };
        let mut clustering = Vec::new();
        while self.symbol(",") {
            clustering.push(self.name()?);
        }
        self.expect_symbol(")")?;
        Ok((partition_key, clustering))
    }

    fn table_with(&mut self) -> Parse<TableWith> {
        self.expect_keyword("with")?;
        let mut out = TableWith::default();
        loop {
            if self.keywords(&["clustering", "order", "by"]) {
                out.clustering_order = self.parenthesized(Self::ordering)?;
            } else if self.keywords(&["compact", "storage"]) {
                out.compact_storage = true;
            } else if self.is_keyword("id") && self.is_symbol_at(1, "=") {
                self.bump();
                self.bump();
                let token = self.peek().clone();
                out.id = match token.kind {
                    Kind::Uuid(id) => Some(id),
                    Kind::String(text) => super::lexer::uuid(&text),
                    _ => None,
                };
                if out.id.is_none() {
                    return Err(self.unexpected());
                }
                self.bump();
            } else {
                out.properties.push(self.property()?);
            }
            if !self.keyword("and") {
                return Ok(out);
            }
        }
    }

    fn table_change(&mut self) -> Parse<TableChange> {
        if self.keyword("add") {
            let columns = if self.is_symbol("(") {
                self.parenthesized(Self::column_definition)?
            } else {
                self.comma_list(Self::column_definition)?
            };
            Ok(TableChange::Add(columns))
        } else if self.keyword("drop") {
            let names = if self.is_symbol("(") {
                self.parenthesized(Self::name)?
            } else {
                self.comma_list(Self::name)?
            };
            let mut timestamp = None;
            if self.keywords(&["using", "timestamp"]) {
                let token = self.bump();
                timestamp = Some(
                    token
                        .text
                        .parse()
                        .map_err(|_| self.error_here("bad timestamp"))?,
                );
            }
            Ok(TableChange::Drop(names, timestamp))
        } else if self.keyword("rename") {
            self.renames().map(TableChange::Rename)
        } else if self.keyword("alter") {
            let column = self.name()?;
            self.expect_keyword("type")?;
            Ok(TableChange::Retype(column, self.type_name()?))
        } else {
            self.table_with().map(TableChange::With)
        }
    }

    fn renames(&mut self) -> Parse<Vec<(String, String)>> {
        let mut out = Vec::new();
        loop {
            let from = self.name()?;
            self.expect_keyword("to")?;
            out.push((from, self.name()?));
            if !self.keyword("and") {
                return Ok(out);
            }
        }
    }

    fn create_type(&mut self) -> Parse<CreateType> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified_name()?;
        let fields = self.parenthesized(|p| Ok((p.name()?, p.type_name()?)))?;
        Ok(CreateType {
            name,
            if_not_exists,
            fields,
        })
    }

    fn type_change(&mut self) -> Parse<TypeChange> {
        if self.keyword("add") {
            Ok(TypeChange::Add(self.name()?, self.type_name()?))
        } else if self.keyword("rename") {
            self.renames().map(TypeChange::Rename)
        } else if self.keyword("alter") {
            let field = self.name()?;
            self.expect_keyword("type")?;
            Ok(TypeChange::Retype(field, self.type_name()?))
        } else {
            Err(self.unexpected())
        }
    }

    fn create_index(&mut self, custom: bool) -> Parse<CreateIndex> {
        let if_not_exists = self.if_not_exists();
        let name = if self.is_keyword("on") {
            None
        } else {
            Some(self.name()?)
        };
        self.expect_keyword("on")?;
        let table = self.qualified_name()?;
        self.expect_symbol("(")?;
        let mut targets = Vec::new();
        loop {
            if self.is_symbol("(") {
                for name in self.parenthesized(Self::name)? {
                    targets.push((None, name));
                }
            } else {
                targets.push(self.index_target()?);
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        let class = if self.keyword("using") {
            Some(self.string()?)
        } else {
            None
        };
        let mut options = Vec::new();
        if self.keyword("with") {
            let (_, value) = self.property()?;
            if let PropertyValue::Map(entries) = value {
                options = entries;
            }
        }
        Ok(CreateIndex {
            name,
            if_not_exists,
            custom,
            table,
            targets,
            class,
            options,
        })
    }

    fn index_target(&mut self) -> Parse<(Option<String>, String)> {
        let kind = self.peek().text.to_ascii_lowercase();
        if self.is_symbol_at(1, "(")
            && ["keys", "values", "entries", "full"].contains(&kind.as_str())
        {
            self.bump();
            self.expect_symbol("(")?;
            let column = self.name()?;
            self.expect_symbol(")")?;
            Ok((Some(kind), column))
        } else {
            Ok((None, self.name()?))
        }
    }

    fn create_view(&mut self) -> Parse<CreateView> {
        let if_not_exists = self.if_not_exists();
        let name = self.qualified_name()?;
        self.expect_keyword("as")?;
        self.expect_keyword("select")?;
        let columns = if self.symbol("*") {
            Vec::new()
        } else {
            self.comma_list(Self::name)?
        };
        self.expect_keyword("from")?;
        let base = self.qualified_name()?;
        self.expect_keyword("where")?;
        let from = self.position();
        let relations = self.relations()?;
        let where_text = self.source(from).to_owned();
        self.expect_keyword("primary")?;
        self.expect_keyword("key")?;
        let (partition_key, clustering) = self.primary_key()?;
        let with = if self.is_keyword("with") {
            self.table_with()?
        } else {
            TableWith::default()
        };
        Ok(CreateView {
            name,
            if_not_exists,
            base,
            columns,
            relations,
            where_text,
            partition_key,
            clustering,
            with,
        })
    }
}
