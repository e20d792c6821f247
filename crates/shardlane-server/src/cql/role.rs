//! Roles and permissions: enough to recognise the statements.

use super::ast::RoleStatement;
use super::lexer::Kind;
use super::parser::{Parse, Parser};

impl Parser<'_> {
    pub(super) fn role(&mut self) -> Parse<RoleStatement> {
        let verb = self.bump().text.to_ascii_lowercase();
        let statement = match verb.as_str() {
            "grant" => RoleStatement::Grant,
            "revoke" => RoleStatement::Revoke,
            "list" if self.is_keyword("roles") || self.is_keyword("users") => {
                RoleStatement::ListRoles
            }
            "list"
                if self.is_keyword("all")
                    || self.is_keyword_at(1, "permission")
                    || self.is_keyword_at(1, "permissions") =>
            {
                RoleStatement::ListPermissions
            }
            "list" => return Err(self.unexpected()),
            _ => self.role_definition(&verb)?,
        };
        // options and permission names have no effect here
        while self.peek().kind != Kind::End && !self.is_symbol(";") {
            self.bump();
        }
        Ok(statement)
    }

    fn role_definition(&mut self, verb: &str) -> Parse<RoleStatement> {
        self.bump();
        match verb {
            "create" => {
                let if_not_exists = self.if_not_exists();
                Ok(RoleStatement::Create {
                    name: self.role_name()?,
                    if_not_exists,
                })
            }
            "alter" => {
                self.if_exists();
                Ok(RoleStatement::Alter(self.role_name()?))
            }
            _ => {
                let if_exists = self.if_exists();
                Ok(RoleStatement::Drop {
                    name: self.role_name()?,
                    if_exists,
                })
            }
        }
    }

    fn role_name(&mut self) -> Parse<String> {
        if matches!(self.peek().kind, Kind::String(_)) {
            self.string()
        } else {
            self.name()
        }
    }
}
