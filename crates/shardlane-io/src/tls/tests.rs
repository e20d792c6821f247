//! TLS without sockets: a server of rustls's own at the other end of two buffers.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;

use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2;
use pkcs8::{PrivateKeyInfo, SecretDocument};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{HandshakeKind, ServerConfig, ServerConnection};
use shardlane_proto::ConnectionError;

use super::*;

/// A CA, and a server's certificate of it for 127.0.0.1 and db.test.
struct World {
    ca_pem: String,
    server: Arc<ServerConfig>,
    certificate_pem: String,
    key: KeyPair,
}

fn world() -> World {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![
        SanType::IpAddress(Ipv4Addr::LOCALHOST.into()),
        SanType::DnsName("db.test".try_into().unwrap()),
    ];
    let certificate = params.signed_by(&key, &ca).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    World {
        ca_pem: ca.pem(),
        server: Arc::new(server),
        certificate_pem: certificate.pem(),
        key,
    }
}

fn options(world: &World) -> TlsOptions {
    TlsOptions {
        ca_pem: world.ca_pem.clone().into_bytes(),
        ca_der: Vec::new(),
        system_roots: false,
        identity: None,
        server_name: None,
        verification: Verification::Full,
        min_version: TlsVersion::V1_2,
        max_version: TlsVersion::V1_3,
    }
}

/// The client's socket: gives and takes at most so many bytes in one call, and then blocks once.
struct Wire {
    to_client: VecDeque<u8>,
    to_server: Vec<u8>,
    piece: usize,
    is_closed: bool,
    /// Every second call would block.
    turn: bool,
}

impl Wire {
    fn new(piece: usize) -> Self {
        Self {
            to_client: VecDeque::new(),
            to_server: Vec::new(),
            piece,
            is_closed: false,
            turn: false,
        }
    }

    fn blocks(&mut self) -> bool {
        self.turn = !self.turn;
        self.turn && self.piece < 1000
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.to_client.is_empty() && self.is_closed {
            return Ok(0);
        }
        if self.to_client.is_empty() || self.blocks() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = buffer.len().min(self.piece);
        self.to_client.read(&mut buffer[..most])
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.blocks() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.piece);
        self.to_server.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    client: TlsStream,
    server: ServerConnection,
    wire: Wire,
    raw: Vec<u8>,
    /// What the server has read.
    received: Vec<u8>,
}

impl Pair {
    fn new(world: &World, tls: &Tls, name: Option<&str>, piece: usize) -> Self {
        Self {
            client: tls.connect(Ipv4Addr::LOCALHOST.into(), name).unwrap(),
            server: ServerConnection::new(world.server.clone()).unwrap(),
            wire: Wire::new(piece),
            raw: vec![0; 8 << 10],
            received: Vec::new(),
        }
    }

    /// Has the server take in what has come, and send what it has to.
    fn serve(&mut self) {
        let arrived = std::mem::take(&mut self.wire.to_server);
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            self.server.read_tls(&mut rest).unwrap();
            // An error makes an alert, which is what the client is to see.
            let _ = self.server.process_new_packets();
            // Would block: nothing more yet.
            let _ = self.server.reader().read_to_end(&mut self.received);
        }
        while self.server.wants_write() {
            let mut sent = Vec::new();
            self.server.write_tls(&mut sent).unwrap();
            self.wire.to_client.extend(sent);
        }
    }

    fn shake_hands(&mut self) -> Result<(), TlsError> {
        for _ in 0..100_000 {
            let done = self.client.handshake(&mut self.wire, &mut self.raw)?;
            self.serve();
            if done && !self.server.is_handshaking() {
                return Ok(());
            }
        }
        panic!("no end of the handshake")
    }

    /// Sends from the client, and returns what the server has read.
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut sent = 0;
        while sent < bytes.len() || self.client.wants_write() {
            match self.client.write(&mut self.wire, &bytes[sent..]) {
                Ok(count) => sent += count,
                Err(Trouble::WouldBlock) => {}
                Err(Trouble::Over(error)) => panic!("{error}"),
            }
            self.serve();
        }
        std::mem::take(&mut self.received)
    }

    fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut given, mut arrived) = (0, Vec::new());
        let mut out = vec![0; 64 << 10];
        while arrived.len() < bytes.len() {
            given += self.server.writer().write(&bytes[given..]).unwrap();
            self.serve();
            match self.client.read(&mut self.wire, &mut self.raw, &mut out) {
                Ok((count, _)) => arrived.extend_from_slice(&out[..count]),
                Err(Trouble::WouldBlock) => {}
                Err(Trouble::Over(error)) => panic!("{error}"),
            }
        }
        arrived
    }
}

