//! Amounts in major units of the token, as people write them: read strictly, so that no mark is ever guessed at.

use purr_engine::Chips;

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("'{0}' has a comma: write a decimal point and no grouping, as in 1250.50")]
    Comma(String),
    #[error("'{0}' is no amount: want digits, and at most one decimal point between them, as in 1250.50")]
    Form(String),
    #[error("'{text}' has more than {decimals} decimals: the token counts no smaller part")]
    Decimals { text: String, decimals: u8 },
    #[error("'{0}' is too large")]
    Range(String),
    #[error("the amount is zero")]
    Zero,
}

/// Maximum number of characters of a wrong text that an error quotes.
const REPEATED_MAX: usize = 40;

/// Reads an amount above zero in major units: `1250.5` with six decimals is 1,250,500,000 minor units.
///
/// # Errors
/// What is wrong with the text. Signs, exponents, grouping, leading zeros and a decimal comma are refused, never read
/// as something else.
pub fn read(text: &str, decimals: u8) -> Result<Chips, AmountError> {
    let shown = || text.chars().take(REPEATED_MAX).collect::<String>();
    if text.contains(',') {
        return Err(AmountError::Comma(shown()));
    }
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(AmountError::Form(shown())),
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
    if !is_plain || !digits(whole) || !digits(fraction) {
        return Err(AmountError::Form(shown()));
    }
    let fraction = fraction.trim_end_matches('0');
    let places = usize::from(decimals);
    if fraction.len() > places {
        return Err(AmountError::Decimals { text: shown(), decimals });
    }
    match format!("{whole}{fraction:0<places$}").parse() {
        Ok(0) => Err(AmountError::Zero),
        Ok(amount) => Ok(amount),
        Err(_) => Err(AmountError::Range(shown())),
    }
}

/// Writes an amount in major units: `1250.50`, with more than two decimals only where the amount has them.
pub fn write(amount: Chips, decimals: u8) -> String {
    let places = usize::from(decimals);
    let digits = format!("{amount:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return whole.to_owned();
    }
    format!("{whole}.{fraction:0<least$}", least = places.min(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ambiguous_amounts_are_refused_and_never_changed() {
        assert_eq!(read("1250.50", 6), Ok(1_250_500_000));
        assert_eq!(read("0.000001", 6), Ok(1));
        assert_eq!(read("7", 0), Ok(7));
        assert_eq!(read("7.000", 0), Ok(7));
        for text in ["2,5", "1,250", "1.234,50", "1,234.50"] {
            assert_eq!(read(text, 6), Err(AmountError::Comma(text.into())), "{text}");
        }
        for text in
            ["", ".", ".5", "5.", "1.2.3", "+1", "-1", "1e3", "1_000", " 1", "1 000", "007", "0x10", "١"]
        {
            assert_eq!(read(text, 6), Err(AmountError::Form(text.into())), "{text:?}");
        }
        assert!(matches!(read("0.0000001", 6), Err(AmountError::Decimals { .. })));
        assert!(matches!(read("1.5", 0), Err(AmountError::Decimals { .. })));
        assert!(matches!(read("18446744073710", 6), Err(AmountError::Range(_))));
        assert_eq!(read("0.00", 6), Err(AmountError::Zero));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(amount in 1..=u64::MAX, decimals in 0..=18_u8) {
            prop_assert_eq!(read(&write(amount, decimals), decimals), Ok(amount));
        }

        #[test]
        fn what_is_read_means_its_own_digits(text in "[0-9.,+_ -]{0,24}", decimals in 0..=18_u8) {
            if let Ok(amount) = read(&text, decimals) {
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let expected = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
                let expected = &expected[..whole.len() + usize::from(decimals)];
                prop_assert_eq!(expected.parse::<u64>(), Ok(amount));
            }
        }
    }
}
