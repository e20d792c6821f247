//! Callouts: questions of the machines to the application, and the way back of its answers.

use std::fmt;
use std::sync::Arc;

use shardlane_proto::{Advice, AdviceError, Question, QuestionId};

use crate::queue::{Command, Queue};

/// Somebody who takes questions to the application.
pub trait Advisor: fmt::Debug + Send {
    /// Takes a question. Called on the I/O thread: must not block, and must not run the application's code. The
    /// answer may come from any thread, at any time.
    fn ask(&self, question: Question, reply: Reply);
}

/// The way back to whoever asked. Dropped without an answer it tells so, so that nobody waits for ever.
#[derive(Debug)]
pub struct Reply {
    queue: Arc<Queue>,
    id: Option<QuestionId>,
}

impl Reply {
    pub(crate) const fn new(queue: Arc<Queue>, id: QuestionId) -> Self {
        Self {
            queue,
            id: Some(id),
        }
    }

    /// Answers. If whoever asked has given up meanwhile, nothing happens.
    pub fn answer(mut self, answer: Result<Advice, AdviceError>) {
        self.send(answer);
    }

    fn send(&mut self, answer: Result<Advice, AdviceError>) {
        if let Some(id) = self.id.take() {
            self.queue.push(Command::Advised(id, answer));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Err(AdviceError {
            message: "nobody answered".to_owned(),
            cause: 0,
        }));
    }
}
