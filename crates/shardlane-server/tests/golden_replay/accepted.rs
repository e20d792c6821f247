//! Differences that are accepted, and why.

use std::fmt::Write;

/// A difference that may be.
struct Accepted {
    sessions: &'static [&'static str],
    /// Part of the request's text.
    request: &'static str,
    /// Part of the real server's kind of answer.
    theirs: &'static str,
    /// Part of ours.
    ours: &'static str,
    reason: &'static str,
}

/// All accepted differences.
const ACCEPTED: &[Accepted] = &[
    Accepted {
        sessions: &["auth"],
        request: "DROP KEYSPACE a",
        theirs: "ERROR 0x2100",
        ours: "SCHEMA_CHANGE Dropped",
        reason: "roles carry no permissions here: whoever has authenticated may do everything",
    },
    Accepted {
        sessions: &["errors"],
        request: "EXECUTE INSERT INTO vn.lim",
        theirs: "VOID",
        ours: "ERROR 0xf000",
        reason: "real replicas count each for themselves and let some more pass",
    },
];

/// Compares a session's answers and remembers what differed.
pub(crate) struct Judge {
    session: String,
    compared: usize,
    skipped: usize,
    used: Vec<usize>,
    differences: Vec<String>,
}

impl Judge {
    pub(crate) fn new(session: &str) -> Self {
        Self {
            session: session.to_owned(),
            compared: 0,
            skipped: 0,
            used: vec![0; ACCEPTED.len()],
            differences: Vec::new(),
        }
    }

    pub(crate) fn compare(&mut self, at: usize, request: &str, theirs: &str, ours: &str) {
        if theirs == ours {
            self.compared += 1;
        } else {
            self.differ(at, request, theirs, ours);
        }
    }

    /// A request that could not be put.
    pub(crate) fn skip(&mut self, at: usize, request: &str, why: &str) {
        self.skipped += 1;
        println!("{} {at} skipped, {why}: {request}", self.session);
    }

    pub(crate) fn differ(&mut self, at: usize, request: &str, theirs: &str, ours: &str) {
        let accepted = ACCEPTED.iter().position(|accepted| {
            accepted.sessions.contains(&&*self.session)
                && request.contains(accepted.request)
                && theirs.contains(accepted.theirs)
                && ours.contains(accepted.ours)
        });
        match accepted {
            Some(index) => self.used[index] += 1,
            None => self.differences.push(format!(
                "{at}: {request}\n    theirs: {theirs}\n    ours:   {ours}"
            )),
        }
    }

    /// Fails the test if anything differed that is not accepted, or if an accepted difference is none
    /// any more.
    pub(crate) fn verdict(self) {
        let mut report = String::new();
        for difference in &self.differences {
            let _ = writeln!(report, "{difference}");
        }
        for (accepted, used) in ACCEPTED.iter().zip(&self.used) {
            if accepted.sessions.contains(&&*self.session) {
                println!(
                    "{} accepted {used} times: {}",
                    self.session, accepted.reason
                );
                if *used == 0 {
                    let _ = writeln!(report, "accepted, but never met: {}", accepted.reason);
                }
            }
        }
        println!(
            "{}: {} answers alike, {} skipped",
            self.session, self.compared, self.skipped
        );
        assert!(
            report.is_empty(),
            "{} differences:\n{report}",
            self.differences.len()
        );
    }
}
