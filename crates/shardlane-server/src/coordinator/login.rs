//! Logging in: SASL PLAIN, and an exchange of challenges for tests of clients that can do more.

use shardlane_wire::request::AuthResponse;
use shardlane_wire::{ErrorBody, ErrorDetail, Response};

use super::errors;
use super::task::Client;
use crate::config::Authenticator;
use crate::engine::md5;
use crate::net::connection::Phase;
use crate::node::shard::Shard;

/// Rounds of the exchange.
const CHALLENGES: u8 = 2;

/// How far an exchange of challenges has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Which user it is about.
    user: usize,
    nonce: [u8; 16],
    /// Challenges that were sent.
    sent: u8,
}

impl Authenticator {
    /// The class, by which drivers know what is wanted.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "org.apache.cassandra.auth.PasswordAuthenticator",
            Self::Challenge => "com.shardlane.ChallengeAuthenticator",
        }
    }
}

/// What follows a token.
enum Verdict {
    Refused,
    Challenge(Exchange),
    Welcome(Vec<u8>),
}

impl Shard {
    pub(crate) fn on_credentials(&mut self, client: &Client, message: &AuthResponse<'_>) {
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        if connection.phase != Phase::Authenticating {
            let error = errors::protocol("Unexpected message AUTH_RESPONSE");
            return self.respond_error(client, error);
        }
        let exchange = connection.exchange.take();
        let token = message.token.unwrap_or_default();
        let verdict = match self.shared.config.authenticator {
            Authenticator::Plain => self.judge_plain(token),
            Authenticator::Challenge => self.judge_exchange(token, exchange),
        };
        let Some(connection) = self.connection(client.connection) else {
            return;
        };
        match verdict {
            Verdict::Welcome(token) => {
                connection.phase = Phase::Ready;
                self.respond(client, &Response::AuthSuccess(Some(&token)), &[]);
            }
            Verdict::Challenge(exchange) => {
                connection.exchange = Some(exchange);
                self.respond(client, &Response::AuthChallenge(Some(&exchange.nonce)), &[]);
            }
            Verdict::Refused => {
                let message = "Username and/or password are incorrect";
                let error = ErrorBody::new(message, ErrorDetail::AuthenticationError);
                self.respond_error(client, error);
            }
        }
    }

    fn judge_plain(&self, token: &[u8]) -> Verdict {
        let users = self.shared.users();
        let mut users = users.iter();
        let is_known = plain_credentials(token).is_some_and(|(user, password)| {
            users.any(|known| known.user == user && known.password == password)
        });
        if is_known {
            Verdict::Welcome(Vec::new())
        } else {
            Verdict::Refused
        }
    }

    /// First comes the user's name. To each challenge the answer is the MD5 of challenge and password; at the end
    /// the server proves itself with that of password and challenge. It shows that messages go to and fro as they
    /// should, and is no good for anything else.
    fn judge_exchange(&mut self, token: &[u8], exchange: Option<Exchange>) -> Verdict {
        let users = self.shared.users();
        let (user, sent) = match exchange {
            None => match users
                .iter()
                .position(|known| known.user.as_bytes() == token)
            {
                Some(user) => (user, 0),
                None => return Verdict::Refused,
            },
            Some(Exchange { user, nonce, sent }) => {
                // They may have changed meanwhile.
                let Some(known) = users.get(user) else {
                    return Verdict::Refused;
                };
                let password = known.password.as_bytes();
                if token != md5(&[&nonce[..], password].concat()) {
                    return Verdict::Refused;
                }
                if sent == CHALLENGES {
                    let proof = md5(&[password, &nonce[..]].concat());
                    return Verdict::Welcome(proof.to_vec());
                }
                (user, sent)
            }
        };
        let mut nonce = [0; 16];
        for half in nonce.chunks_exact_mut(8) {
            half.copy_from_slice(&self.rng.next_u64().to_be_bytes());
        }
        let sent = sent + 1;
        Verdict::Challenge(Exchange { user, nonce, sent })
    }
}

/// User and password of a SASL PLAIN token (RFC 4616): authorization identity, NUL, user, NUL,
/// password.
fn plain_credentials(token: &[u8]) -> Option<(&str, &str)> {
    let mut parts = token.split(|byte| *byte == 0);
    let (_authorize_as, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((
        std::str::from_utf8(user).ok()?,
        std::str::from_utf8(password).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::plain_credentials;

    #[test]
    fn plain_tokens_have_three_parts() {
        assert_eq!(plain_credentials(b"\0ada\0secret"), Some(("ada", "secret")));
        assert_eq!(
            plain_credentials(b"as\0ada\0secret"),
            Some(("ada", "secret"))
        );
        assert_eq!(plain_credentials(b"ada\0secret"), None);
        assert_eq!(plain_credentials(b"\0ada\0sec\0ret"), None);
        assert_eq!(plain_credentials(b"\0ada\0\xFF"), None);
        assert_eq!(plain_credentials(b""), None);
    }
}
