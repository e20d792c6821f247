//! What the application says about how its requests are tried, and what it answers when it is asked.

use std::sync::Arc;
use std::time::Duration;

use shardlane_proto::{
    Advice, AdviceError, Again, Decision, NodeQuestion, Policy, Question, QuestionId, Retry,
    RetryBackoff, Speculation, SpeculationDelay,
};

use crate::rng::Rng;
use crate::world::{Happening, MS, World};

/// A policy out of all kinds; `None`: the default. None of them lets the server get away with not having
/// done what was asked, so that a success is one.
pub(crate) fn random(rng: &mut Rng) -> Option<Arc<Policy>> {
    let speculation = rng
        .pick(&[
            None,
            Some(SpeculationDelay::Constant(MS * 20)),
            Some(SpeculationDelay::Constant(Duration::ZERO)),
            Some(SpeculationDelay::Percentile(90.0)),
        ])
        .map(|delay| Speculation {
            delay,
            executions_max: 1 + rng.below(3) as u8,
        });
    let backoff = RetryBackoff {
        retries_max: 1 + rng.below(6) as u32,
        delay_min: MS * 5,
        delay_max: MS * 400,
    };
    let retry = rng.pick(&[
        Retry::Default,
        Retry::Default,
        Retry::Fallthrough,
        Retry::Backoff(backoff),
        Retry::Advisor(7),
    ]);
    rng.chance(70).then(|| {
        Arc::new(Policy {
            retry,
            speculation,
            ..Policy::default()
        })
    })
}

impl World {
    /// The application is asked something; it takes its time, and does not always know.
    pub(crate) fn advise(&mut self, id: QuestionId, question: Question) {
        let question = match question {
            Question::Retry(question) => question,
            Question::Nodes(nodes) => return self.advise_on_nodes(id, &nodes),
            Question::Event(event) => {
                self.events.push((event.kind, event.node.host_id));
                // Nobody waits for it.
                self.engine.handle_advice(self.now, id, Ok(Advice::Accept));
                return;
            }
            Question::Notice(notice) => {
                self.notices.push(*notice);
                return;
            }
            other => panic!("nobody logs in here: {other:?}"),
        };
        assert_eq!(question.advisor, 7);
        let may_repeat = question.idempotent || !question.maybe_executed;
        let answer = if self.rng.chance(10) {
            Err(AdviceError {
                message: "no idea".to_owned(),
                cause: 0,
            })
        } else if may_repeat && self.rng.chance(80) {
            Ok(Advice::Retry(Decision::Retry(Again {
                same_node: self.rng.chance(30),
                delay: MS * self.rng.below(50) as u32,
                consistency: None,
                wraps: self.rng.chance(50),
            })))
        } else {
            Ok(Advice::Retry(Decision::GiveUp))
        };
        let delay = MS * self.rng.below(300) as u32;
        self.after(
            delay,
            Happening::Advised {
                question: id,
                answer,
            },
        );
    }

    /// The application knows where nodes really are, and does not want all of them.
    fn advise_on_nodes(&mut self, id: QuestionId, nodes: &[NodeQuestion]) {
        self.node_questions += 1;
        if self.advisor_hangs {
            return;
        }
        let said = nodes
            .iter()
            .map(|asked| {
                let node = self.nodes.iter().find(|n| n.host_id == asked.host_id);
                node.filter(|n| !n.is_unwanted).map(|n| n.address)
            })
            .collect();
        let delay = MS * self.rng.below(100) as u32;
        let answer = Ok(Advice::Nodes(said));
        self.after(
            delay,
            Happening::Advised {
                question: id,
                answer,
            },
        );
    }
}
