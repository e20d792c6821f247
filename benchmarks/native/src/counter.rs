//! Counts the allocations of a whole process: loaded with `LD_PRELOAD`, it takes the place of
//! `malloc` and its kin, counts, and hands on to the C library. Linux with glibc only.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Allocations so far, of all threads; one that is moved to be larger counts again.
#[unsafe(no_mangle)]
pub extern "C" fn shardlane_bench_allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

fn count() {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
}

// The C library's own names for what is replaced here.
unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(at: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    count();
    // SAFETY: handed on as it came.
    unsafe { __libc_malloc(size) }
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn calloc(number: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: handed on as it came.
    unsafe { __libc_calloc(number, size) }
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(at: *mut c_void, size: usize) -> *mut c_void {
    count();
    // SAFETY: handed on as it came.
    unsafe { __libc_realloc(at, size) }
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    count();
    // SAFETY: handed on as it came; the C library takes both for the same.
    unsafe { __libc_memalign(alignment, size) }
}

/// As in C.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(
    out: *mut *mut c_void,
    alignment: usize,
    size: usize,
) -> c_int {
    count();
    // SAFETY: handed on as it came.
    let at = unsafe { __libc_memalign(alignment, size) };
    if at.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller gave a place for the result.
    unsafe { *out = at };
    0
}
