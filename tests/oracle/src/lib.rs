//! Oracle tests live in `tests/`; this crate has no code of its own, so that heavy dev-dependencies stay out of the others.
