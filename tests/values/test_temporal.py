from __future__ import annotations

import copy
import datetime as dt
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardlane._core import _decode_value as decode
from shardlane._core import _encode_value as encode
from shardlane.exceptions import BadValue, DecodeError
from shardlane.types import Date, Duration, Time, Timestamp

UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
DAY_NS = 86_400 * 10**9


def millis(value: Any) -> int:
    encoded = encode("timestamp", value)
    assert encoded is not None
    return int.from_bytes(encoded, "big", signed=True)


@given(st.datetimes(timezones=st.timezones() | st.just(UTC) | st.none()))
def test_timestamp_is_utc_and_floors_to_milliseconds(value: dt.datetime) -> None:
    try:
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        expected = (aware.astimezone(UTC) - EPOCH) // MILLISECOND
    except OverflowError:
        # At the very ends a time zone leads out of Python's years, and so out of its arithmetic.
        return
    assert millis(value) == expected
    back = decode("timestamp", encode("timestamp", value))
    assert back == EPOCH + expected * MILLISECOND
    assert back.tzinfo is UTC


def test_a_zone_may_lead_out_of_pythons_years() -> None:
    first = dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))
    back = decode("timestamp", encode("timestamp", first))
    assert isinstance(back, Timestamp)
    assert back == -62_135_596_800_000 - 3_600_000


def test_a_zone_without_offset_is_naive() -> None:
    class Nowhere(dt.tzinfo):
        def utcoffset(self, _when: dt.datetime | None) -> None:
            return None

    assert millis(dt.datetime(1970, 1, 1, tzinfo=Nowhere())) == 0


def test_a_date_is_its_midnight() -> None:
    assert millis(dt.date(1970, 1, 2)) == 86_400_000


@given(st.integers(-(2**63), 2**63 - 1))
def test_timestamps_of_any_range_are_exact(number: int) -> None:
    assert millis(number) == number
    value = decode("timestamp", number.to_bytes(8, "big", signed=True))
    if isinstance(value, Timestamp):
        assert value == number
        assert repr(value) == f"Timestamp({number})"
    else:
        assert (value - EPOCH) // MILLISECOND == number
    assert millis(value) == number


@pytest.mark.parametrize("number", [-62_135_596_800_000, 253_402_300_799_999])
def test_the_last_timestamps_that_are_datetimes(number: int) -> None:
    value = decode("timestamp", number.to_bytes(8, "big", signed=True))
    assert type(value) is dt.datetime
    beyond = number + (1 if number > 0 else -1)
    assert type(decode("timestamp", beyond.to_bytes(8, "big", signed=True))) is Timestamp


@pytest.mark.parametrize("value", [1.5, True, "2020-01-01", dt.time(1), b"", 2**63, -(2**63) - 1])
def test_timestamp_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="timestamp"):
        encode("timestamp", value)


def test_seconds_for_a_timestamp_get_a_hint() -> None:
    with pytest.raises(BadValue) as caught:
        encode("timestamp", 1.5e9)
    assert "fromtimestamp" in str(caught.value.hint)


@given(st.dates())
def test_date(value: dt.date) -> None:
    days = (value - EPOCH.date()).days
    encoded = encode("date", value)
    assert encoded == (days + 2**31).to_bytes(4, "big")
    assert encode("date", value.isoformat()) == encode("date", days) == encoded
    back = decode("date", encoded)
    assert back == value
    assert type(back) is dt.date


@given(st.integers(-(2**31), 2**31 - 1))
def test_dates_of_any_range_are_exact(days: int) -> None:
    encoded = encode("date", days)
    value = decode("date", encoded)
    assert encode("date", value) == encoded
    if isinstance(value, Date):
        assert value == days
        assert repr(value) == f"Date({days})"
        assert not -719_162 <= days <= 2_932_896
    else:
        assert (value - EPOCH.date()).days == days


def test_a_datetime_as_a_date_is_the_day_as_written() -> None:
    zone = dt.timezone(dt.timedelta(hours=14))
    moment = dt.datetime(2024, 2, 29, 1, tzinfo=zone)
    assert encode("date", moment) == encode("date", dt.date(2024, 2, 29))


@pytest.mark.parametrize(
    ("text", "days"),
    [("-5877641-06-23", -(2**31)), ("5881580-07-11", 2**31 - 1), ("0000-03-01", -719_468)],
)
def test_dates_beyond_pythons_years_as_str(text: str, days: int) -> None:
    assert encode("date", text) == encode("date", days)


@pytest.mark.parametrize(
    "value",
    [
        *["", "-", "2023-02-29", "2023-13-01", "2023-00-01", "2023-1-1", "23-01-01", "2023-01-32"],
        *["2023-01-01-01", "2023-+1-01", "2023-01-01T00:00", "5881580-07-12", "-5877641-06-22"],
        *["99999999999-01-01", "é023-01-01", 2**31, -(2**31) - 1, 1.0, True],
        *[dt.time(1), b"2023-01-01"],
    ],
)
def test_date_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match=r"\(date\)"):
        encode("date", value)


@given(st.integers(0, DAY_NS - 1))
def test_time_is_exact_to_the_nanosecond(nanoseconds: int) -> None:
    encoded = encode("time", nanoseconds)
    assert encoded == nanoseconds.to_bytes(8, "big")
    value = decode("time", encoded)
    assert type(value) is Time
    assert value.total_nanoseconds == nanoseconds
    assert value == Time.from_nanoseconds(nanoseconds)
    assert encode("time", value) == encode("time", str(value)) == encoded


