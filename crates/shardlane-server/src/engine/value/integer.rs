//! Integers of any size: two's complement bytes and decimal text.

/// A sign and a magnitude, as base-10^9 digits, least significant first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BigInt {
    pub(crate) negative: bool,
    limbs: Vec<u32>,
}

const BASE: u64 = 1_000_000_000;

/// Literals longer than this are refused: conversions are quadratic.
const MAX_DIGITS: usize = 10_000;

impl BigInt {
    /// Reads decimal digits with an optional sign.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if digits.is_empty()
            || digits.len() > MAX_DIGITS
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let mut limbs = Vec::with_capacity(digits.len() / 9 + 1);
        for chunk in digits.as_bytes().rchunks(9) {
            limbs.push(
                chunk
                    .iter()
                    .fold(0, |n, digit| n * 10 + u32::from(digit - b'0')),
            );
        }
        Some(Self { negative, limbs }.normal())
    }

    fn normal(mut self) -> Self {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        if self.limbs.is_empty() {
            self.negative = false;
        }
        self
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The sum.
    pub(crate) fn add(&self, other: &Self) -> Self {
        if self.negative == other.negative {
            let mut limbs = Vec::with_capacity(self.limbs.len().max(other.limbs.len()) + 1);
            let mut carry = 0;
            for at in 0..self.limbs.len().max(other.limbs.len()) {
                let limb = |limbs: &[u32]| limbs.get(at).copied().map_or(0, u64::from);
                let sum = limb(&self.limbs) + limb(&other.limbs) + carry;
                limbs.push((sum % BASE) as u32);
                carry = sum / BASE;
            }
            limbs.push(carry as u32);
            return Self {
                negative: self.negative,
                limbs,
            }
            .normal();
        }
        let (big, small) = if self.magnitude_is_less(other) {
            (other, self)
        } else {
            (self, other)
        };
        let mut limbs = Vec::with_capacity(big.limbs.len());
        let mut borrow = 0;
        for at in 0..big.limbs.len() {
            let taken = small.limbs.get(at).copied().map_or(0, u64::from) + borrow;
            let have = u64::from(big.limbs[at]);
            borrow = u64::from(have < taken);
            limbs.push((have + borrow * BASE - taken) as u32);
        }
        Self {
            negative: big.negative,
            limbs,
        }
        .normal()
    }

    fn magnitude_is_less(&self, other: &Self) -> bool {
        let key = |n: &Self| {
            (
                n.limbs.len(),
                n.limbs.iter().rev().copied().collect::<Vec<_>>(),
            )
        };
        key(self) < key(other)
    }

    /// The quotient, cut towards zero.
    pub(crate) fn divide(&self, by: u64) -> Self {
        let mut limbs = self.limbs.clone();
        let mut rest = 0u128;
        for limb in limbs.iter_mut().rev() {
            let value = rest * u128::from(BASE) + u128::from(*limb);
            *limb = (value / u128::from(by.max(1))) as u32;
            rest = value % u128::from(by.max(1));
        }
        Self {
            negative: self.negative,
            limbs,
        }
        .normal()
    }

    /// Times ten to the power of `exponent`.
    pub(crate) fn shift(&self, exponent: usize) -> Option<Self> {
        if exponent > MAX_DIGITS {
            return None;
        }
        Self::parse(&format!("{self}{}", "0".repeat(exponent)))
    }

    /// Big-endian two's complement of any length; empty reads as zero.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
        let mut magnitude = bytes.to_vec();
        if negative {
            negate(&mut magnitude);
        }
        let mut limbs: Vec<u32> = Vec::new();
        for byte in magnitude {
            let mut carry = u64::from(byte);
            for limb in &mut limbs {
                let sum = u64::from(*limb) * 256 + carry;
                *limb = (sum % BASE) as u32;
                carry = sum / BASE;
            }
            if carry > 0 {
                limbs.push(carry as u32);
            }
        }
        Self { negative, limbs }.normal()
    }

    /// The shortest big-endian two's complement form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut limbs = self.limbs.clone();
        let mut magnitude = Vec::new();
        while !limbs.is_empty() {
            let mut rest = 0u64;
            for limb in limbs.iter_mut().rev() {
                let value = rest * BASE + u64::from(*limb);
                *limb = (value / 256) as u32;
                rest = value % 256;
            }
            magnitude.push(rest as u8);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        // a sign byte, then cut what repeats the sign
        magnitude.push(0);
        magnitude.reverse();
        if self.negative {
            negate(&mut magnitude);
        }
        let redundant = magnitude
            .windows(2)
            .take_while(|pair| {
                (pair[0] == 0 && pair[1] & 0x80 == 0) || (pair[0] == 0xFF && pair[1] & 0x80 != 0)
            })
            .count();
        magnitude.split_off(redundant)
    }

    /// The magnitude's decimal digits, without leading zeros; `0` for zero.
    pub(crate) fn digits(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        for (at, limb) in self.limbs.iter().rev().enumerate() {
            let written = if at == 0 {
                write!(out, "{limb}")
            } else {
                write!(out, "{limb:09}")
            };
            debug_assert!(written.is_ok(), "writing to a string cannot fail");
        }
        if out.is_empty() { "0".to_owned() } else { out }
    }
}

impl std::fmt::Display for BigInt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}",
            if self.negative { "-" } else { "" },
            self.digits()
        )
    }
}

fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        let (value, overflow) = (!*byte).overflowing_add(u8::from(carry));
        *byte = value;
        carry = overflow;
    }
}

/// A fixed-width big-endian integer of 1, 2, 4 or 8 bytes.
pub(crate) fn int_from_bytes(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        1 => Some(i64::from(bytes[0] as i8)),
        2 => Some(i64::from(i16::from_be_bytes(bytes.try_into().ok()?))),
        4 => Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree_with_i128() {
        for n in [
            0i128,
            1,
            -1,
            127,
            128,
            -128,
            -129,
            255,
            256,
            999_999_999,
            1_000_000_000,
            i128::MAX,
            i128::MIN + 1,
        ] {
            let big = BigInt::parse(&n.to_string()).unwrap();
            assert_eq!(big.to_string(), n.to_string());
            let bytes = big.to_bytes();
            let mut full = if n < 0 { vec![0xFF; 16] } else { vec![0; 16] };
            full[16 - bytes.len()..].copy_from_slice(&bytes);
            assert_eq!(i128::from_be_bytes(full.try_into().unwrap()), n);
            assert_eq!(BigInt::from_bytes(&bytes), big);
            for m in [0i64, 5, -5, 1_000_000_007, -999_999_999] {
                if let Some(sum) = n.checked_add(i128::from(m)) {
                    assert_eq!(
                        big.add(&BigInt::parse(&m.to_string()).unwrap()).to_string(),
                        sum.to_string()
                    );
                }
            }
            assert_eq!(big.divide(7).to_string(), (n / 7).to_string());
        }
        assert!(
            BigInt::parse("").is_none()
                && BigInt::parse("-").is_none()
                && BigInt::parse("1x").is_none()
        );
    }
}
