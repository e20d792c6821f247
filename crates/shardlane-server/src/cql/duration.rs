//! Durations: months, days and nanoseconds, in CQL's two notations.

/// A CQL duration. All three have the same sign or are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Duration {
    /// Months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Nanoseconds.
    pub nanoseconds: i64,
}

const NS_PER_US: i64 = 1_000;
const NS_PER_MS: i64 = 1_000_000;
const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_MIN: i64 = 60 * NS_PER_S;
const NS_PER_HOUR: i64 = 60 * NS_PER_MIN;

#[derive(Default)]
struct Sum {
    months: i64,
    days: i64,
    nanoseconds: i128,
}

impl Sum {
    fn add(&mut self, number: i64, unit: &str) -> Option<()> {
        match unit {
            "y" => self.months = self.months.checked_add(number.checked_mul(12)?)?,
            "mo" => self.months = self.months.checked_add(number)?,
            "w" => self.days = self.days.checked_add(number.checked_mul(7)?)?,
            "d" => self.days = self.days.checked_add(number)?,
            "h" => self.nanoseconds += i128::from(number) * i128::from(NS_PER_HOUR),
            "m" => self.nanoseconds += i128::from(number) * i128::from(NS_PER_MIN),
            "s" => self.nanoseconds += i128::from(number) * i128::from(NS_PER_S),
            "ms" => self.nanoseconds += i128::from(number) * i128::from(NS_PER_MS),
            "us" | "µs" | "μs" => self.nanoseconds += i128::from(number) * i128::from(NS_PER_US),
            "ns" => self.nanoseconds += i128::from(number),
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> Option<Duration> {
        Some(Duration {
            months: self.months.try_into().ok()?,
            days: self.days.try_into().ok()?,
            nanoseconds: self.nanoseconds.try_into().ok()?,
        })
    }
}

impl Duration {
    /// Reads `1y2mo3w4d5h6m7s8ms9us10ns` or ISO 8601 `P1Y2M3DT4H5M6S`, without a sign.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(['P', 'p']) {
            Some(rest) => Self::parse_iso(rest),
            None => Self::parse_units(text),
        }
    }

    /// Reads either notation, with an optional minus sign.
    pub fn parse_signed(text: &str) -> Option<Self> {
        match text.strip_prefix('-') {
            Some(rest) => Self::parse(rest)?.negate(),
            None => Self::parse(text),
        }
    }

    fn parse_units(text: &str) -> Option<Self> {
        let mut sum = Sum::default();
        let mut rest = text;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let (number, tail) = take_number(rest)?;
            let unit_len = tail
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(tail.len());
            sum.add(number, &tail[..unit_len].to_lowercase())?;
            rest = &tail[unit_len..];
        }
        sum.finish()
    }

    fn parse_iso(text: &str) -> Option<Self> {
        if text.contains('-') {
            return Self::parse_iso_alternative(text);
        }
        let mut sum = Sum::default();
        let mut rest = text;
        let mut in_time = false;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            if let Some(tail) = rest.strip_prefix(['T', 't']) {
                (in_time, rest) = (true, tail);
                continue;
            }
            let (number, tail) = take_number(rest)?;
            let unit = tail.chars().next()?.to_ascii_lowercase();
            let unit = match (in_time, unit) {
                (false, 'y') => "y",
                (false, 'm') => "mo",
                (false, 'w') => "w",
                (false, 'd') => "d",
                (true, 'h') => "h",
                (true, 'm') => "m",
                (true, 's') => "s",
                _ => return None,
            };
            sum.add(number, unit)?;
            rest = &tail[1..];
        }
        sum.finish()
    }

    /// `P0001-02-03T04:05:06`.
    fn parse_iso_alternative(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let mut sum = Sum::default();
        let mut date = date.split('-');
        let mut time = time.split(':');
        for unit in ["y", "mo", "d"] {
            sum.add(date.next()?.parse().ok()?, unit)?;
        }
        for unit in ["h", "m", "s"] {
            sum.add(time.next()?.parse().ok()?, unit)?;
        }
        (date.next().is_none() && time.next().is_none()).then_some(())?;
        sum.finish()
    }

    /// The opposite duration; `None` on overflow.
    pub fn negate(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            nanoseconds: self.nanoseconds.checked_neg()?,
        })
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.months < 0 || self.days < 0 || self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        let months = i64::from(self.months).unsigned_abs();
        let mut nanoseconds = self.nanoseconds.unsigned_abs();
        let mut parts = vec![
            (months / 12, "y"),
            (months % 12, "mo"),
            (i64::from(self.days).unsigned_abs(), "d"),
        ];
        for (size, unit) in [
            (NS_PER_HOUR, "h"),
            (NS_PER_MIN, "m"),
            (NS_PER_S, "s"),
            (NS_PER_MS, "ms"),
            (NS_PER_US, "us"),
            (1, "ns"),
        ] {
            parts.push((nanoseconds / size.unsigned_abs(), unit));
            nanoseconds %= size.unsigned_abs();
        }
        parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .try_for_each(|(n, unit)| write!(f, "{n}{unit}"))
    }
}

fn take_number(text: &str) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
