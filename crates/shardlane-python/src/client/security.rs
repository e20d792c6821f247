//! Options that concern who may talk to whom: logins.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use shardlane_proto::{AllowedAuthenticators, Credentials, Login};

/// How to log in. `asks`: the kinds of questions that the application answers.
pub(super) fn login(
    username: Option<String>,
    password: Option<String>,
    asks: &[String],
) -> PyResult<Login> {
    let bad = |message: &str| Err(PyValueError::new_err(message.to_owned()));
    let is_asked = asks.iter().any(|lane| lane == "login");
    match (username, password) {
        (Some(_), Some(_)) if is_asked => bad("give username and password, or auth, not both"),
        (Some(username), Some(password)) => Ok(Login::Password(Credentials { username, password })),
        (None, None) if is_asked => Ok(Login::Ask),
        (None, None) => Ok(Login::None),
        _ => bad("give both username and password, or neither"),
    }
}

/// `None`: those that are known. `"*"` among them: any.
pub(super) fn allowed_authenticators(classes: Option<Vec<String>>) -> AllowedAuthenticators {
    match classes {
        None => AllowedAuthenticators::Known,
        Some(classes) if classes.iter().any(|c| c == "*") => AllowedAuthenticators::Any,
        Some(classes) => AllowedAuthenticators::These(classes),
    }
}
