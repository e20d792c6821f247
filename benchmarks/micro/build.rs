//! Tells the program what it was built by and for: instruction counts depend on both.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").expect("cargo sets it");
    let output = Command::new(rustc).arg("--version").output();
    let version = String::from_utf8(output.expect("rustc runs").stdout).expect("text");
    println!("cargo:rustc-env=MICRO_RUSTC={}", version.trim());
    let target = std::env::var("TARGET").expect("cargo sets it");
    println!("cargo:rustc-env=MICRO_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
