//! Amounts as the notations write them: exact decimals, never binary floats.

use crate::ids::Chips;
use std::{fmt, str::FromStr};

/// Most digits after the point: a float printed by Python has fewer.
pub const DECIMALS_MAX: u8 = 40;

/// A decimal number exactly as written: `2.50` keeps its two decimals.
///
/// Two amounts are equal when they are written alike; [`Amount::units`] compares values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    /// The number without its point: 250 for `2.50`.
    pub digits: i64,
    /// Digits after the point.
    pub decimals: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAmount {
    #[error("'{0}' is not a number")]
    Form(String),
    #[error("'{0}' has more digits than can be kept exactly: 18, of them {DECIMALS_MAX} after the point")]
    Digits(String),
}

impl Amount {
    pub const ZERO: Self = Self { digits: 0, decimals: 0 };

    /// Whole units.
    pub fn whole(chips: Chips) -> Self {
        Self { digits: i64::try_from(chips).unwrap_or(i64::MAX), decimals: 0 }
    }

    /// Digits alone, at most 18.
    pub(super) fn plain(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 18 {
            return None;
        }
        let digits = text.iter().try_fold(0i64, |digits, byte| {
            byte.is_ascii_digit().then(|| digits * 10 + i64::from(byte - b'0'))
        })?;
        Some(Self { digits, decimals: 0 })
    }

    /// The value in units of 10^-`decimals`; `None` if it is not a whole number of units or too large.
    pub fn units(self, decimals: u8) -> Option<i128> {
        let digits = i128::from(self.digits);
        if self.decimals == decimals {
            return Some(digits);
        }
        if self.decimals <= decimals {
            return digits.checked_mul(power(decimals - self.decimals)?);
        }
        let finer = power(self.decimals - decimals)?;
        (digits % finer == 0).then_some(digits / finer)
    }

    /// The same value with fewest decimals.
    pub fn trimmed(mut self) -> Self {
        while self.decimals > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.decimals -= 1;
        }
        self
    }
}

/// All powers of ten that fit.
static POWERS: [i128; 39] = {
    let (mut powers, mut at) = ([1; 39], 1);
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

fn power(exponent: u8) -> Option<i128> {
    POWERS.get(usize::from(exponent)).copied()
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs();
        if self.decimals == 0 {
            return write!(f, "{sign}{digits}");
        }
        let width = usize::from(self.decimals) + 1;
        let text = format!("{digits:0width$}");
        let (whole, part) = text.split_at(text.len() - usize::from(self.decimals));
        write!(f, "{sign}{whole}.{part}")
    }
}

impl FromStr for Amount {
    type Err = BadAmount;

    /// Reads what TOML and JSON call decimal integers and floats: sign, digits with `_` between them,
    /// point, exponent.
    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let form = || BadAmount::Form(text.chars().take(40).collect());
        let long = || BadAmount::Digits(text.chars().take(60).collect());
        let bytes = text.as_bytes();
        let (negative, mut at) = match bytes.first() {
            Some(b'-') => (true, 1),
            Some(b'+') => (false, 1),
            _ => (false, 0),
        };
        let (mut digits, mut decimals, mut point) = (0i64, 0i32, false);
        let mut last_was_digit = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    digits = digits
                        .checked_mul(10)
                        .and_then(|digits| digits.checked_add(i64::from(byte - b'0')))
                        .ok_or_else(long)?;
                    decimals += i32::from(point);
                    last_was_digit = true;
                }
                b'_' if last_was_digit && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
                b'.' if last_was_digit && !point => {
                    point = true;
                    last_was_digit = false;
                }
                b'e' | b'E' if last_was_digit => break,
                _ => return Err(form()),
            }
            at += 1;
        }
        if !last_was_digit {
            return Err(form());
        }
        if at < bytes.len() {
            let exponent: i32 = text[at + 1..].replace('_', "").parse().map_err(|_| form())?;
            decimals = decimals.checked_sub(exponent).ok_or_else(long)?;
        }
        while decimals < 0 {
            digits = digits.checked_mul(10).ok_or_else(long)?;
            decimals = if digits == 0 { 0 } else { decimals + 1 };
        }
        let decimals = u8::try_from(decimals).ok().filter(|at| *at <= DECIMALS_MAX).ok_or_else(long)?;
        Ok(Self { digits: if negative { -digits } else { digits }, decimals })
    }
}

/// A stack, which a notation may leave open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Known(Amount),
    /// `inf`: not known, or without end.
    Infinite,
    /// `nan`: what PokerKit makes of an infinite stack that lost.
    Nan,
    /// `null`, which earlier versions of the specification allow, though TOML does not.
    Null,
}

impl Stack {
    pub fn known(self) -> Option<Amount> {
        match self {
            Self::Known(amount) => Some(amount),
            Self::Infinite | Self::Nan | Self::Null => None,
        }
    }
}

impl From<Amount> for Stack {
    fn from(amount: Amount) -> Self {
        Self::Known(amount)
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(amount) => amount.fmt(f),
            Self::Infinite => f.write_str("inf"),
            Self::Nan => f.write_str("nan"),
            Self::Null => f.write_str("null"),
        }
    }
}

impl FromStr for Stack {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        match text {
            "inf" | "+inf" => Ok(Self::Infinite),
            "nan" | "+nan" | "-nan" => Ok(Self::Nan),
            "null" => Ok(Self::Null),
            number => number.parse().map(Self::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_is_written_with_the_digits_it_was_read_with() {
        for text in ["0", "7", "2.50", "-2", "-0.05", "0.000000000000000001", "9223372036854775807", "5.0"] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(read("1_000.5").to_string(), "1000.5");
        assert_eq!(read("+5e3").to_string(), "5000");
        assert_eq!(read("1.5e-3").to_string(), "0.0015");
        assert_eq!(read("1.4210854715202004e-14"), Amount { digits: 14_210_854_715_202_004, decimals: 30 });
        assert_eq!(read("0e9"), Amount::ZERO);
    }

    #[test]
    fn units_are_exact_or_nothing() {
        assert_eq!(read("2.50").units(2), Some(250));
        assert_eq!(read("2.50").units(1), Some(25));
        assert_eq!(read("2.50").units(0), None);
        assert_eq!(read("3").units(18), Some(3_000_000_000_000_000_000));
        assert_eq!(read("0.1").trimmed(), read("0.1"));
        assert_eq!(read("10.00").trimmed(), read("10"));
    }

    #[test]
    fn what_is_no_number_or_too_long_is_refused() {
        for text in ["", "-", ".5", "5.", "1__0", "_1", "1_", "0x1F", "1e", "1.2.3", "inf", "ten", "1e5.0"] {
            assert!(matches!(text.parse::<Amount>(), Err(BadAmount::Form(_))), "{text}");
        }
        for text in ["9223372036854775808", "1e19", "1e-41", "1e-2147483648"] {
            assert!(matches!(text.parse::<Amount>(), Err(BadAmount::Digits(_))), "{text}");
        }
    }

    #[test]
    fn a_stack_may_be_open() {
        for text in ["inf", "nan", "null", "12.5"] {
            assert_eq!(text.parse::<Stack>().unwrap().to_string(), text);
        }
        assert_eq!("+inf".parse(), Ok(Stack::Infinite));
        assert!("-inf".parse::<Stack>().is_err());
    }
}
