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
    /// Not counted where Python is involved.
    #[serde(flatten)]
    pub allocated: Option<Allocated>,
}

/// What one unit of a case allocates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Allocated {
    /// Allocations; growing counts as one.
    pub allocations: f64,
    /// Bytes of these allocations.
    pub allocated_bytes: f64,
}

/// The costs of all cases, and what they were measured on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Versions of what has a say in the counts, by name: rustc, the target, ...
    pub surroundings: BTreeMap<String, String>,
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
    /// The part of it whose cases' names begin with `prefix`.
    #[must_use]
    pub fn part(&self, prefix: &str) -> Self {
        let mut part = self.clone();
        part.cases.retain(|name, _| name.starts_with(prefix));
        part
    }

    /// Replaces the cases whose names begin with `prefix`.
    ///
    /// # Errors
    /// If the others were measured in other surroundings.
    pub fn replace_part(&mut self, prefix: &str, part: Self) -> Result<(), String> {
        self.cases.retain(|name, _| !name.starts_with(prefix));
        let differ = |(what, version): (&String, &String)| {
            self.surroundings.get(what).is_some_and(|v| v != version)
        };
        if !self.cases.is_empty() && part.surroundings.iter().any(differ) {
            return Err(
                "the other cases were measured with other tools: update all of them".to_owned(),
            );
        }
        self.surroundings.extend(part.surroundings);
        self.cases.extend(part.cases);
        Ok(())
    }

    /// Compares `now` with this baseline.
    #[must_use]
    pub fn compare(&self, now: &Self) -> Comparison {
        let names: BTreeSet<&String> = self.cases.keys().chain(now.cases.keys()).collect();
        let lines = names.into_iter().map(|name| Line {
            case: name.clone(),
            before: self.cases.get(name).copied(),
            now: now.cases.get(name).copied(),
        });
        let notes = now.surroundings.iter().filter_map(|(what, now)| {
            let before = self.surroundings.get(what).map_or("unknown", |v| v);
            (before != now).then(|| {
                format!("{what}: the baseline is of {before}, this is {now}, which alone may change counts")
            })
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
        let relative = |name, before, now| (name, before, now, before * TOLERANCE);
        let mut measures = vec![relative(
            "instructions",
            before.instructions,
            now.instructions,
        )];
        if let (Some(before), Some(now)) = (before.allocated, now.allocated) {
            let (few, many) = (before.allocations, now.allocations);
            measures.push(("allocations", few, many, ALLOCATIONS_TOLERANCE));
            measures.push(relative(
                "bytes",
                before.allocated_bytes,
                now.allocated_bytes,
            ));
        }
        let grown = |sign: f64| -> Vec<&'static str> {
            let grown = measures
                .iter()
                .filter(|(_, before, now, slack)| sign * (now - before) > *slack);
            grown.map(|(name, ..)| *name).collect()
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
                let text =
                    |a: Allocated| format!("{:.2} ({:.0} B)", a.allocations, a.allocated_bytes);
                cost.and_then(|c| c.allocated)
                    .map_or_else(|| "-".to_owned(), text)
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
