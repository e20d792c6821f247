//! The engine's questions to the application: who has asked, and where the answers go.

use super::{ConnId, Effect, Engine, RequestKey};
use crate::advice::{Advice, AdviceError, LoginStep, Question, QuestionId};
use crate::time::Instant;

/// Who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A connection that logs in.
    Login(ConnId),
    /// A request whose attempt has failed.
    Retry(RequestKey),
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
