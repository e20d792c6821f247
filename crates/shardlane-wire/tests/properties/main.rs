//! Properties: what is written is read back the same, in both directions and every dialect, and no
//! split or truncation of the bytes changes or breaks anything.

mod requests;
mod responses;
mod strategies;
mod streams;