#[test]
fn any_split_and_any_size_goes_through() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    let big: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
    for piece in [1, 7, 100, 5000, usize::MAX] {
        let mut pair = Pair::new(&world, &tls, None, piece);
        pair.shake_hands().unwrap();
        let size = if piece < 100 { 20_000 } else { big.len() };
        assert_eq!(pair.send(&big[..size]), &big[..size], "by {piece}");
        assert_eq!(pair.receive(&big[..size]), &big[..size], "by {piece}");
        assert_eq!(pair.send(b"x"), b"x");
    }
}

#[test]
fn the_second_connection_resumes() {
    let world = world();
    for max_version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let tls = Tls::new(&TlsOptions {
            max_version,
            ..options(&world)
        })
        .unwrap();
        let mut kinds = Vec::new();
        for _ in 0..3 {
            let mut pair = Pair::new(&world, &tls.clone(), None, usize::MAX);
            pair.shake_hands().unwrap();
            // Tickets come with, or after, the end of the handshake.
            assert_eq!(pair.receive(b"x"), b"x");
            kinds.push(pair.server.handshake_kind().unwrap());
        }
        assert_eq!(kinds[0], HandshakeKind::Full);
        assert_eq!(kinds[1..], [HandshakeKind::Resumed; 2], "{max_version:?}");
    }
}

#[test]
fn a_session_is_not_resumed_under_another_name() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    let mut pair = Pair::new(&world, &tls, None, usize::MAX);
    pair.shake_hands().unwrap();
    assert_eq!(pair.receive(b"x"), b"x");
    let mut pair = Pair::new(&world, &tls, Some("other.test"), usize::MAX);
    let error = pair.shake_hands().unwrap_err();
    assert_eq!(error.fault, TlsFault::WrongName, "{error}");
}

#[test]
fn names_are_those_of_the_options_the_contact_point_or_the_address() {
    let world = world();
    let named = |server_name: Option<&str>| {
        Tls::new(&TlsOptions {
            server_name: server_name.map(str::to_owned),
            ..options(&world)
        })
    };
    let cases = [
        (None, None, true),
        (None, Some("db.test"), true),
        (None, Some("elsewhere.test"), false),
        (Some("db.test"), Some("elsewhere.test"), true),
        (Some("127.0.0.1"), None, true),
        (Some("127.0.0.2"), None, false),
    ];
    for (server_name, name, is_right) in cases {
        let tls = named(server_name).unwrap();
        let mut pair = Pair::new(&world, &tls, name, usize::MAX);
        let result = pair.shake_hands();
        assert_eq!(result.is_ok(), is_right, "{server_name:?} {name:?}");
        if let Err(error) = result {
            assert_eq!(error.fault, TlsFault::WrongName);
            let shown = "for 127.0.0.1, db.test";
            assert!(error.message.contains(shown), "{error}");
        }
    }
    assert!(named(Some("not a name")).is_err());
    let tls = named(None).unwrap();
    let error = tls.connect(Ipv4Addr::LOCALHOST.into(), Some("no name"));
    assert_eq!(error.unwrap_err().fault, TlsFault::WrongName);
}

#[test]
fn the_end_of_the_stream_is_told_after_what_came_before() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    for is_polite in [true, false] {
        let mut pair = Pair::new(&world, &tls, None, usize::MAX);
        pair.shake_hands().unwrap();
        pair.server.writer().write_all(b"last words").unwrap();
        if is_polite {
            pair.server.send_close_notify();
        }
        pair.serve();
        pair.wire.is_closed = true;
        let mut out = vec![0; 64 << 10];
        let mut read = || pair.client.read(&mut pair.wire, &mut pair.raw, &mut out);
        let Ok((10, true)) = read() else {
            panic!("not all of it")
        };
        assert!(matches!(read(), Ok((0, _))), "then the end");
    }
}

