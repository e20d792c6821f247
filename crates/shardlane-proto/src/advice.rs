//! Questions that the machines put to the application's own code, and its answers.
//!
//! A machine cannot call code that may block or take locks. So a question leaves as an
//! [`Effect::Ask`](crate::Effect::Ask), whoever can answer it takes as long as it takes on a thread of its own, and
//! the answer comes back through [`Engine::handle_advice`](crate::Engine::handle_advice). Meanwhile everything else
//! goes on, and the deadlines of whoever asked still count.

use std::fmt;
use std::net::SocketAddr;

use shardlane_wire::Consistency;

use crate::error::Attempt;
use crate::policy::Decision;

/// Names a question until it is answered. Numbers are not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(pub(crate) u64);

/// Bytes of a login. They may be a password, so `Debug` shows only how many there are.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// What the application is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// The next step of a login.
    Login {
        /// Tells logins apart: each connection has one of its own.
        login: u64,
        /// The node that wants it.
        address: SocketAddr,
        /// The class of the server's authenticator.
        class: String,
        /// What it wants to know.
        step: LoginStep,
    },
    /// What follows a failed attempt of a request. Answered with [`Advice::Retry`].
    Retry(Box<RetryQuestion>),
}

/// A failed attempt of a request whose policy is `Retry::Advisor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryQuestion {
    /// Which of the application's policies is asked.
    pub advisor: u32,
    /// The attempt that has failed.
    pub attempt: Attempt,
    /// Attempts that have failed before it.
    pub failed_before: usize,
    /// Whether the request may be repeated although it may have taken effect.
    pub idempotent: bool,
    /// Whether it may have taken effect.
    pub maybe_executed: bool,
    /// The consistency asked for.
    pub consistency: Consistency,
}

/// What a login has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginStep {
    /// It begins: what to say first? Answered with [`Advice::Token`].
    Start,
    /// The server has sent a challenge. Answered with [`Advice::Token`].
    Challenge(Secret),
    /// The server is content, and proves itself with this (it may be empty). Answered with
    /// [`Advice::Accept`] if that will do.
    Success(Secret),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Bytes to send to the server.
    Token(Secret),
    /// Go on.
    Accept,
    /// What follows a failed attempt.
    Retry(Decision),
}

/// The application's code did not answer, but failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdviceError {
    /// What happened, in words.
    pub message: String,
    /// The number under which whoever was asked has kept more about it; 0 for nothing.
    pub cause: u64,
}

impl fmt::Display for AdviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AdviceError {}
