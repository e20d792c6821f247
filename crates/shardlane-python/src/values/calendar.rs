//! Days since the Unix epoch to proleptic Gregorian dates and back, in integers.
//!
//! Python's `datetime` covers the years 1 to 9999 only; CQL dates and timestamps go far beyond,
//! so the arithmetic has to be total over every value the wire can carry.

/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// Nanoseconds in a day: the exclusive bound of a CQL `time`.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;
/// Day number of 0001-01-01, the first that `datetime.date` can hold.
pub(crate) const FIRST_PYTHON_DAY: i64 = -719_162;
/// Day number of 9999-12-31, the last that `datetime.date` can hold.
pub(crate) const LAST_PYTHON_DAY: i64 = 2_932_896;

/// Days in 400 Gregorian years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_SHIFT: i64 = 719_468;

/// A date of the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

impl Civil {
    /// The date `days` after 1970-01-01.
    pub(crate) fn from_days(days: i64) -> Self {
        // Years are counted from 1 March, which puts the leap day at the end of a year.
        let shifted = days + EPOCH_SHIFT;
        let era = shifted.div_euclid(ERA_DAYS);
        let day_of_era = shifted.rem_euclid(ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self {
            year,
            month: month as u8,
            day: day as u8,
        }
    }

    /// Days from 1970-01-01 to this date.
    pub(crate) fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let march_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * march_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * ERA_DAYS + day_of_era - EPOCH_SHIFT
    }

    /// Reads `[+-]YYYY-MM-DD` with any number of year digits up to nine, and only real dates.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let mut parts = rest.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() < 4 || year.len() > 9 {
            return None;
        }
        if month.len() != 2 || day.len() != 2 {
            return None;
        }
        let parsed = Self {
            year: sign * i64::try_from(digits(year)?).ok()?,
            month: u8::try_from(digits(month)?).ok()?,
            day: u8::try_from(digits(day)?).ok()?,
        };
        if !(1..=12).contains(&parsed.month) || !(1..=31).contains(&parsed.day) {
            return None;
        }
        // 31 February becomes a day in March and does not come back as itself.
        (Self::from_days(parsed.to_days()) == parsed).then_some(parsed)
    }
}

/// Reads `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f` (one to nine digits) as nanoseconds since midnight.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour = two_digits(parts.next()?, 23)?;
    let minute = two_digits(parts.next()?, 59)?;
    let (second, nanos) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (two_digits(seconds, 59)?, 0),
            Some((whole, fraction)) => {
                if fraction.is_empty() || fraction.len() > 9 {
                    return None;
                }
                let scale = 10_u64.pow(9 - fraction.len() as u32);
                (two_digits(whole, 59)?, digits(fraction)? * scale)
            }
        },
    };
    if parts.next().is_some() {
        return None;
    }
    i64::try_from(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos).ok()
}

fn two_digits(text: &str, max: u64) -> Option<u64> {
    if text.len() != 2 {
        return None;
    }
    digits(text).filter(|&value| value <= max)
}

/// A short run of ASCII digits; `str::parse` alone would let a sign through.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
