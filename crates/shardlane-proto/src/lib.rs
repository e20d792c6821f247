//! The client side as sans-IO state machines: connection, pool, cluster, request.
