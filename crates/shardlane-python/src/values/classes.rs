//! The Python classes that values are made of, imported once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

macro_rules! imported_classes {
    ($($(#[$doc:meta])* $name:ident = $module:literal, $attribute:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
                static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                CLASS.import(py, $module, $attribute)
            }
        )*
    };
}

imported_classes! {
    /// `decimal.Decimal`
    decimal = "decimal", "Decimal";
    /// `decimal.Context`
    decimal_context = "decimal", "Context";
    /// `enum.Enum`
    enumeration = "enum", "Enum";
    /// `uuid.UUID`
    uuid = "uuid", "UUID";
    /// `ipaddress.IPv4Address`
    ipv4 = "ipaddress", "IPv4Address";
    /// `ipaddress.IPv6Address`
    ipv6 = "ipaddress", "IPv6Address";
    /// A day outside the years 1 to 9999.
    far_date = "shardlane._shared.types", "Date";
    /// A moment outside the years 1 to 9999.
    far_timestamp = "shardlane._shared.types", "Timestamp";
    /// A time of day with nanoseconds.
    nano_time = "shardlane._shared.types", "Time";
}
