//! Numbers: casts, 64-bit integer arithmetic, decimal arithmetic, rounding and ranges.

use super::{ANY, Function, Outcome, args, row};
use crate::bounds::VALUE;
use crate::context::Context;
use crate::decimal::{Decimal, Operation};
use crate::fmt;
use crate::strconv;
use crate::value::{Element, Value};

pub const FUNCTIONS: &[Function] = &[
    row("int", 1, 1, |_, args| Ok(Value::Int(whole(&args[0])))),
    row("int64", 1, 1, |_, args| Ok(Value::Int64(whole(&args[0])))),
    row("float64", 1, 1, |_, args| Ok(Value::Float(float(&args[0])))),
    row("atoi", 1, 1, |_, args| Ok(Value::Int(args::string(args, 0)?.parse().unwrap_or(0)))),
    row("toDecimal", 1, 1, to_decimal),
    row("add", 0, ANY, |_, args| Ok(Value::Int64(args.iter().fold(0, |sum, value| sum.wrapping_add(whole(value)))))),
    row("add1", 1, 1, |_, args| Ok(Value::Int64(whole(&args[0]).wrapping_add(1)))),
    row("sub", 2, 2, |_, args| Ok(Value::Int64(whole(&args[0]).wrapping_sub(whole(&args[1]))))),
    row("mul", 1, ANY, |_, args| {
        Ok(Value::Int64(args.iter().fold(1, |product, value| product.wrapping_mul(whole(value)))))
    }),
    row("div", 2, 2, |_, args| divided(args, i64::wrapping_div)),
    row("mod", 2, 2, |_, args| divided(args, i64::wrapping_rem)),
    row("max", 1, ANY, |_, args| Ok(Value::Int64(args.iter().map(whole).max().unwrap_or(0)))),
    row("biggest", 1, ANY, |_, args| Ok(Value::Int64(args.iter().map(whole).max().unwrap_or(0)))),
    row("min", 1, ANY, |_, args| Ok(Value::Int64(args.iter().map(whole).min().unwrap_or(0)))),
    row("maxf", 1, ANY, |_, args| Ok(extreme(args, |a, b| a > b))),
    row("minf", 1, ANY, |_, args| Ok(extreme(args, |a, b| a < b))),
    row("addf", 0, ANY, |_, args| decimal(Some(0.0), args, Operation::Add)),
    row("add1f", 1, 1, |_, args| decimal(Some(1.0), args, Operation::Add)),
    row("subf", 1, ANY, |_, args| decimal(None, args, Operation::Sub)),
    row("mulf", 1, ANY, |_, args| decimal(None, args, Operation::Mul)),
    row("divf", 1, ANY, |_, args| decimal(None, args, Operation::Div)),
    row("floor", 1, 1, |_, args| Ok(Value::Float(float(&args[0]).floor()))),
    row("ceil", 1, 1, |_, args| Ok(Value::Float(float(&args[0]).ceil()))),
    row("round", 2, 3, round),
    row("until", 1, 1, |context, args| {
        let count = args::integer(args, 0)?;
        range(context, 0, count, if count < 0 { -1 } else { 1 })
    }),
    row("untilStep", 3, 3, |context, args| {
        range(context, args::integer(args, 0)?, args::integer(args, 1)?, args::integer(args, 2)?)
    }),
    row("seq", 0, ANY, seq),
];

/// Casts a value to an integer as sprig does: fractions are truncated, and anything that is not a number is 0.
pub fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Float(number) => *number as i64,
        Value::String(text) => strconv::cast_int(text).unwrap_or(0),
        Value::Bool(is_so) => i64::from(*is_so),
        _ => 0,
    }
}

/// Casts a value to a float as sprig does: anything that is not a number is 0.
fn float(value: &Value) -> f64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number as f64,
        Value::Float(number) => *number,
        Value::String(text) => text.parse().unwrap_or(0.0),
        Value::Bool(is_so) => f64::from(u8::from(*is_so)),
        _ => 0.0,
    }
}

fn to_decimal(context: &mut Context, args: &[Value]) -> Outcome {
    let text = fmt::to_string(context, &args[0])?;
    Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
}

fn divided(args: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    match whole(&args[1]) {
        0 => Err("division by zero".to_owned()),
        by => Ok(Value::Int64(operation(whole(&args[0]), by))),
    }
}

fn extreme(args: &[Value], is_better: fn(f64, f64) -> bool) -> Value {
    let mut numbers = args.iter().map(float);
    let first = numbers.next().unwrap_or(0.0);
    // NaN stays, as in Go.
    let pick = |best: f64, number: f64| if number.is_nan() || is_better(number, best) { number } else { best };
    Value::Float(numbers.fold(first, |best, number| if best.is_nan() { best } else { pick(best, number) }))
}

fn decimal(start: Option<f64>, args: &[Value], operation: Operation) -> Outcome {
    let numbers = start.into_iter().chain(args.iter().map(float));
    let mut decimals = numbers.map(|number| Decimal::of(number).ok_or("a number is not finite"));
    let first = decimals.next().unwrap_or(Err("expected a number"))?;
    let result = decimals.try_fold(first, |result, number| result.apply(operation, number?))?;
    Ok(Value::Float(result.to_float()))
}

fn round(_: &mut Context, args: &[Value]) -> Outcome {
    let places = i32::try_from(args::integer(args, 1)?).map_err(|_| "too many decimals")?;
    let limit = args.get(2).map_or(0.5, float);
    let power = 10_f64.powi(places);
    let shifted = power * float(&args[0]);
    let rounded = if shifted.fract() >= limit { shifted.ceil() } else { shifted.floor() };
    Ok(Value::Float(rounded / power))
}

/// Integers from `start` up to, but not including, `stop`.
fn range(context: &mut Context, start: i64, stop: i64, step: i64) -> Outcome {
    if (stop < start) != (step < 0) || step == 0 {
        return context.list_of(Element::Int, Vec::new());
    }
    let count = start.abs_diff(stop).div_ceil(step.unsigned_abs());
    context.spend(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(VALUE))?;
    let numbers = std::iter::successors(Some(start), |number| number.checked_add(step));
    let items = numbers.take(usize::try_from(count).unwrap_or(0)).map(Value::Int).collect();
    context.list_of(Element::Int, items)
}

fn seq(context: &mut Context, args: &[Value]) -> Outcome {
    let (start, end, step) = match args.len() {
        1 => (1, args::integer(args, 0)?, None),
        2 => (args::integer(args, 0)?, args::integer(args, 1)?, None),
        3 => (args::integer(args, 0)?, args::integer(args, 2)?, Some(args::integer(args, 1)?)),
        _ => return context.string(String::new()),
    };
    let towards = if end < start { -1 } else { 1 };
    if end < start && step.is_some_and(|step| step > 0) {
        return context.string(String::new());
    }
    let numbers = range(context, start, end.saturating_add(towards), step.unwrap_or(towards))?;
    let text = fmt::to_string(context, &numbers)?;
    context.string(text.trim_matches(['[', ']']).to_owned())
}
