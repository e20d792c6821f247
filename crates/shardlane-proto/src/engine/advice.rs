//! The engine's questions to the application: who has asked, and where the answers go.

use super::{ConnId, Effect, Engine, Life, RequestKey};
use std::sync::atomic::Ordering;

use crate::advice::{
    Advice, AdviceError, ClusterEvent, ClusterEventKind, LoginStep, Question, QuestionId,
};
use crate::cluster::NodeKey;
use crate::notice::Notice;
use crate::time::Instant;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A connection that logs in.
    Login(ConnId),
    /// A request whose attempt has failed.
    Retry(RequestKey),
    /// A refresh.
    Nodes,
}

impl<C> Engine<C> {
    /// The application has answered, or failed to. An answer that nobody waits for any longer is dropped.
    pub fn handle_advice(
        &mut self,
        now: Instant,
        id: QuestionId,
        answer: Result<Advice, AdviceError>,
    ) {
        match self.questions.remove(&id) {
            Some(Asker::Login(conn)) => {
                if let Some(entry) = self.connections.get_mut(conn.0 as usize) {
                    entry.question = None;
                    let result = entry.machine.handle_advice(answer);
                    self.after_input(now, conn, result);
                }
            }
            Some(Asker::Retry(key)) => self.take_retry_advice(now, key, answer),
            Some(Asker::Nodes) => self.take_node_advice(now, answer),
            None => {}
        }
    }

    /// Puts a question; the answer goes to `asker`, who must [`Self::withdraw`] it when it goes away before.
    pub(super) fn ask(&mut self, asker: Asker, question: Question) -> QuestionId {
        let id = QuestionId(self.questions_asked);
        self.questions_asked += 1;
        self.questions.insert(id, asker);
        self.effects.push_back(Effect::Ask { id, question });
        id
    }

    /// Puts something into the log, if anybody reads it.
    pub(super) fn note(&mut self, notice: Notice) {
        if self.config.notices.wants(notice.severity()) {
            let id = QuestionId(self.questions_asked);
            self.questions_asked += 1;
            let question = Question::Notice(Box::new(notice));
            self.effects.push_back(Effect::Ask { id, question });
        }
    }

    /// Tells of something, if anybody listens.
    pub(super) fn tell(&mut self, kind: ClusterEventKind, key: NodeKey) {
        // A closing cluster object has no connections left, which says nothing of the nodes.
        if !matches!(self.life, Life::Closed)
            && let Some(node) = self.cluster.node(key)
        {
            let node = node.node_view();
            self.note(Notice::Node { kind, node });
        }
        if self.config.tells_events.load(Ordering::Relaxed)
            && let Some(node) = self.cluster.node(key)
        {
            let node = node.node_view();
            let id = QuestionId(self.questions_asked);
            self.questions_asked += 1;
            let question = Question::Event(Box::new(ClusterEvent { kind, node }));
            self.effects.push_back(Effect::Ask { id, question });
        }
    }

    pub(super) fn withdraw(&mut self, question: Option<QuestionId>) {
        if let Some(id) = question {
            self.questions.remove(&id);
        }
    }

    pub(super) fn ask_about_login(&mut self, conn: ConnId, class: String, step: LoginStep) {
        let Some(entry) = self.connections.get(conn.0 as usize) else {
            return;
        };
        let (address, login) = (entry.address, entry.login.unwrap_or(self.questions_asked));
        let question = Question::Login {
            login,
            address,
            class,
            step,
        };
        let id = self.ask(Asker::Login(conn), question);
        let entry = &mut self.connections[conn.0 as usize];
        entry.question = Some(id);
        entry.login = Some(login);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use shardlane_wire::{Response, ResponseEnvelope, Version};

    use super::*;
    use crate::advice::Secret;
    use crate::config::{Config, ContactPoint, Login};
    use crate::engine::AttemptBudget;
    use crate::error::RequestErrorKind;

    struct Bench {
        engine: Engine<u8>,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let address = SocketAddr::from(([127, 0, 0, 1], 9042));
            let mut config = Config::new(vec![ContactPoint::Address(address)]);
            config.login = Login::Ask;
            config.seed = 1;
            let mut engine = Engine::new(config, Arc::new(AttemptBudget::new(8)));
            engine.when_ready(1);
            Self {
                engine,
                now: Instant::default(),
            }
        }

        fn effects(&mut self) -> Vec<Effect> {
            std::iter::from_fn(|| self.engine.poll_effect()).collect()
        }

        /// Connects, and has the server ask for a login.
        fn asked(&mut self) -> (ConnId, QuestionId, u64) {
            self.now = self.engine.next_timeout().expect("it connects some time");
            self.engine.handle_timeout(self.now);
            let effects = self.effects();
            let Some(Effect::Connect { conn, .. }) = effects.last() else {
                return self.asked();
            };
            let conn = *conn;
            self.engine.handle_connected(self.now, conn, 1);
            for response in [
                Response::Supported(vec![("CQL_VERSION", vec!["3.0.0"])]),
                Response::Authenticate("Sasl"),
            ] {
                let mut bytes = Vec::new();
                response
                    .encode_frame(Version::V4, 0, &ResponseEnvelope::default(), &mut bytes)
                    .unwrap();
                self.engine.handle_bytes(self.now, conn, &bytes);
            }
            match &self.effects()[..] {
                [
                    Effect::Ask {
                        id,
                        question: Question::Login { login, .. },
                    },
                ] => (conn, *id, *login),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_that_comes_too_late_reaches_nobody() {
        let mut bench = Bench::new();
        let (conn, old, login) = bench.asked();
        // The application is slow; the connection has no patience left.
        bench.now = bench.engine.next_timeout().expect("connect_timeout");
        bench.engine.handle_timeout(bench.now);
        assert!(bench.effects().contains(&Effect::Close { conn }));
        assert!(bench.engine.questions.is_empty(), "nothing is left behind");
        let mut ended = Vec::new();
        bench.engine.take_completions(&mut ended);
        let [(1, Err(error))] = &ended[..] else {
            panic!("{ended:?}")
        };
        assert!(matches!(error.kind, RequestErrorKind::Unreachable(_)));
        // The next connection has the same name, and a login of its own.
        let (namesake, new, other) = bench.asked();
        assert_eq!(namesake, conn);
        assert_ne!((new, other), (old, login));
        let token = || Ok(Advice::Token(Secret(vec![1])));
        bench.engine.handle_advice(bench.now, old, token());
        let unsent = bench.engine.unsent(conn).len();
        assert!(bench.engine.questions.contains_key(&new));
        bench.engine.handle_advice(bench.now, new, token());
        assert!(bench.engine.unsent(conn).len() > unsent, "AUTH_RESPONSE");
        // Answering twice does nothing.
        bench.engine.handle_advice(bench.now, new, token());
        assert!(bench.effects().is_empty());
    }

    #[test]
    fn closing_while_the_application_thinks() {
        let mut bench = Bench::new();
        let (conn, id, _) = bench.asked();
        bench.engine.close(bench.now, std::time::Duration::ZERO);
        assert_eq!(bench.effects(), [Effect::Close { conn }, Effect::Finished]);
        let failure = AdviceError {
            message: "too late".to_owned(),
            cause: 0,
        };
        bench.engine.handle_advice(bench.now, id, Err(failure));
        assert!(bench.effects().is_empty());
    }
}
