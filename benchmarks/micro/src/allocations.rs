//! Counts allocations, and tells where they come from.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;

use crate::case::{Case, Moment};

/// Runs of which allocations are counted.
const RUNS: u32 = 256;

/// Allocates as the system does, and counts while it is told to.
pub struct Counting;

/// What was allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    allocations: u64,
    bytes: u64,
}

thread_local! {
    static COUNT: Cell<Option<Count>> = const { Cell::new(None) };
    static LOCATES: Cell<bool> = const { Cell::new(false) };
    static SITES: Cell<BTreeMap<String, Count>> = const { Cell::new(BTreeMap::new()) };
}

fn note(bytes: usize) {
    let Some(count) = COUNT.get() else { return };
    COUNT.set(Some(count.and(bytes as u64)));
    if LOCATES.get() {
        // What it takes to tell where we are is not to be told.
        let before = COUNT.replace(None);
        let mut sites = SITES.take();
        let site = sites.entry(site(&Backtrace::force_capture())).or_default();
        *site = site.and(bytes as u64);
        SITES.set(sites);
        COUNT.set(before);
    }
}

impl Count {
    const fn and(self, bytes: u64) -> Self {
        Self {
            allocations: self.allocations + 1,
            bytes: self.bytes + bytes,
        }
    }
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    /// Growing counts as an allocation of what is added.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size.saturating_sub(layout.size()));
        // SAFETY: the caller keeps to the contract of `realloc`.
        unsafe { System.realloc(at, layout, new_size) }
    }
}

/// Allocations of one unit of a case, on average, and their bytes. [`Counting`] must be the allocator.
#[must_use]
pub fn count(case: &Case) -> (f64, f64) {
    let total = measure(case);
    let units = f64::from(RUNS * case.units);
    (total.allocations as f64 / units, total.bytes as f64 / units)
}

/// Where a case allocates: call sites in shardlane's crates, with allocations and bytes of one unit, the
/// most frequent first.
#[must_use]
pub fn locate(case: &Case) -> Vec<(String, f64, f64)> {
    LOCATES.set(true);
    measure(case);
    LOCATES.set(false);
    let units = f64::from(RUNS * case.units);
    let per_unit = |(site, count): (String, Count)| {
        let (allocations, bytes) = (count.allocations as f64, count.bytes as f64);
        (site, allocations / units, bytes / units)
    };
    let mut sites: Vec<_> = SITES.take().into_iter().map(per_unit).collect();
    sites.sort_by(|a, b| b.1.total_cmp(&a.1));
    sites
}

fn measure(case: &Case) -> Count {
    let mut total = Count::default();
    case.run(RUNS, |moment| match moment {
        Moment::Before => COUNT.set(Some(total)),
        Moment::After => total = COUNT.take().unwrap_or_default(),
    });
    total
}

/// The innermost functions of shardlane's crates in a backtrace, with their lines.
fn site(backtrace: &Backtrace) -> String {
    const FRAMES: usize = 3;
    let text = backtrace.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let frames = lines.windows(2).filter_map(|pair| {
        let function = pair[0].split_once(": ")?.1;
        let at = pair[1].strip_prefix("at ")?;
        let is_ours = at.contains("crates/shardlane-");
        let line = at.rsplit('/').next()?.rsplit_once(':')?.0;
        is_ours.then(|| format!("{} ({line})", function.trim_start_matches('<')))
    });
    let frames: Vec<String> = frames.take(FRAMES).collect();
    if frames.is_empty() {
        "elsewhere".to_owned()
    } else {
        frames.join("\n      in ")
    }
}
