//! What must hold for any bytes, and bytes to try it on.
//!
//! [`checks`] is shared by the libFuzzer targets and by the `soak` program, whose inputs [`soak`]
//! makes from the golden sessions.

pub mod checks;
pub mod soak;
