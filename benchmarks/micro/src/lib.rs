//! Micro-benchmarks of the client's core, each case measured in three ways:
//!
//! * instructions, under callgrind: the same number on every machine of a kind, however busy it is;
//! * allocations and their bytes, by a counting allocator;
//! * time, by criterion (`make bench-micro`).
//!
//! The first two are compared with `instructions.json` by `make bench-check`.

pub mod allocations;
pub mod baseline;
pub mod case;
pub mod cases;
pub mod instructions;
pub mod python;
