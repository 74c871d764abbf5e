//! Bounds of a running filter: steps, the size and depth of values, the stack.

use std::cell::Cell;

use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, v};
use jaq_core::ops::Cmp;
use jaq_core::{Bind, DataT, Error, Exn, Lut, Native, ValX, data};
use jaq_json::{Num, Val};

use super::excerpt::{catchable, excerpt};
use super::{MAX_EXCERPT, cost};

/// Functions for the rewritten filter. Users' filters cannot name them, as the names contain spaces.
pub(super) const STEP: &str = "iter8 step";
pub(super) const BUILT: &str = "iter8 built";
pub(super) const NESTED: &str = "iter8 nested";
pub(super) const PRINTABLE: &str = "iter8 printable";
pub(super) const TIMES: &str = "iter8 times";
pub(super) const SPLIT: &str = "iter8 split";
pub(super) const MINUS: &str = "iter8 minus";
pub(super) const ORDERED: &str = "iter8 ordered";
pub(super) const INDEX: &str = "iter8 index";
pub(super) const CONTAINED: &str = "iter8 contained";
pub(super) const SOUGHT: &str = "iter8 sought";
pub(super) const TRIED: &str = "iter8 tried";

/// Returns the name of the guard's comparison.
pub(super) fn comparison(op: Cmp) -> &'static str {
    match op {
        Cmp::Lt => "iter8 <",
        Cmp::Le => "iter8 <=",
        Cmp::Gt => "iter8 >",
        Cmp::Ge => "iter8 >=",
        Cmp::Eq => "iter8 ==",
        Cmp::Ne => "iter8 !=",
    }
}

/// Maximum steps of one run; they take a few tenths of a second.
pub(super) const STEPS: usize = 2_000_000;

/// Entries or bytes of a value that can be read or copied in one step.
const PER_STEP: usize = 64;

/// Maximum bytes of a string, array or object, without the values in it.
const MAX_SIZE: usize = 4 << 20;

/// Maximum bytes of all values that one run builds.
const MAX_BUILT: usize = 64 << 20;

/// Bytes of an entry of an array, and approximate bytes of one of an object.
const ENTRY: usize = size_of::<Val>();
const PAIR: usize = 64;

/// Approximate bytes of a short string in an array.
const PIECE: usize = 64;

/// Maximum bits of an integer.
const MAX_BITS: u64 = 1 << 16;

/// Maximum nesting of a value, because dropping it is recursive.
const MAX_DEPTH: usize = 256;

/// Maximum stack of a run, in bytes; a thread has 2 MiB.
const MAX_STACK: usize = 768 << 10;

/// The exceeded bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    Steps,
    Size,
    Memory,
    Depth,
    Stack,
}

impl Stopped {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Steps => "the filter takes more than 2000000 steps",
            Self::Size => "the filter builds a value that is too large",
            Self::Memory => "the filter builds values of more than 64 MiB in total",
            Self::Depth => "the filter builds a value that nests deeper than 256 levels",
            Self::Stack => "the filter recurses too deeply",
        }
    }
}

/// The bounds of one run.
#[derive(Debug)]
pub(super) struct Guard {
    steps: Cell<usize>,
    /// Bytes that may still be built.
    memory: Cell<usize>,
    /// Address of the stack at the start.
    stack: usize,
    stopped: Cell<Option<Stopped>>,
}

