//! The token: a partition's position on the ring.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// A position on the ring of 2^64 tokens.
///
/// The tokens of partitions never take the value `i64::MIN`: the servers use it as the open lower
/// end of ranges and move a hash that happens to be equal to it to `i64::MAX`
/// ([`Token::from_hash`]). The field is public because range ends, unlike partitions, may well be
/// `i64::MIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i64);

impl Token {
    /// The open lower end of the first range; not the token of any partition.
    pub const MIN: Self = Self(i64::MIN);
    /// The greatest token.
    pub const MAX: Self = Self(i64::MAX);

    /// The token of a partition whose key hashes to `hash`.
    #[inline]
    pub const fn from_hash(hash: i64) -> Self {
        if hash == i64::MIN {
            Self::MAX
        } else {
            Self(hash)
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the decimal form used in the `tokens` columns of `system.local` and `system.peers`.
impl FromStr for Token {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_hash_becomes_the_greatest_token() {
        assert_eq!(Token::from_hash(i64::MIN), Token::MAX);
        assert_eq!(Token::from_hash(i64::MIN + 1), Token(i64::MIN + 1));
        assert_eq!(Token::from_hash(i64::MAX), Token::MAX);
    }

    #[test]
    fn text_form_goes_both_ways_and_order_is_signed() {
        for value in [i64::MIN, -1, 0, 42, i64::MAX] {
            assert_eq!(Token(value).to_string().parse(), Ok(Token(value)));
        }
        assert!("9223372036854775808".parse::<Token>().is_err());
        assert!("".parse::<Token>().is_err());
        assert!(Token(-1) < Token(0));
    }
}