#[test]
fn an_alert_comes_after_what_came_before() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    let mut pair = Pair::new(&world, &tls, None, usize::MAX);
    pair.shake_hands().unwrap();
    pair.server.writer().write_all(b"last words").unwrap();
    pair.serve();
    // Not a record of this connection: it cannot be decrypted.
    pair.wire
        .to_client
        .extend([23, 3, 3, 0, 20].iter().chain(&[7; 20]));
    let mut out = vec![0; 64 << 10];
    let mut read = || pair.client.read(&mut pair.wire, &mut pair.raw, &mut out);
    assert!(matches!(read(), Ok((10, true))));
    assert!(matches!(
        read(),
        Err(Trouble::Over(ConnectionError::Tls(e))) if e.fault == TlsFault::Other
    ));
}

#[test]
fn goodbye_is_said() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    let mut pair = Pair::new(&world, &tls, None, usize::MAX);
    pair.shake_hands().unwrap();
    pair.client.say_goodbye(&mut pair.wire);
    let mut rest = &pair.wire.to_server[..];
    pair.server.read_tls(&mut rest).unwrap();
    let state = pair.server.process_new_packets().unwrap();
    assert!(state.peer_has_closed());
}

#[test]
fn plain_text_is_recognised_by_its_first_byte() {
    let world = world();
    let tls = Tls::new(&options(&world)).unwrap();
    let mut pair = Pair::new(&world, &tls, None, usize::MAX);
    pair.wire.to_client.extend([0x84, 0, 0, 0]);
    let error = pair.shake_hands().unwrap_err();
    assert_eq!(error.fault, TlsFault::NotTls);
    let mut pair = Pair::new(&world, &tls, None, usize::MAX);
    pair.wire.is_closed = true;
    let error = pair.shake_hands().unwrap_err();
    assert_eq!(error.fault, TlsFault::Closed);
}

fn encrypted(key: &KeyPair, parameters: pbes2::Parameters<'_>) -> String {
    let der = key.serialize_der();
    let info = PrivateKeyInfo::try_from(&der[..]).unwrap();
    let document: SecretDocument = info.encrypt_with_params(parameters, "hunter2").unwrap();
    let pem = document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF);
    pem.unwrap().as_str().to_owned()
}

#[test]
fn keys_may_be_encrypted() {
    let world = world();
    let (salt, iv) = ([1; 16], [2; 16]);
    let ways = [
        pbes2::Parameters::pbkdf2_sha256_aes256cbc(10, &salt, &iv).unwrap(),
        pbes2::Parameters::pbkdf2_sha256_aes128cbc(10, &salt, &iv).unwrap(),
        pbes2::Parameters::scrypt_aes256cbc(
            pkcs8::pkcs5::scrypt::Params::new(4, 8, 1, 32).unwrap(),
            &salt,
            &iv,
        )
        .unwrap(),
    ];
    for parameters in ways {
        let with = |password: Option<&str>| {
            let identity = Identity {
                certificate_pem: world.certificate_pem.clone().into_bytes(),
                key_pem: encrypted(&world.key, parameters.clone()).into_bytes(),
                password: password.map(|p| p.as_bytes().to_vec()),
            };
            Tls::new(&TlsOptions {
                identity: Some(identity),
                ..options(&world)
            })
        };
        with(Some("hunter2")).unwrap();
        let wrong = with(Some("hunter3")).unwrap_err().to_string();
        assert!(wrong.contains("with that password"), "{wrong}");
        assert!(!wrong.contains("hunter"));
        let none = with(None).unwrap_err().to_string();
        assert!(none.contains("give its password"), "{none}");
    }
}

#[test]
fn options_show_no_keys() {
    let identity = Identity {
        certificate_pem: b"certificate".to_vec(),
        key_pem: b"key".to_vec(),
        password: Some(b"password".to_vec()),
    };
    let shown = format!("{identity:?}");
    assert_eq!(shown, "Identity { .. }");
}
