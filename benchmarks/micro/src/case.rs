//! What is measured: a case prepares, then runs, and only the run counts.

/// One thing to measure. A run does the same work each time.
pub trait Subject {
    /// Makes ready for the next run. Not measured.
    fn prepare(&mut self) {}

    /// The work.
    fn run(&mut self);
}

/// Work that needs nothing made ready for each run.
impl<F: FnMut()> Subject for F {
    fn run(&mut self) {
        self();
    }
}

/// A subject, with a name and a unit.
#[derive(Clone, Copy)]
pub struct Case {
    /// `area/what`, unique.
    pub name: &'static str,
    /// How many units one run does: results are told for each of them.
    pub units: u32,
    /// What one unit is, in the singular.
    pub unit: &'static str,
    /// Sets the subject up.
    pub make: fn() -> Box<dyn Subject>,
}

/// Runs before the measured ones: until buffers have grown to what they stay at.
pub const WARM_UP_RUNS: u32 = 64;

/// The measured part, and nothing else: callgrind counts only what happens in here, which it is told by
/// this function's name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn shardlane_measured(subject: &mut Measured<'_>) {
    subject.0.run();
}

/// A subject as [`shardlane_measured`] takes it.
#[repr(transparent)]
pub struct Measured<'a>(&'a mut dyn Subject);

impl Case {
    /// Sets up, warms up, then runs `runs` times, with `around` before and after each of them.
    pub fn run(&self, runs: u32, mut around: impl FnMut(Moment)) {
        let mut subject = (self.make)();
        for _ in 0..WARM_UP_RUNS {
            subject.prepare();
            subject.run();
        }
        for _ in 0..runs {
            subject.prepare();
            around(Moment::Before);
            shardlane_measured(&mut Measured(&mut *subject));
            around(Moment::After);
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is about to begin.
    Before,
    /// It has ended.
    After,
}
