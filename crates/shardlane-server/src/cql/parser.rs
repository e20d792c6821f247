//! The parser's core: tokens, names and the choice of statement.

use super::ast::{BatchKind, QualifiedName, Statement};
use super::lexer::{Kind, Lexer, Token};
use super::{Parsed, SyntaxError};

/// Words that cannot be names without quotes (the CQL grammar's reserved keywords).
const RESERVED: &[&str] = &[
    "add",
    "allow",
    "alter",
    "and",
    "apply",
    "asc",
    "authorize",
    "batch",
    "begin",
    "by",
    "columnfamily",
    "create",
    "delete",
    "desc",
    "describe",
    "drop",
    "entries",
    "execute",
    "from",
    "full",
    "grant",
    "if",
    "in",
    "index",
    "infinity",
    "insert",
    "into",
    "is",
    "keyspace",
    "limit",
    "modify",
    "nan",
    "norecursive",
    "not",
    "null",
    "of",
    "on",
    "or",
    "order",
    "primary",
    "rename",
    "replace",
    "revoke",
    "schema",
    "select",
    "set",
    "table",
    "to",
    "token",
    "truncate",
    "unlogged",
    "update",
    "use",
    "using",
    "view",
    "where",
    "with",
];

/// Terms nested deeper than this are refused, so that hostile input cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    pub(super) markers: Vec<Option<String>>,
}

pub(super) type Parse<T> = Result<T, SyntaxError>;

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Parse<Self> {
        Ok(Self {
            text,
            tokens: Lexer::new(text).all()?,
            at: 0,
            depth: 0,
            markers: Vec::new(),
        })
    }

    pub(super) fn statement(mut self) -> Parse<Parsed> {
        let statement = self.any_statement()?;
        while self.symbol(";") {}
        if self.peek().kind != Kind::End {
            return Err(self.unexpected());
        }
        Ok(Parsed {
            statement,
            markers: self.markers,
        })
    }

    fn any_statement(&mut self) -> Parse<Statement> {
        let word = self.peek().text.to_ascii_lowercase();
        match word.as_str() {
            "select" => self.select().map(Statement::Select),
            "insert" | "update" | "delete" => self.modification().map(Statement::Modify),
            "begin" => self.batch().map(Statement::Batch),
            "truncate" => {
                self.bump();
                self.keyword("table");
                self.qualified_name().map(Statement::Truncate)
            }
            "use" => {
                self.bump();
                self.name().map(Statement::Use)
            }
            "create" | "alter" | "drop" if self.is_role_statement() => {
                self.role().map(Statement::Role)
            }
            "create" | "alter" | "drop" => self.ddl().map(Statement::Ddl),
            "grant" | "revoke" | "list" => self.role().map(Statement::Role),
            _ => Err(self.unexpected()),
        }
    }

    fn is_role_statement(&self) -> bool {
        let next = self.peek_at(1).text;
        next.eq_ignore_ascii_case("role") || next.eq_ignore_ascii_case("user")
    }

    pub(super) fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at]
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token<'a> {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub(super) fn bump(&mut self) -> Token<'a> {
        let token = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rewind(&mut self, at: usize, markers: usize) {
        self.at = at;
        self.markers.truncate(markers);
    }

    /// The source from the token at `from` to the current one, not included.
    pub(super) fn source(&self, from: usize) -> &'a str {
        let (start, end) = (self.tokens[from].start, self.tokens[self.at].start);
        self.text[start..end].trim_end()
    }

    pub(super) fn unexpected(&self) -> SyntaxError {
        let token = self.peek();
        let shown = if token.kind == Kind::End {
            "<EOF>"
        } else {
            token.text
        };
        self.error_here(format!("no viable alternative at input '{shown}'"))
    }

    pub(super) fn error_here(&self, message: impl Into<String>) -> SyntaxError {
        let token = self.peek();
        SyntaxError {
            line: token.line,
            column: token.column,
            message: message.into(),
        }
    }

    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.is_keyword_at(0, word)
    }

    pub(super) fn is_keyword_at(&self, ahead: usize, word: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        if found {
            self.bump();
        }
        found
    }

    /// All of `words` in a row, or none.
    pub(super) fn keywords(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.is_keyword_at(ahead, word));
        if found {
            for _ in words {
                self.bump();
            }
        }
        found
    }

    pub(super) fn expect_keyword(&mut self, word: &str) -> Parse<()> {
        if self.keyword(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    pub(super) fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        let token = self.peek_at(ahead);
        token.kind == Kind::Symbol && token.text == symbol
    }

    pub(super) fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.bump();
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Parse<()> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A name at the current token, without consuming it.
    pub(super) fn peek_name(&self) -> Option<String> {
        let token = self.peek();
        match &token.kind {
            Kind::QuotedName(name) => Some(name.clone()),
            Kind::Word => {
                let name = token.text.to_lowercase();
                (!RESERVED.contains(&name.as_str())).then_some(name)
            }
            // `d` and `p1y` are words that happen to be durations or the like
            Kind::Duration(_) if token.text.starts_with(char::is_alphabetic) => {
                Some(token.text.to_lowercase())
            }
            _ => None,
        }
    }

    pub(super) fn name(&mut self) -> Parse<String> {
        match self.peek_name() {
            Some(name) => {
                self.bump();
                Ok(name)
            }
            None => Err(self.unexpected()),
        }
    }

    pub(super) fn qualified_name(&mut self) -> Parse<QualifiedName> {
        let name = self.name()?;
        if self.symbol(".") {
            Ok(QualifiedName {
                keyspace: Some(name),
                name: self.name()?,
            })
        } else {
            Ok(QualifiedName {
                keyspace: None,
                name,
            })
        }
    }

    pub(super) fn string(&mut self) -> Parse<String> {
        match &self.peek().kind {
            Kind::String(text) => {
                let text = text.clone();
                self.bump();
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `item, item, ...`
    pub(super) fn comma_list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        let mut out = vec![item(self)?];
        while self.symbol(",") {
            out.push(item(self)?);
        }
        Ok(out)
    }

    /// `(item, item, ...)`
    pub(super) fn parenthesized<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<Vec<T>> {
        self.expect_symbol("(")?;
        let out = self.comma_list(item)?;
        self.expect_symbol(")")?;
        Ok(out)
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error_here("too deeply nested"));
        }
        self.depth += 1;
        let out = inner(self);
        self.depth -= 1;
        out
    }

    pub(super) fn if_not_exists(&mut self) -> bool {
        self.keywords(&["if", "not", "exists"])
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.keywords(&["if", "exists"])
    }

    pub(super) fn batch_kind(&mut self) -> BatchKind {
        if self.keyword("unlogged") {
            BatchKind::Unlogged
        } else if self.keyword("counter") {
            BatchKind::Counter
        } else {
            self.keyword("logged");
            BatchKind::Logged
        }
    }
}
