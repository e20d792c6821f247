//! The client as Python sees it: cluster, session, prepared statements, requests, pages.
//!
//! Every operation is *begin -> wait -> finish*. Begin (encode, route, submit) and finish (decode) run on the
//! caller's thread with the GIL; what lies between runs on the I/O thread, which never takes it.

mod args;
mod batch;
mod batcher;
mod bodies;
mod callouts;
mod cluster;
mod errors;
mod execution;
mod fork;
mod future;
mod many;
mod metrics;
mod page;
mod prepared;
mod profiles;
mod request;
mod security;
mod session;
mod slices;
mod sockets;
mod targets;

use pyo3::prelude::*;

/// Adds the classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<request::Request>()?;
    future::install(&module.py().get_type::<request::Request>())?;
    module.add_class::<prepared::Prepared>()?;
    module.add_class::<page::Page>()?;
    module.add_class::<slices::Slices>()?;
    module.add_class::<cluster::Cluster>()?;
    module.add_class::<profiles::Profile>()?;
    module.add_class::<session::Session>()?;
    module.add_class::<many::Many>()?;
    module.add_class::<security::Tls>()?;
    module.add_class::<callouts::Callouts>()?;
    module.add_class::<callouts::Callout>()?;
    fork::watch(module.py())
}
