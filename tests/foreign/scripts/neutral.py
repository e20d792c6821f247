"""Values in a form that drivers share: what two drivers call differently is a tuple with a tag.

Only classes of the standard library, so that a value can go from one process to another.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


def neutral(value: Any, special: Callable[[Any], Any]) -> Any:
    """The value as plain data; `special` knows the driver's own classes, and None for others."""
    if (known := special(value)) is not None:
        return known
    if isinstance(value, float):
        # Tells zeros apart, and finds NaN equal to itself.
        return ("$float", repr(value))
    if isinstance(value, Decimal):
        return ("$decimal", value.as_tuple())
    if isinstance(value, IPv4Address | IPv6Address):
        # A plain string for some drivers.
        return str(value)
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
        return ("$timestamp", (moment - EPOCH) // dt.timedelta(milliseconds=1))
    if isinstance(value, dt.date):
        return ("$date", (value - EPOCH.date()).days)
    if isinstance(value, AbstractSet):
        return ("$set", sorted((neutral(item, special) for item in value), key=repr))
    if isinstance(value, Mapping):
        pairs = [(neutral(k, special), neutral(v, special)) for k, v in value.items()]
        return ("$map", sorted(pairs, key=repr))
    if isinstance(value, tuple):
        return ("$tuple", *[neutral(item, special) for item in value])
    if isinstance(value, list):
        return [neutral(item, special) for item in value]
    return value


def made(sample: Any, makers: Mapping[str, Callable[..., Any]]) -> Any:
    """A sample with the tagged tuples in it made into a driver's own classes."""
    if isinstance(sample, tuple) and sample and str(sample[0]).startswith("$"):
        return makers[sample[0]](*sample[1:])
    if isinstance(sample, dict):
        return {made(key, makers): made(value, makers) for key, value in sample.items()}
    if isinstance(sample, list | tuple | set | frozenset):
        return type(sample)(made(item, makers) for item in sample)
    return sample
