//! Characters to tokens.

use super::SyntaxError;
use super::duration::Duration;

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted word; `text` of the token is as written.
    Word,
    /// A quoted name, unescaped.
    QuotedName(String),
    /// A string, unescaped.
    String(String),
    Integer,
    Float,
    Uuid([u8; 16]),
    Hex(Vec<u8>),
    Duration(Duration),
    /// `?`
    Marker,
    /// One of the operators and brackets; `text` says which.
    Symbol,
    End,
}

/// A token with its place.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            line_start: 0,
        }
    }

    pub(super) fn all(mut self) -> Result<Vec<Token<'a>>, SyntaxError> {
        let mut out = Vec::with_capacity(self.text.len() / 4 + 2);
        loop {
            let token = self.next()?;
            let end = token.kind == Kind::End;
            out.push(token);
            if end {
                return Ok(out);
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, start: usize, message: impl Into<String>) -> SyntaxError {
        let column = self.text[self.line_start.min(start)..start].chars().count();
        SyntaxError {
            line: self.line,
            column,
            message: message.into(),
        }
    }

    fn newlines(&mut self, from: usize, to: usize) {
        for (at, byte) in self.text.as_bytes()[from..to].iter().enumerate() {
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = from + at + 1;
            }
        }
    }

    fn skip_blank(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            let from = self.at;
            self.at += rest.len() - trimmed.len();
            self.newlines(from, self.at);
            if trimmed.starts_with("--") || trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let Some(end) = trimmed.find("*/") else {
                    return Err(self.error(self.at, "unterminated comment"));
                };
                self.newlines(self.at, self.at + end);
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token<'a>, SyntaxError> {
        self.skip_blank()?;
        let start = self.at;
        let (line, column) = (self.line, self.text[self.line_start..start].chars().count());
        let (kind, len) = self.scan()?;
        self.at += len;
        self.newlines(start, self.at);
        Ok(Token {
            kind,
            text: &self.text[start..self.at],
            start,
            line,
            column,
        })
    }

    fn scan(&self) -> Result<(Kind, usize), SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok((Kind::End, 0));
        };
        match first {
            '\'' => self
                .quoted(rest, '\'')
                .map(|(text, len)| (Kind::String(text), len)),
            '"' => self
                .quoted(rest, '"')
                .map(|(text, len)| (Kind::QuotedName(text), len)),
            '$' if rest.starts_with("$$") => match rest[2..].find("$$") {
                Some(end) => Ok((Kind::String(rest[2..2 + end].to_owned()), end + 4)),
                None => Err(self.error(self.at, "unterminated $$ string")),
            },
            '?' => Ok((Kind::Marker, 1)),
            _ if first.is_ascii_hexdigit() && uuid(rest).is_some() => uuid(rest)
                .map(|id| (Kind::Uuid(id), 36))
                .ok_or_else(|| self.error(self.at, "bad UUID")),
            '0'..='9' => self.number(rest),
            'P' | 'p'
                if rest.len() > 1
                    && (rest.as_bytes()[1].is_ascii_digit() || rest.as_bytes()[1] == b'T') =>
            {
                Ok(iso_duration(rest).unwrap_or_else(|| (Kind::Word, word_len(rest))))
            }
            _ if first.is_alphabetic() || first == '_' => Ok((Kind::Word, word_len(rest))),
            _ => {
                for symbol in ["<=", ">=", "!=", "+=", "-=", ".."] {
                    if rest.starts_with(symbol) {
                        return Ok((Kind::Symbol, 2));
                    }
                }
                if "()[]{}<>=,.;:*+-/%".contains(first) {
                    Ok((Kind::Symbol, 1))
                } else {
                    Err(self.error(
                        self.at,
                        format!("no viable alternative at character '{first}'"),
                    ))
                }
            }
        }
    }

    fn quoted(&self, rest: &str, quote: char) -> Result<(String, usize), SyntaxError> {
        let mut out = String::new();
        let mut from = 1;
        loop {
            let Some(end) = rest[from..].find(quote) else {
                return Err(self.error(self.at, format!("unterminated string, expecting {quote}")));
            };
            out.push_str(&rest[from..from + end]);
            from += end + 1;
            if rest[from..].starts_with(quote) {
                out.push(quote);
                from += 1;
            } else {
                return Ok((out, from));
            }
        }
    }

    fn number(&self, rest: &str) -> Result<(Kind, usize), SyntaxError> {
        if rest.starts_with("0x") || rest.starts_with("0X") {
            let len = rest[2..]
                .find(|c: char| !c.is_ascii_hexdigit())
                .unwrap_or(rest.len() - 2);
            let digits = &rest[2..2 + len];
            return match unhex(digits) {
                Some(bytes) => Ok((Kind::Hex(bytes), len + 2)),
                None => Err(self.error(
                    self.at,
                    format!("odd number of hexadecimal digits in '0x{digits}'"),
                )),
            };
        }
        let bytes = rest.as_bytes();
        let digits = |from: usize| {
            from + bytes[from..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let mut end = digits(0);
        if end < bytes.len() && (bytes[end].is_ascii_alphabetic() || bytes[end] >= 0x80) {
            let len = word_len(rest);
            if let Some(duration) = Duration::parse(&rest[..len]) {
                return Ok((Kind::Duration(duration), len));
            }
        }
        let mut float = false;
        if end < bytes.len() && bytes[end] == b'.' && bytes.get(end + 1).is_none_or(|b| *b != b'.')
        {
            float = true;
            end = digits(end + 1);
        }
        if end < bytes.len() && matches!(bytes[end], b'e' | b'E') {
            let sign = usize::from(bytes.get(end + 1).is_some_and(|b| matches!(b, b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                float = true;
                end = after;
            }
        }
        Ok((if float { Kind::Float } else { Kind::Integer }, end))
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

fn iso_duration(rest: &str) -> Option<(Kind, usize)> {
    let alternative = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == ':'))
        .unwrap_or(rest.len());
    [alternative, word_len(rest)].into_iter().find_map(|len| {
        Duration::parse(&rest[..len]).map(|duration| (Kind::Duration(duration), len))
    })
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

/// A UUID at the beginning of `text`, not followed by another word character.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() < 36
        || bytes
            .get(36)
            .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
    {
        return None;
    }
    let mut out = [0; 16];
    let mut nibbles = 0;
    for (at, byte) in bytes[..36].iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            let digit = char::from(*byte).to_digit(16)?;
            out[nibbles / 2] = out[nibbles / 2] << 4 | digit as u8;
            nibbles += 1;
        }
    }
    Some(out)
}
