//! Dates, times and timestamps as text. The calendar is the proleptic Gregorian one.

/// Days since 1970-01-01 of a civil date.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year =
        (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month + 2) / 5 + 1) as u32;
    let month = (if month < 10 { month + 3 } else { month - 9 }) as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn number(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    (len.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn parse_civil(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = rest.split('-');
    let year = number(parts.next()?, 1..=9)?;
    let month = number(parts.next()?, 1..=2)?;
    let day = number(parts.next()?, 1..=2)?;
    let year = if negative { -year } else { year };
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month as u32, day as u32);
    // 30 February and its like come out as another date
    (civil_from_days(days) == (year, month as u32, day as u32)).then_some(days)
}

/// `1970-01-01` (or a number of days as CQL counts them) to the wire's days with the epoch at 2^31.
pub(crate) fn parse_date(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    u32::try_from(parse_civil(text)? + (1 << 31)).ok()
}

/// The date as text.
pub(crate) fn format_date(days: u32) -> String {
    let (year, month, day) = civil_from_days(i64::from(days) - (1 << 31));
    if year < 0 {
        format!("-{:04}-{month:02}-{day:02}", -year)
    } else {
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// `hh:mm:ss[.fffffffff]` (or nanoseconds) to nanoseconds since midnight.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    const DAY_NS: i64 = 86_400_000_000_000;
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|ns| *ns < DAY_NS);
    }
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = number(parts.next()?, 1..=2)?;
    let second = number(parts.next()?, 1..=2)?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let nanos = if fraction.is_empty() {
        0
    } else {
        number(&format!("{fraction:0<9}"), 9..=9)?
    };
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

/// The time as text.
pub(crate) fn format_time(nanos: i64) -> String {
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    format!(
        "{:02}:{:02}:{:02}.{nanos:09}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `2026-11-22[ |T][12:34[:56[.789]]][Z|+0000|+00:00]` or milliseconds, to milliseconds; UTC unless it says otherwise.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis);
    }
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], text[at + 1..].trim_start()),
        None => (text, ""),
    };
    let (clock, zone_minutes) = split_zone(rest)?;
    let date = match date.strip_suffix(['Z', 'z']) {
        Some(date) if clock.is_empty() => date,
        _ => date,
    };
    let days = parse_civil(date)?;
    let millis = if clock.is_empty() {
        0
    } else {
        clock_millis(clock)?
    };
    days.checked_mul(86_400_000)?
        .checked_add(millis)?
        .checked_sub(zone_minutes * 60_000)
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), 0));
    }
    for zone in ["UTC", "GMT"] {
        if let Some(clock) = text.strip_suffix(zone) {
            return Some((clock.trim_end(), 0));
        }
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let zone = text[at + 1..].replace(':', "");
    let minutes = match zone.len() {
        2 => number(&zone, 2..=2)? * 60,
        4 => number(&zone[..2], 2..=2)? * 60 + number(&zone[2..], 2..=2)?,
        _ => return None,
    };
    Some((
        text[..at].trim_end(),
        if text.as_bytes()[at] == b'-' {
            -minutes
        } else {
            minutes
        },
    ))
}

fn clock_millis(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 1..=2)?;
    let minute = number(parts.next()?, 1..=2)?;
    let second = parts.next().map_or(Some(0), |text| number(text, 1..=2))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = if fraction.is_empty() {
        0
    } else {
        number(&format!("{fraction:0<3}")[..3], 3..=3)?
    };
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// The timestamp as text, in UTC.
pub(crate) fn format_timestamp(millis: i64, separator: &str, zone: &str) -> String {
    let (year, month, day) = civil_from_days(millis.div_euclid(86_400_000));
    let of_day = millis.rem_euclid(86_400_000);
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    let year = if year < 0 {
        format!("-{:04}", -year)
    } else {
        format!("{year:04}")
    };
    format!(
        "{year}-{month:02}-{day:02}{separator}{:02}:{:02}:{:02}.{millis:03}{zone}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_reach_both_ends() {
        assert_eq!(parse_date("1970-01-01"), Some(0x8000_0000));
        assert_eq!(parse_date("-5877641-06-23"), Some(0));
        assert_eq!(parse_date("5881580-07-11"), Some(u32::MAX));
        assert_eq!(parse_date("5881580-07-12"), None);
        assert_eq!(parse_date("2023-02-30"), None);
        for days in [0, 1, 0x8000_0000, 0x8000_512b, u32::MAX] {
            assert_eq!(parse_date(&format_date(days)), Some(days));
        }
    }

    #[test]
    fn timestamps_in_their_spellings() {
        let millis = 1_795_350_896_789;
        for text in [
            "2026-11-22 12:34:56.789+0000",
            "2026-11-22T12:34:56.789Z",
            "2026-11-22 13:34:56.789+01:00",
            "2026-11-22 12:34:56.789",
            "1795350896789",
        ] {
            assert_eq!(parse_timestamp(text), Some(millis), "{text}");
        }
        assert_eq!(parse_timestamp("2026-11-22"), Some(1_795_305_600_000));
        assert_eq!(parse_timestamp("nonsense"), None);
        assert_eq!(
            format_timestamp(millis, "T", "Z"),
            "2026-11-22T12:34:56.789Z"
        );
        assert_eq!(parse_time("08:12:54.123"), Some(29_574_123_000_000));
        assert_eq!(parse_time("24:00:00"), None);
        assert_eq!(format_time(29_574_123_000_000), "08:12:54.123000000");
    }
}
