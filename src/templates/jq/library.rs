//! The functions and definitions that filters may use.

use jaq_core::box_iter::box_once;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, v};
use jaq_core::{Error, Native};
use jaq_json::Val;
use jaq_std::ValT as _;

use super::guard::{self, Bounded};

/// A function of a number.
macro_rules! of_number {
    ($name:literal, $function:expr) => {
        (
            $name,
            v(0),
            Native::<Bounded>::new(|cv| {
                let function: fn(f64) -> f64 = $function;
                box_once(match cv.1.as_f64() {
                    Some(number) => Ok(Val::from(function(number))),
                    None => Err(Error::typ(cv.1, "number").into()),
                })
            }),
        )
    };
}

/// Functions whose cost is bounded by their arguments, and those of the guard.
pub(super) fn funs() -> impl Iterator<Item = Fun<Bounded>> {
    let known = jaq_core::funs().filter(|fun| fun.0 != "range");
    let known = known.chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let unbounded = ["explode", "fromjson", "halt"];
    known.filter(move |fun| !unbounded.contains(&fun.0)).chain(guard::funs()).chain(mathematics())
}

/// Mathematical functions useful for metrics.
fn mathematics() -> [Fun<Bounded>; 8] {
    let pow = Native::<Bounded>::new(|mut cv| {
        let (exponent, base) = (cv.0.pop_var(), cv.0.pop_var());
        box_once(match (base.as_f64(), exponent.as_f64()) {
            (Some(base), Some(exponent)) => Ok(Val::from(base.powf(exponent))),
            (None, _) => Err(Error::typ(base, "number").into()),
            _ => Err(Error::typ(exponent, "number").into()),
        })
    });
    [
        of_number!("sqrt", f64::sqrt),
        of_number!("fabs", f64::abs),
        of_number!("exp", f64::exp),
        of_number!("exp10", |number| 10_f64.powf(number)),
        of_number!("log", f64::ln),
        of_number!("log2", f64::log2),
        of_number!("log10", f64::log10),
        ("pow", v(2), pow),
    ]
}

/// Definitions of the standard library that depend on unsupported functions, or that the guard's functions replace.
const MISSING: &[&str] = &[
    "@base64",
    "@base64d",
    "@html",
    "@htmld",
    "@uri",
    "@urid",
    "capture",
    "capture_of_match",
    "debug",
    "drem",
    "fromdate",
    "gamma",
    "gsub",
    "halt",
    "halt_error",
    "logb",
    "match",
    "nexttoward",
    "pow10",
    "scalb",
    "scan",
    "scan_",
    "significand",
    "splits",
    "stderr",
    "sub",
    "test",
    "todate",
    "tonumber",
];

/// Returns the definitions that filters may use.
pub(super) fn defs() -> impl Iterator<Item = Def<&'static str>> {
    // `split` with one argument needs no regular expressions.
    let is_supported =
        |def: &Def<&'static str>| !MISSING.contains(&def.name) && (def.name != "split" || def.args.len() < 2);
    range().chain(jaq_core::defs()).chain(jaq_std::defs()).chain(jaq_json::defs()).filter(is_supported)
}

/// Defines `range` in the language itself, so that each number takes a step.
fn range() -> impl Iterator<Item = Def<&'static str>> {
    const RANGE: &str = "def range($from; $to; $by): \
        def up: if . < $to then ., (. + $by | up) else {}[] end; \
        def down: if . > $to then ., (. + $by | down) else {}[] end; \
        def on: if . != $to then ., (. + $by | on) else {}[] end; \
        $from | if $by > 0 then up elif $by < 0 then down else on end;";
    jaq_core::load::parse(RANGE, |parser| parser.defs()).into_iter().flatten()
}
