//! The engine's questions to the application: who has asked, and where the answers go.

use super::{ConnId, Effect, Engine, RequestKey};
use std::sync::atomic::Ordering;

use crate::advice::{
    Advice, AdviceError, ClusterEvent, ClusterEventKind, LoginStep, Question, QuestionId,
};
use crate::cluster::NodeKey;
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

    /// Tells of something, if anybody listens.
    pub(super) fn tell(&mut self, kind: ClusterEventKind, key: NodeKey) {
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
