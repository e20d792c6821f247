//! The login inside the handshake: AUTHENTICATE -> AUTH_RESPONSE -> [AUTH_CHALLENGE -> AUTH_RESPONSE ...] ->
//! AUTH_SUCCESS (native_protocol_v4.spec, sections 4.1.2 and 4.2.3).
//!
//! With a user name and a password it is one step (SASL PLAIN). Otherwise the application is asked for each step;
//! the server is not heard meanwhile, and `connect_timeout` counts all of it.

use shardlane_wire::request::AuthResponse;
use shardlane_wire::{Dialect, Request};

use super::handshake::{Handshake, Session, Step, encode};
use crate::advice::{Advice, AdviceError, LoginStep, Secret};
use crate::config::{Config, Credentials, Login};
use crate::error::ConnectionError;

/// Challenges of one login; SCRAM has two. A server that goes on for ever would keep us busy for nothing.
const CHALLENGES_MAX: u8 = 32;

/// A login of which the application is asked.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    session: Session,
    class: String,
    challenges: u8,
}

/// AUTHENTICATE has come.
pub(super) fn begin(
    config: &Config,
    session: Session,
    class: &str,
) -> Result<Step, ConnectionError> {
    match &config.login {
        Login::Password(credentials) if config.allowed_authenticators.allows(class) => {
            Ok(Step::Send {
                opcode: shardlane_wire::Opcode::AuthResponse,
                body: plain(credentials)?,
                next: Handshake::AwaitAuthSuccess(session),
            })
        }
        Login::Password(_) => Err(ConnectionError::Authentication(format!(
            "the server's authenticator {class} is not known to want a password in plain, so none was sent \
             (allowed_authenticators= names those that may have it)"
        ))),
        Login::None => Err(ConnectionError::Authentication(format!(
            "the server wants a login ({class}) and no credentials were given"
        ))),
        Login::Ask => {
            let class = class.to_owned();
            let dialog = Dialog {
                session,
                class,
                challenges: 0,
            };
            Ok(dialog.ask(LoginStep::Start))
        }
    }
}

impl Dialog {
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    fn ask(self, step: LoginStep) -> Step {
        let class = self.class.clone();
        let next = match step {
            LoginStep::Success(_) => Handshake::AwaitVerdict(self),
            _ => Handshake::AwaitToken(self),
        };
        Step::Ask { class, step, next }
    }

    /// AUTH_CHALLENGE has come.
    pub(super) fn challenged(mut self, token: Option<&[u8]>) -> Result<Step, ConnectionError> {
        if self.challenges == CHALLENGES_MAX {
            return Err(ConnectionError::Authentication(format!(
                "the server has sent more than {CHALLENGES_MAX} challenges in one login"
            )));
        }
        self.challenges += 1;
        Ok(self.ask(LoginStep::Challenge(secret(token))))
    }

    /// AUTH_SUCCESS has come.
    pub(super) fn succeeded(self, token: Option<&[u8]>) -> Step {
        self.ask(LoginStep::Success(secret(token)))
    }
}

/// The application has answered.
pub(super) fn advised(
    waiting: Handshake,
    answer: Result<Advice, AdviceError>,
) -> Result<Step, ConnectionError> {
    match (waiting, answer) {
        (_, Err(error)) => Err(ConnectionError::Advice(error)),
        (Handshake::AwaitToken(dialog), Ok(Advice::Token(Secret(token)))) => Ok(Step::Send {
            opcode: shardlane_wire::Opcode::AuthResponse,
            body: response(&token)?,
            next: Handshake::AwaitDialog(dialog),
        }),
        (Handshake::AwaitVerdict(dialog), Ok(Advice::Accept)) => Ok(Step::Done(dialog.session)),
        (_, Ok(_)) => Err(ConnectionError::Authentication(
            "the answer does not fit the question".to_owned(),
        )),
    }
}

fn secret(token: Option<&[u8]>) -> Secret {
    Secret(token.unwrap_or_default().to_vec())
}

/// SASL PLAIN (RFC 4616): empty authorization id, user name, password.
fn plain(Credentials { username, password }: &Credentials) -> Result<Vec<u8>, ConnectionError> {
    response(&[b"\0", username.as_bytes(), b"\0", password.as_bytes()].concat())
}

fn response(token: &[u8]) -> Result<Vec<u8>, ConnectionError> {
    // Laid out alike in every version.
    let request = Request::AuthResponse(AuthResponse { token: Some(token) });
    encode(&request, Dialect::V4)
}
