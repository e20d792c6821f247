//! CQL text to syntax trees: a hand-written lexer and recursive descent parser.
//!
//! Nothing here knows a schema. Names are folded to lower case unless quoted, bind markers are numbered in
//! the order of the text, and errors carry line and column in the form ScyllaDB reports them.

pub mod ast;
mod ddl;
mod ddl_function;
mod duration;
mod lexer;
mod modify;
mod parser;
mod role;
mod select;
mod term;
mod types;

use std::fmt;

pub use ast::Statement;
pub use duration::Duration;

/// The text is not CQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// 1-based line.
    pub line: usize,
    /// 0-based column, as ANTLR and so ScyllaDB counts.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:{} {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// A statement and its bind markers.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The statement.
    pub statement: Statement,
    /// Names of the bind markers in the order of the text; `None` for `?`.
    pub markers: Vec<Option<String>>,
}

/// Parses one statement, with or without a semicolon at its end.
pub fn parse(text: &str) -> Result<Parsed, SyntaxError> {
    parser::Parser::new(text)?.statement()
}

#[cfg(test)]
mod tests;