@given(st.times())
def test_time_takes_pythons(value: dt.time) -> None:
    back = decode("time", encode("time", value))
    assert isinstance(back, dt.time)
    assert back == value
    assert hash(back) == hash(value)
    assert str(back) == str(value)
    assert encode("time", value.isoformat()) == encode("time", value)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("00:00", 0),
        ("23:59:59.999999999", DAY_NS - 1),
        ("00:00:00.1", 10**8),
        ("01:02:03", 3723 * 10**9),
    ],
)
def test_time_as_a_str(text: str, nanoseconds: int) -> None:
    assert encode("time", text) == encode("time", nanoseconds)


@pytest.mark.parametrize(
    "value",
    [
        *["", "24:00:00", "1:00", "00:60", "00:00:60", "00:00:00.", "00:00:00.1234567890", "00:0a"],
        *["00:00:00:00", "+1:00", DAY_NS, -1, 1.0, True, EPOCH, dt.time(1, tzinfo=UTC), b"00:00"],
    ],
)
def test_time_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match=r"\(time\)"):
        encode("time", value)


def test_time_with_nanoseconds_is_a_time_of_its_own() -> None:
    plain, finer = dt.time(1, 2, 3, 4), Time(1, 2, 3, 4, 5)
    assert finer != plain
    assert plain != finer
    assert plain < finer
    assert finer > plain
    assert plain <= finer <= finer
    assert max([plain, finer]) is finer
    assert finer.isoformat() == "01:02:03.000004005"
    assert finer.isoformat("seconds") == "01:02:03"
    assert Time(1).isoformat("nanoseconds") == "01:00:00.000000000"
    assert repr(finer) == "Time(1, 2, 3, 4, 5)"
    assert finer.replace(hour=9, nanosecond=0) == dt.time(9, 2, 3, 4)
    for copied in (pickle.loads(pickle.dumps(finer)), copy.copy(finer), copy.deepcopy(finer)):
        assert copied == finer
        assert type(copied) is Time
    assert len({finer, Time(1, 2, 3, 4, 5), Time(1, 2, 3, 4), plain}) == 2
    assert finer != dt.time(1, 2, 3, 4, tzinfo=UTC)
    with pytest.raises(ValueError, match="nanosecond"):
        Time(nanosecond=1000)
    with pytest.raises(ValueError, match="within a day"):
        Time.from_nanoseconds(DAY_NS)


@given(
    st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), st.booleans()
)
def test_duration(months: int, days: int, nanoseconds: int, negative: bool) -> None:
    value = Duration(months, days, nanoseconds)
    if negative:
        value = -value
    assert decode("duration", encode("duration", value)) == value


def test_duration_at_its_ends() -> None:
    value = Duration(-(2**31), -(2**31), -(2**63))
    assert decode("duration", encode("duration", value)) == value
    with pytest.raises(ValueError, match="out of range"):
        _ = -value


def test_duration_as_an_object() -> None:
    value = Duration(months=14, days=3, nanoseconds=3_723_004_005_006)
    assert (value.months, value.days, value.nanoseconds) == (14, 3, 3_723_004_005_006)
    assert eval(repr(value)) == value
    assert str(value) == "1y2mo3d1h2m3s4ms5us6ns"
    assert str(-value) == "-1y2mo3d1h2m3s4ms5us6ns"
    assert str(Duration()) == "0s"
    assert hash(value) == hash(Duration(14, 3, 3_723_004_005_006))
    assert value != Duration(14, 3)
    assert value != (14, 3, 3_723_004_005_006)
    assert pickle.loads(pickle.dumps(value)) == value
    assert bool(value)
    assert not Duration()
    with pytest.raises(ValueError, match="same sign"):
        Duration(1, -1)
    with pytest.raises(AttributeError):
        value.months = 1  # type: ignore[misc]


@given(st.timedeltas())
def test_duration_takes_timedeltas_as_days_and_the_rest(delta: dt.timedelta) -> None:
    value = decode("duration", encode("duration", delta))
    assert value == Duration.from_timedelta(delta)
    assert value.months == 0
    micros, rest = divmod(value.nanoseconds, 1000)
    assert rest == 0
    # One day of the two may be beyond timedelta when taken alone, so the sum is made in ints.
    total = (value.days * 86_400 * 10**6) + micros
    assert total == delta // dt.timedelta(microseconds=1)
    assert abs(value.nanoseconds) < DAY_NS
    assert value.days * value.nanoseconds >= 0


@pytest.mark.parametrize("value", [1, "1d", 1.0, (1, 2, 3)])
def test_duration_refuses_the_rest(value: Any) -> None:
    with pytest.raises(BadValue, match="Duration or a timedelta"):
        encode("duration", value)


@pytest.mark.parametrize("cell", [b"\0", b"\0\0", b"\0\0\x80", bytes(4), b"\xf8" + bytes(4)])
def test_malformed_durations(cell: bytes) -> None:
    with pytest.raises(DecodeError):
        decode("duration", cell)


def test_durations_beyond_their_parts() -> None:
    too_many_months = bytes([0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0])
    assert decode("duration", too_many_months).months == -(2**31)
    with pytest.raises(DecodeError, match="32 bits"):
        decode("duration", bytes([0xF8, 0x01, 0, 0, 0, 0, 0, 0]))


@pytest.mark.parametrize(("cql_type", "size"), [("timestamp", 8), ("date", 4), ("time", 8)])
def test_only_the_right_length_decodes(cql_type: str, size: int) -> None:
    assert decode(cql_type, b"") is None
    for length in (size - 1, size + 1):
        with pytest.raises(DecodeError, match=f"expected {size} bytes, got {length}"):
            decode(cql_type, bytes(length))


@pytest.mark.parametrize("nanoseconds", [-1, DAY_NS])
def test_times_outside_the_day_do_not_decode(nanoseconds: int) -> None:
    with pytest.raises(DecodeError, match="within a day"):
        decode("time", nanoseconds.to_bytes(8, "big", signed=True))
