//! Logins of which the application is asked, and to whom a password is sent.

use super::*;
use crate::advice::Secret;
use crate::config::AllowedAuthenticators;

const SASL: &str = "com.example.ScramAuthenticator";

/// A connection to which AUTHENTICATE has come.
fn asked(class: &str, adapt: impl FnOnce(&mut Config)) -> (Bench, Result<(), ConnectionError>) {
    let mut bench = Bench::new(adapt);
    bench.answer(0, &supported()).unwrap();
    bench.sent();
    let result = bench.answer(0, &Response::Authenticate(class));
    (bench, result)
}

fn by_application(config: &mut Config) {
    config.login = Login::Ask;
}

fn token(bytes: &[u8]) -> Result<Advice, AdviceError> {
    Ok(Advice::Token(Secret(bytes.to_vec())))
}

#[test]
fn the_application_answers_challenge_after_challenge() {
    let (mut bench, result) = asked(SASL, by_application);
    result.unwrap();
    assert_eq!(bench.events(), [format!("ask {SASL} Start")]);
    assert!(bench.sent().is_empty(), "nothing is sent before the answer");
    bench.conn.handle_advice(token(b"first")).unwrap();
    let sent = bench.sent();
    assert_eq!(
        sent,
        [(0, Opcode::AuthResponse, b"\0\0\0\x05first".to_vec())]
    );
    for round in [b"one", b"two"] {
        bench
            .answer(0, &Response::AuthChallenge(Some(round)))
            .unwrap();
        assert_eq!(
            bench.events(),
            [format!("ask {SASL} Challenge(Secret(3 bytes))")]
        );
        bench.conn.handle_advice(token(round)).unwrap();
        assert_eq!(bench.sent()[0].2[4..], round[..]);
    }
    bench.answer(0, &Response::AuthSuccess(None)).unwrap();
    assert_eq!(
        bench.events(),
        [format!("ask {SASL} Success(Secret(0 bytes))")]
    );
    bench.conn.handle_advice(Ok(Advice::Accept)).unwrap();
    assert_eq!(bench.events(), ["established"]);
}

#[test]
fn an_application_that_fails_or_answers_something_else_ends_the_connection() {
    let failure = AdviceError {
        message: "no ticket".to_owned(),
        cause: 7,
    };
    let (mut bench, _) = asked(SASL, by_application);
    let end = bench.conn.handle_advice(Err(failure.clone())).unwrap_err();
    assert_eq!(end, ConnectionError::Advice(failure));
    assert!(end.is_authentication());

    let (mut bench, _) = asked(SASL, by_application);
    let end = bench.conn.handle_advice(Ok(Advice::Accept)).unwrap_err();
    assert!(matches!(end, ConnectionError::Authentication(_)), "{end:?}");
}

#[test]
fn an_application_that_says_nothing_meets_the_connect_timeout() {
    let (mut bench, _) = asked(SASL, by_application);
    let patience = bench.conn.config.connect_timeout;
    assert_eq!(bench.conn.next_timeout(), START + patience);
    let end = bench.conn.handle_timeout(START + patience).unwrap_err();
    assert_eq!(end, ConnectionError::HandshakeTimeout(patience));
}

#[test]
fn challenges_without_end_are_given_up() {
    let (mut bench, _) = asked(SASL, by_application);
    let mut rounds = 0;
    let end = loop {
        bench.conn.handle_advice(token(b"x")).unwrap();
        if let Err(end) = bench.answer(0, &Response::AuthChallenge(None)) {
            break end;
        }
        rounds += 1;
        assert!(rounds < 1000);
    };
    assert!(end.is_authentication(), "{end:?}");
}

#[test]
fn a_server_that_speaks_while_the_application_thinks_breaks_the_protocol() {
    let (mut bench, _) = asked(SASL, by_application);
    let end = bench.answer(0, &Response::Ready).unwrap_err();
    assert!(matches!(end, ConnectionError::Protocol(_)), "{end:?}");
}

#[test]
fn a_password_goes_only_to_authenticators_that_are_allowed() {
    let known = || AllowedAuthenticators::Known;
    let these = |name: &str| AllowedAuthenticators::These(vec![name.to_owned()]);
    let cases = [
        (
            "org.apache.cassandra.auth.PasswordAuthenticator",
            known(),
            true,
        ),
        ("com.scylladb.auth.SaslauthdAuthenticator", known(), true),
        (SASL, known(), false),
        ("com.example.PasswordAuthenticatorEvil", known(), false),
        (SASL, these(SASL), true),
        (SASL, these("ScramAuthenticator"), true),
        (SASL, AllowedAuthenticators::Any, true),
        (
            "org.apache.cassandra.auth.PasswordAuthenticator",
            these(SASL),
            false,
        ),
    ];
    for (class, allowed, is_sent) in cases {
        let name = format!("{class} with {allowed:?}");
        let (mut bench, result) = asked(class, |config| {
            config.login = Login::Password(Credentials {
                username: "ann".to_owned(),
                password: "secret".to_owned(),
            });
            config.allowed_authenticators = allowed;
        });
        assert_eq!(result.is_ok(), is_sent, "{name}");
        assert_eq!(bench.sent().len(), usize::from(is_sent), "{name}");
        if let Err(error) = result {
            assert!(error.is_authentication(), "{name}: {error:?}");
            assert!(error.to_string().contains(class), "{name}: {error}");
        }
    }
}