impl Guard {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps: Cell::new(steps), memory: Cell::new(MAX_BUILT), stack: stack(), stopped: Cell::new(None) }
    }

    pub(super) fn data<'a>(&'a self, lut: &'a Lut<Bounded>) -> Data<'a> {
        Data { lut, guard: self }
    }

    /// Returns the bound that the run has exceeded, if any.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        self.stopped.get()
    }

    /// Stops the run in a way that filters cannot catch.
    fn stop<'a>(&self, reason: Stopped) -> Exn<'a, Val> {
        self.stopped.set(self.stopped.get().or(Some(reason)));
        Exn::halt(1)
    }

    fn take<'a>(&self, size: usize) -> Result<(), Exn<'a, Val>> {
        match self.steps.get().checked_sub((size / PER_STEP).saturating_add(1)) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => {
                self.steps.set(0);
                Err(self.stop(Stopped::Steps))
            }
        }
    }

    /// Takes as many steps as an operation costs.
    fn charge<'a>(&self, cost: impl FnOnce(&mut usize) -> bool) -> Result<(), Exn<'a, Val>> {
        let most = self.steps.get().saturating_mul(PER_STEP);
        let mut room = most;
        self.take(if cost(&mut room) { most - room } else { usize::MAX })
    }

    fn compare<'a>(&self, op: Cmp, left: &Val, right: &Val) -> ValX<'a, Val> {
        self.charge(|room| cost::compare(left, right, room))?;
        Ok(Val::Bool(op.run(left, right)))
    }

    fn ordered<'a>(&self, value: Val) -> ValX<'a, Val> {
        self.charge(|room| cost::order(&value, room))?;
        Ok(value)
    }

    fn index<'a>(&self, value: Val) -> ValX<'a, Val> {
        self.charge(|room| cost::index(&value, room))?;
        Ok(value)
    }

    /// Takes a step on `value`, which may copy it.
    fn step<'a>(&self, value: Val) -> ValX<'a, Val> {
        let size = size(&value);
        let bits = match &value {
            Val::Num(Num::BigInt(number)) => number.bits(),
            _ => 0,
        };
        if size > MAX_SIZE || bits > MAX_BITS {
            return Err(self.stop(Stopped::Size));
        }
        if self.stack.abs_diff(stack()) > MAX_STACK {
            return Err(self.stop(Stopped::Stack));
        }
        self.take(entries(&value))?;
        Ok(value)
    }

    /// Takes a step on a new value.
    fn built<'a>(&self, value: Val) -> ValX<'a, Val> {
        let value = self.step(value)?;
        match self.memory.get().checked_sub(size(&value)) {
            Some(left) => self.memory.set(left),
            None => return Err(self.stop(Stopped::Memory)),
        }
        Ok(value)
    }

    /// Checks the depth of a new array or object.
    fn nested<'a>(&self, value: Val) -> ValX<'a, Val> {
        self.depth(&value, 0)?;
        self.built(value)
    }

    /// Checks that a value is not too large as JSON.
    fn printable<'a>(&self, value: Val) -> ValX<'a, Val> {
        let mut room = MAX_SIZE;
        if !cost::print(&value, &mut room) {
            return Err(self.stop(Stopped::Size));
        }
        self.take(MAX_SIZE - room)?;
        Ok(value)
    }

    fn depth<'a>(&self, value: &Val, above: usize) -> Result<(), Exn<'a, Val>> {
        if above >= MAX_DEPTH {
            return Err(self.stop(Stopped::Depth));
        }
        match value {
            Val::Arr(entries) => {
                self.take(entries.len())?;
                entries.iter().try_for_each(|entry| self.depth(entry, above + 1))
            }
            Val::Obj(entries) => {
                self.take(entries.len())?;
                entries.values().try_for_each(|entry| self.depth(entry, above + 1))
            }
            _ => Ok(()),
        }
    }

    /// Multiplies; a string times a number repeats the string.
    fn times<'a>(&self, left: Val, right: Val) -> ValX<'a, Val> {
        let (left, right) = (self.step(left)?, self.step(right)?);
        let repeated = match (&left, &right) {
            (Val::TStr(_) | Val::BStr(_), Val::Num(count)) => Some((size(&left), count)),
            (Val::Num(count), Val::TStr(_) | Val::BStr(_)) => Some((size(&right), count)),
            _ => None,
        };
        if let Some((length, count)) = repeated {
            let most = MAX_SIZE / length.max(1);
            let is_few = match count {
                Num::Int(count) => usize::try_from(*count).is_ok_and(|count| count <= most) || *count < 0,
                // An error, not a repetition.
                Num::Float(_) | Num::Dec(_) => true,
                Num::BigInt(_) => false,
            };
            if !is_few {
                return Err(self.stop(Stopped::Size));
            }
        }
        self.charge(|room| cost::merge(&left, &right, room))?;
        self.built((left * right).map_err(Exn::from)?)
    }

    fn minus<'a>(&self, left: Val, right: Val) -> ValX<'a, Val> {
        let (left, right) = (self.step(left)?, self.step(right)?);
        self.charge(|room| cost::subtract(&left, &right, room))?;
        self.built((left - right).map_err(Exn::from)?)
    }

    /// Divides; a string by a string splits it.
    fn split<'a>(&self, left: Val, right: Val) -> ValX<'a, Val> {
        let (left, right) = (self.step(left)?, self.step(right)?);
        if let (Val::TStr(text) | Val::BStr(text), Val::TStr(separator) | Val::BStr(separator)) = (&left, &right) {
            let most = MAX_SIZE / PIECE;
            // The first byte of the separator occurs at least as often as the separator.
            let pieces = match separator.first() {
                Some(first) => text.iter().filter(|byte| *byte == first).count(),
                None => text.len(),
            };
            if pieces > most {
                return Err(self.stop(Stopped::Size));
            }
        }
        self.built((left / right).map_err(Exn::from)?)
    }
}

/// Bytes of a value, without those of its entries.
fn size(value: &Val) -> usize {
    let entry = match value {
        Val::Arr(_) => ENTRY,
        Val::Obj(_) => PAIR,
        _ => 1,
    };
    entries(value).saturating_mul(entry)
}

/// Bytes of a string, entries of an array or object.
fn entries(value: &Val) -> usize {
    match value {
        Val::TStr(text) | Val::BStr(text) => text.len(),
        Val::Arr(entries) => entries.len(),
        Val::Obj(entries) => entries.len(),
        _ => 0,
    }
}

/// Approximate address of the stack's top.
fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Evaluation with a [`Guard`].
pub(super) struct Bounded;

