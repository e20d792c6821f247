//! The committed baseline, and how measurements compare with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// A growth of instructions or bytes that is tolerated, as a fraction.
const TOLERANCE: f64 = 0.05;

/// Averages of allocations differ by less than this where nothing has changed: buffers that grow once more.
const ALLOCATIONS_TOLERANCE: f64 = 0.01;

/// What one unit of a case costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions, including those of libc.
    pub instructions: f64,
    /// Allocations; growing counts as one.
    pub allocations: f64,
    /// Bytes of these allocations.
    pub allocated_bytes: f64,
}

/// The costs of all cases, and what they were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// `rustc --version`.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// `valgrind --version`.
    pub valgrind: String,
    /// By name.
    pub cases: BTreeMap<String, Cost>,
}

/// What has become of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These measures have grown by more than is tolerated.
    Worse(Vec<&'static str>),
    /// None has, and these have shrunk by as much: worth an update of the baseline, so that it stays.
    Better(Vec<&'static str>),
    /// As before, nearly.
    Same,
    /// The baseline does not know the case.
    New,
    /// The case is in the baseline only.
    Missing,
}

/// A line of the comparison: a case, before and now.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    case: String,
    before: Option<Cost>,
    now: Option<Cost>,
}

/// All of the comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    lines: Vec<Line>,
    /// How the surroundings differ from those of the baseline.
    notes: Vec<String>,
}

impl Baseline {
    /// Compares `now` with this baseline.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Comparison {
        let names: BTreeSet<&String> = self.cases.keys().chain(now.cases.keys()).collect();
        let lines = names.into_iter().map(|name| Line {
            case: name.clone(),
            before: self.cases.get(name).copied(),
            now: now.cases.get(name).copied(),
        });
        let surroundings = [
            ("rustc", &self.rustc, &now.rustc),
            ("target", &self.target, &now.target),
            ("valgrind", &self.valgrind, &now.valgrind),
        ];
        let notes = surroundings
            .into_iter()
            .filter(|(_, before, now)| before != now)
            .map(|(what, before, now)| {
                format!("{what}: the baseline is of {before}, this is {now}, which alone may change counts")
            });
        Comparison {
            lines: lines.collect(),
            notes: notes.collect(),
        }
    }
}

impl Line {
    fn change(&self) -> Change {
        let (before, now) = match (self.before, self.now) {
            (Some(before), Some(now)) => (before, now),
            (None, _) => return Change::New,
            (_, None) => return Change::Missing,
        };
        let measures = [
            (
                "instructions",
                before.instructions,
                now.instructions,
                before.instructions * TOLERANCE,
            ),
            (
                "allocations",
                before.allocations,
                now.allocations,
                ALLOCATIONS_TOLERANCE,
            ),
            (
                "bytes",
                before.allocated_bytes,
                now.allocated_bytes,
                before.allocated_bytes * TOLERANCE,
            ),
        ];
        let grown = |sign: f64| -> Vec<&'static str> {
            let has_grown =
                |(_, before, now, slack): &(_, f64, f64, f64)| sign * (now - before) > *slack;
            measures
                .into_iter()
                .filter(has_grown)
                .map(|(name, ..)| name)
                .collect()
        };
        let (worse, better) = (grown(1.0), grown(-1.0));
        if !worse.is_empty() {
            Change::Worse(worse)
        } else if !better.is_empty() {
            Change::Better(better)
        } else {
            Change::Same
        }
    }
}

impl Comparison {
    /// Each case with what has become of it, sorted by name.
    pub fn changes(&self) -> impl Iterator<Item = (&str, Change)> {
        self.lines.iter().map(|line| (&*line.case, line.change()))
    }

    /// Whether nothing is worse, and the baseline has these cases and no others.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.changes()
            .all(|(_, change)| matches!(change, Change::Same | Change::Better(_)))
    }

    /// Whether something is better by more than is tolerated.
    #[must_use]
    pub fn is_better(&self) -> bool {
        self.changes()
            .any(|(_, change)| matches!(change, Change::Better(_)))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:30} {:>12} {:>12} {:>9} {:>18} {:>18}",
            "each unit of", "instructions", "now", "", "allocations", "now"
        )?;
        for line in &self.lines {
            let instructions = |cost: Option<Cost>| {
                cost.map_or_else(|| "-".to_owned(), |c| format!("{:.1}", c.instructions))
            };
            let allocations = |cost: Option<Cost>| {
                let text = |c: Cost| format!("{:.2} ({:.0} B)", c.allocations, c.allocated_bytes);
                cost.map_or_else(|| "-".to_owned(), text)
            };
            let growth = match (line.before, line.now) {
                (Some(before), Some(now)) => {
                    let growth = now.instructions / before.instructions - 1.0;
                    format!("{:+.1} %", growth * 100.0)
                }
                _ => String::new(),
            };
            let verdict = match line.change() {
                Change::Worse(measures) => format!("  WORSE: {}", measures.join(", ")),
                Change::Better(measures) => format!("  better: {}", measures.join(", ")),
                Change::Same => String::new(),
                Change::New => "  NEW".to_owned(),
                Change::Missing => "  MISSING".to_owned(),
            };
            writeln!(
                f,
                "{:30} {:>12} {:>12} {growth:>9} {:>18} {:>18}{verdict}",
                line.case,
                instructions(line.before),
                instructions(line.now),
                allocations(line.before),
                allocations(line.now),
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

#[cfg(test)]
mod tests;
