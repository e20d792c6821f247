//! Decimals: a scale and an unscaled integer.

use super::integer::BigInt;

/// `unscaled * 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: BigInt,
    pub(crate) scale: i32,
}

impl Decimal {
    /// The sum, at the finer scale of the two; `None` if the scales are absurdly far apart.
    pub(crate) fn add(&self, other: &Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let raised = |n: &Self| {
            n.unscaled
                .shift(usize::try_from(i64::from(scale) - i64::from(n.scale)).ok()?)
        };
        Some(Self {
            unscaled: raised(self)?.add(&raised(other)?),
            scale,
        })
    }

    /// The quotient at the same scale.
    pub(crate) fn divide(&self, by: u64) -> Self {
        Self {
            unscaled: self.unscaled.divide(by),
            scale: self.scale,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.scale.to_be_bytes().to_vec();
        out.extend(self.unscaled.to_bytes());
        out
    }
}

/// Reads `1.23`, `-1E-20` and the like.
pub(crate) fn decimal_from_text(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let unscaled = BigInt::parse(&format!("{whole}{fraction}"))?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some(Decimal { unscaled, scale })
}

/// Splits a decimal's bytes.
pub(crate) fn decimal_parts(bytes: &[u8]) -> Option<Decimal> {
    let (scale, unscaled) = bytes.split_first_chunk::<4>()?;
    Some(Decimal {
        unscaled: BigInt::from_bytes(unscaled),
        scale: i32::from_be_bytes(*scale),
    })
}

/// The usual text: plain digits, or with an exponent where that would be long.
pub(crate) fn decimal_text(decimal: &Decimal) -> String {
    let digits = decimal.unscaled.digits();
    let sign = if decimal.unscaled.negative { "-" } else { "" };
    let scale = i64::from(decimal.scale);
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale >= 0 && adjusted >= -6 {
        if scale == 0 {
            return format!("{sign}{digits}");
        }
        let scale = scale as usize;
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}E{adjusted:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "0",
            "1.23",
            "-0.00001",
            "12345678901234567890.0123456789",
            "1E+10",
            "-1E-20",
            "-1.5E-30",
            "100",
        ] {
            let decimal = decimal_from_text(text).unwrap();
            assert_eq!(decimal_text(&decimal), text);
            assert_eq!(decimal_parts(&decimal.to_bytes()), Some(decimal));
        }
        assert!(decimal_from_text("1e99999999999").is_none());
    }
}
