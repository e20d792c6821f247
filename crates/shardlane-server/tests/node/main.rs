//! The embedded cluster as its clients see it, over real sockets on loopback.

mod client_routes;
mod consistency;
mod faults;
mod lwt;
mod membership;
mod robustness;
mod routing;
mod session;
mod support;
mod tablets;
mod versions;
