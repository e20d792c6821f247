//! Where inside a value something is wrong: `tags[3]`, `addr.zip`, `phones['home']`.

use std::fmt::{self, Display, Formatter};

/// One step from a value into what it contains.
#[derive(Debug)]
pub(crate) enum Step {
    /// The element of a list, set, tuple or vector.
    Index(usize),
    /// The field of a user-defined type.
    Field(Box<str>),
    /// The value of a map, by the `repr` of its key.
    Entry(String),
    /// The key of a map, by the position of its pair.
    Key(usize),
}

/// Steps gathered while an error travels outwards, so the innermost comes first.
#[derive(Debug, Default)]
pub(crate) struct Path(Vec<Step>);

impl Path {
    /// Adds the step that led to where the path starts so far.
    pub(crate) fn enter(&mut self, step: Step) {
        self.0.push(step);
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for step in self.0.iter().rev() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Entry(key) => write!(f, "[{key}]")?,
                Step::Key(index) => write!(f, ".keys()[{index}]")?,
            }
        }
        Ok(())
    }
}
