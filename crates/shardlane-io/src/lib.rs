//! The I/O thread: sockets, DNS and the clock that drive the machines.