/// Data of a run: its functions and bounds.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    lut: &'a Lut<Bounded>,
    guard: &'a Guard,
}

impl DataT for Bounded {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> data::HasLut<'a, Bounded> for Data<'a> {
    fn lut(&self) -> &'a Lut<Bounded> {
        self.lut
    }
}

/// A function that returns its input, also in paths, after a check by the guard.
macro_rules! checked {
    ($check:ident) => {
        Native::<Bounded>::new(|cv| box_once(cv.0.data().guard.$check(cv.1)))
            .with_paths(|cv| {
                let (value, path) = cv.1;
                box_once(cv.0.data().guard.$check(value).map(|value| (value, path)))
            })
            .with_update(|cv, update| match cv.0.data().guard.$check(cv.1) {
                Ok(value) => update(value),
                Err(stopped) => box_once(Err(stopped)),
            })
    };
}

/// An operator that the guard evaluates.
macro_rules! operator {
    ($operation:ident) => {
        Native::<Bounded>::new(|mut cv| {
            let right = cv.0.pop_var();
            let left = cv.0.pop_var();
            box_once(cv.0.data().guard.$operation(left, right))
        })
    };
}

/// A comparison.
macro_rules! comparison {
    ($op:ident) => {
        (
            comparison(Cmp::$op),
            v(2),
            Native::<Bounded>::new(|mut cv| {
                let (right, left) = (cv.0.pop_var(), cv.0.pop_var());
                box_once(cv.0.data().guard.compare(Cmp::$op, &left, &right))
            }),
        )
    };
}

/// A function that returns its input, after it took the steps of an operation on it and an argument.
macro_rules! charged {
    ($cost:ident) => {
        Native::<Bounded>::new(|mut cv| {
            let argument = cv.0.pop_var();
            box_once(cv.0.data().guard.charge(|room| cost::$cost(&cv.1, &argument, room)).map(|()| cv.1))
        })
    };
}

/// Returns the functions of the guard, and those that it replaces.
pub(super) fn funs() -> [Fun<Bounded>; 21] {
    // The result has an array's entry for each byte.
    let explode = Native::<Bounded>::new(|cv| {
        let Val::TStr(text) = &cv.1 else { return box_once(Err(Error::typ(cv.1, "string").into())) };
        if text.len() > MAX_SIZE / ENTRY {
            return box_once(Err(cv.0.data().guard.stop(Stopped::Size)));
        }
        let characters = String::from_utf8_lossy(text).chars().map(|c| Val::from(u32::from(c) as usize)).collect();
        box_once(Ok(characters))
    });
    // The string may come from the document, so the depth of the result has to be checked.
    let parse = Native::<Bounded>::new(|cv| {
        let parsed = match &cv.1 {
            Val::TStr(text) => serde_json::from_slice(text).map_err(|_| unparsable(&cv.1, "as JSON")),
            other => Err(Error::typ(other.clone(), "string").into()),
        };
        box_once(parsed)
    });
    let to_number = Native::<Bounded>::new(|cv| {
        let parsed = match &cv.1 {
            number @ Val::Num(_) => Some(number.clone()),
            Val::TStr(text) => serde_json::from_slice(text).ok().filter(|value| matches!(value, Val::Num(_))),
            _ => None,
        };
        box_once(parsed.ok_or_else(|| unparsable(&cv.1, "as a number")))
    });
    // The message of a caught error is formatted, however long it is.
    let tried = Native::<Bounded>::new(|mut cv| {
        let (tried, context) = cv.0.pop_fun();
        Box::new(tried.run((context, cv.1)).map(|output| output.map_err(catchable)))
    });
    let tried = tried.with_paths(|mut cv| {
        let (tried, context) = cv.0.pop_fun();
        Box::new(tried.paths((context, cv.1)).map(|output| output.map_err(catchable)))
    });
    [
        comparison!(Lt),
        comparison!(Le),
        comparison!(Gt),
        comparison!(Ge),
        comparison!(Eq),
        comparison!(Ne),
        (TRIED, [Bind::Fun(())].into(), tried),
        (ORDERED, v(0), checked!(ordered)),
        (INDEX, v(0), checked!(index)),
        (CONTAINED, v(1), charged!(contain)),
        (SOUGHT, v(1), charged!(indices)),
        (MINUS, v(2), operator!(minus)),
        (STEP, v(0), checked!(step)),
        (BUILT, v(0), checked!(built)),
        (NESTED, v(0), checked!(nested)),
        (PRINTABLE, v(0), checked!(printable)),
        (TIMES, v(2), operator!(times)),
        (SPLIT, v(2), operator!(split)),
        ("explode", v(0), explode),
        ("fromjson", v(0), parse),
        ("tonumber", v(0), to_number),
    ]
}

/// Error that names the value.
fn unparsable<'a>(value: &Val, expected: &str) -> Exn<'a, Val> {
    Error::str(format!("cannot parse {} {expected}", excerpt(value, MAX_EXCERPT))).into()
}
