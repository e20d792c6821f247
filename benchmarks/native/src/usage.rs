//! What this process has used, by the names that `benchmarks/summary.py` knows.

use std::fs;
use std::mem::MaybeUninit;

use serde_json::{Value, json};

/// Counters that only grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    user_s: f64,
    system_s: f64,
    thread_s: f64,
    voluntary: i64,
    involuntary: i64,
}

impl Usage {
    /// The counters of the process, and of the calling thread.
    pub(crate) fn now() -> Self {
        let mut used = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the place is as large as the call expects, and all-zero is a value of it.
        let used = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, used.as_mut_ptr());
            used.assume_init()
        };
        let mut thread = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: likewise.
        let thread = unsafe {
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, thread.as_mut_ptr());
            thread.assume_init()
        };
        let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
        Self {
            user_s: seconds(used.ru_utime),
            system_s: seconds(used.ru_stime),
            thread_s: thread.tv_sec as f64 + thread.tv_nsec as f64 / 1e9,
            voluntary: used.ru_nvcsw,
            involuntary: used.ru_nivcsw,
        }
    }

    /// User and system time since `earlier`, in seconds.
    pub(crate) fn cpu_since(self, earlier: Self) -> f64 {
        self.user_s + self.system_s - earlier.user_s - earlier.system_s
    }

    /// What lies between `earlier` and this.
    pub(crate) fn since(self, earlier: Self) -> Value {
        json!({
            "user_s": self.user_s - earlier.user_s,
            "system_s": self.system_s - earlier.system_s,
            "thread_s": self.thread_s - earlier.thread_s,
            "voluntary": self.voluntary - earlier.voluntary,
            "involuntary": self.involuntary - earlier.involuntary,
        })
    }
}

/// A line of /proc/self/status that counts kilobytes, as megabytes.
pub(crate) fn memory_mb(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// The clock that Python's `perf_counter` reads, in seconds.
pub(crate) fn monotonic_s() -> f64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the place is as large as the call expects, and all-zero is a value of it.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Lets this process run on these CPUs only; on all if there are none.
pub(crate) fn pin(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    // SAFETY: an all-zero set is an empty one; indexes are checked by the macro's function.
    unsafe {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        for &cpu in cpus {
            libc::CPU_SET(cpu, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}
