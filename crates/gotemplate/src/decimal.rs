//! Decimal arithmetic for sprig's `addf` and its siblings: `addf 0.1 0.2` is 0.3.
//!
//! A number is `mantissa · 10^exponent`. Results that do not fit are computed with binary floats instead.

use super::fmt;

/// Decimal places of a quotient.
const DIVISION_DECIMALS: i32 = 16;

/// Largest difference of exponents that can be aligned.
const MAX_SHIFT: u32 = 38;

/// A decimal number.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    exponent: i32,
}

/// An arithmetic operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Add,
    Sub,
    Mul,
    /// Rounded to 16 decimals, half away from zero.
    Div,
}

impl Decimal {
    /// Returns the shortest decimal that reads back as this float; `None` if it is not finite.
    pub fn of(number: f64) -> Option<Self> {
        if fmt::not_finite(number).is_some() {
            return None;
        }
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e')?;
        let decimals = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let mantissa = digits.replace('.', "").parse().ok()?;
        Some(Self { mantissa, exponent: exponent.parse::<i32>().ok()? - i32::try_from(decimals).ok()? })
    }

    /// Returns the nearest float.
    pub fn to_float(self) -> f64 {
        format!("{}e{}", self.mantissa, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Applies an operation; fails on a division by zero.
    pub fn apply(self, operation: Operation, other: Self) -> Result<Self, String> {
        if operation == Operation::Div && other.mantissa == 0 {
            return Err("division by zero".to_owned());
        }
        if let Some(result) = self.exact(operation, other) {
            return Ok(result);
        }
        let (a, b) = (self.to_float(), other.to_float());
        let result = match operation {
            Operation::Add => a + b,
            Operation::Sub => a - b,
            Operation::Mul => a * b,
            Operation::Div => a / b,
        };
        Self::of(result).ok_or_else(|| "the result is too large".to_owned())
    }

    fn exact(self, operation: Operation, other: Self) -> Option<Self> {
        match operation {
            Operation::Add | Operation::Sub => {
                let exponent = self.exponent.min(other.exponent);
                let (a, b) = (self.scaled_to(exponent)?, other.scaled_to(exponent)?);
                let sum = if operation == Operation::Add { a.checked_add(b) } else { a.checked_sub(b) };
                Some(Self { mantissa: sum?, exponent })
            }
            Operation::Mul => Some(Self {
                mantissa: self.mantissa.checked_mul(other.mantissa)?,
                exponent: self.exponent.checked_add(other.exponent)?,
            }),
            Operation::Div => {
                let shift = DIVISION_DECIMALS.checked_add(self.exponent)?.checked_sub(other.exponent)?;
                let (mut above, mut below) = (self.mantissa, other.mantissa);
                let power = 10_i128.checked_pow(shift.unsigned_abs())?;
                if shift >= 0 {
                    above = above.checked_mul(power)?;
                } else {
                    below = below.checked_mul(power)?;
                }
                let (quotient, rest) = (above / below, above % below);
                let is_half = rest.unsigned_abs() >= below.unsigned_abs() - rest.unsigned_abs();
                let away = if (above < 0) == (below < 0) { 1 } else { -1 };
                let mantissa = if is_half { quotient.checked_add(away)? } else { quotient };
                Some(Self { mantissa, exponent: -DIVISION_DECIMALS })
            }
        }
    }

    fn scaled_to(self, exponent: i32) -> Option<i128> {
        let shift = u32::try_from(self.exponent.checked_sub(exponent)?).ok()?;
        if shift > MAX_SHIFT {
            return None;
        }
        self.mantissa.checked_mul(10_i128.checked_pow(shift)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(a: f64, operation: Operation, b: f64) -> f64 {
        Decimal::of(a).unwrap().apply(operation, Decimal::of(b).unwrap()).unwrap().to_float()
    }

    #[test]
    fn arithmetic_is_decimal_if_it_fits_and_binary_beyond() {
        assert_eq!(of(0.1, Operation::Add, 0.2), 0.3);
        assert_eq!(of(0.3, Operation::Sub, 0.1), 0.2);
        assert_eq!(of(1.1, Operation::Mul, 1.1), 1.21);
        assert_eq!(of(10.0, Operation::Div, 3.0), 3.333_333_333_333_333_5);
        assert_eq!(of(-2.0, Operation::Div, 3.0), -0.666_666_666_666_666_7);
        assert_eq!(of(1e300, Operation::Add, 1e-300), 1e300);
        assert_eq!(of(1e-300, Operation::Div, 1e300), 0.0);
        assert!(Decimal::of(1.0).unwrap().apply(Operation::Div, Decimal::of(0.0).unwrap()).is_err());
        assert_eq!(of(1e308, Operation::Mul, 1e308), f64::INFINITY);
        assert!(Decimal::of(f64::NAN).is_none());
    }
}
