//! Rewrites a filter so that each of its parts calls the guard first.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::guard::{
    BUILT, CONTAINED, INDEX, MINUS, NESTED, ORDERED, PRINTABLE, SOUGHT, SPLIT, STEP, TIMES, TRIED, comparison,
};

type Code = Term<&'static str>;
type Boxed<'s> = Box<Term<&'s str>>;

/// A variable that users' filters cannot name.
const OPERAND: &str = "$iter8 operand";

/// Functions that build a value as large as their input.
const BUILDERS: [&str; 17] = [
    "ascii_downcase",
    "ascii_upcase",
    "escape_sh",
    "explode",
    "fromjson",
    "implode",
    "indices",
    "ltrim",
    "ltrimstr",
    "reverse",
    "rtrim",
    "rtrimstr",
    "sort",
    "sort_by",
    "tobytes",
    "tojson",
    "trim",
];

/// Functions whose result or cost depends on all values within their input.
const PRINTERS: [&str; 2] = ["tobytes", "tojson"];

/// Guards a filter: `f` becomes `step | f`, unless it is a constant or a name.
pub(super) fn guarded<'s>(term: Term<&'s str>) -> Term<&'s str> {
    let inner = match term {
        leaf @ (Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_)) => return leaf,
        // A filter with many outputs takes a step for each.
        Term::Recurse => pipe(Term::Recurse, call(STEP)),
        constant @ Term::Str(..) if constant_string(&constant) => constant,
        Term::Str(format, parts) => pipe(Term::Str(format, parts.into_iter().map(part).collect()), call(BUILT)),
        Term::Arr(None) => Term::Arr(None),
        Term::Arr(Some(inner)) => nested(Term::Arr(Some(boxed(inner)))),
        Term::Obj(pairs) => {
            let pair = |(key, value): (Term<&'s str>, Option<Term<&'s str>>)| match value {
                // `{$x}` has to keep its form, unlike `{$x: 1}`.
                Some(value) if matches!(key, Term::Var(_)) => (pipe(key, call(INDEX)), Some(guarded(value))),
                value => (key_of(key), value.map(guarded)),
            };
            nested(Term::Obj(pairs.into_iter().map(pair).collect()))
        }
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::BinOp(left, op, right) => binary(left, op, right),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, source, pattern, parts) => {
            Term::Fold(name, boxed(source), pattern_of(pattern), parts.into_iter().map(stepped).collect())
        }
        Term::TryCatch(tried, caught) => {
            Term::TryCatch(Box::new(Term::Call(TRIED, vec![guarded(*tried)])), caught.map(boxed))
        }
        Term::IfThenElse(cases, otherwise) => {
            let cases = cases.into_iter().map(|(condition, then)| (guarded(condition), guarded(then)));
            Term::IfThenElse(cases.collect(), otherwise.map(boxed))
        }
        Term::Def(defs, rest) => {
            let defs = defs.into_iter().map(|def| Def { body: stepped(def.body), ..def });
            Term::Def(defs.collect(), boxed(rest))
        }
        Term::Call(name, arguments) => called(name, arguments),
        Term::Path(base, Path(parts)) => {
            let is_slice = parts.iter().any(|(part, _)| matches!(part, Part::Range(..)));
            let parts = parts.into_iter().map(|(part, optional)| {
                let part = match part {
                    Part::Index(index) => Part::Index(index_of(index)),
                    Part::Range(from, to) => Part::Range(from.map(guarded), to.map(guarded)),
                };
                (part, optional)
            });
            pipe(Term::Path(boxed(base), Path(parts.collect())), call(if is_slice { BUILT } else { STEP }))
        }
    };
    pipe(call(STEP), inner)
}

/// Like [`guarded`], also for constants and names.
fn stepped(term: Term<&str>) -> Term<&str> {
    pipe(call(STEP), guarded(term))
}

fn boxed(mut term: Boxed<'_>) -> Boxed<'_> {
    *term = guarded(std::mem::take(&mut *term));
    term
}

fn call<'s>(name: &'static str) -> Term<&'s str> {
    let code: Code = Term::Call(name, Vec::new());
    code
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// Checks the depth of a value that nests its parts.
fn nested(term: Term<&str>) -> Term<&str> {
    pipe(term, call(NESTED))
}

fn constant_string(term: &Term<&str>) -> bool {
    matches!(term, Term::Str(_, parts) if !parts.iter().any(|part| matches!(part, StrPart::Term(_))))
}

/// Checks the values that a call builds.
fn called<'s>(name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
    let is_printer = PRINTERS.contains(&name);
    let result = match name {
        "group_by" => Some(NESTED),
        _ => BUILDERS.contains(&name).then_some(BUILT),
    };
    let arguments = arguments.into_iter().map(|argument| match name {
        "sort_by" | "group_by" | "min_by_or_empty" | "max_by_or_empty" | "bsearch" => {
            pipe(guarded(argument), call(ORDERED))
        }
        "has" => pipe(guarded(argument), call(INDEX)),
        _ => guarded(argument),
    });
    let mut arguments: Vec<_> = arguments.collect();
    let called = match (name, arguments.len()) {
        ("sort", 0) => pipe(call(ORDERED), call("sort")),
        ("contains", 1) => charged(CONTAINED, name, arguments.remove(0)),
        ("indices", 1) => charged(SOUGHT, name, arguments.remove(0)),
        _ => Term::Call(name, arguments),
    };
    let called = if is_printer { pipe(call(PRINTABLE), called) } else { called };
    match result {
        Some(check) => pipe(called, call(check)),
        // A call in tail position needs no stack.
        None => called,
    }
}

/// Evaluates the argument once, for the guard and for the function.
fn charged<'s>(check: &'static str, name: &'s str, argument: Term<&'s str>) -> Term<&'s str> {
    let operand = || vec![Term::Var(OPERAND)];
    let called = pipe(Term::Call(check, operand()), Term::Call(name, operand()));
    Term::BinOp(Box::new(argument), BinaryOp::Pipe(Some(Pattern::Var(OPERAND))), Box::new(called))
}

/// Arithmetic. The guard evaluates operators whose result can be much larger than their operands.
fn math<'s>(left: Term<&'s str>, op: Math, right: Term<&'s str>) -> Term<&'s str> {
    match op {
        Math::Mul => Term::Call(TIMES, vec![left, right]),
        Math::Sub => Term::Call(MINUS, vec![left, right]),
        Math::Div => Term::Call(SPLIT, vec![left, right]),
        op => pipe(Term::BinOp(Box::new(left), BinaryOp::Math(op), Box::new(right)), call(BUILT)),
    }
}

fn binary<'s>(left: Boxed<'s>, op: BinaryOp<&'s str>, right: Boxed<'s>) -> Term<&'s str> {
    match op {
        BinaryOp::Math(op) => math(guarded(*left), op, guarded(*right)),
        BinaryOp::UpdateMath(op) => {
            let result = math(Term::Id, op, Term::Var(OPERAND));
            let update = Term::BinOp(boxed(left), BinaryOp::Update, Box::new(pipe(call(STEP), result)));
            // The operand becomes part of the value.
            let operand = nested(guarded(*right));
            Term::BinOp(Box::new(operand), BinaryOp::Pipe(Some(Pattern::Var(OPERAND))), Box::new(update))
        }
        BinaryOp::Cmp(op) => Term::Call(comparison(op), vec![guarded(*left), guarded(*right)]),
        BinaryOp::Pipe(None) => Term::BinOp(boxed(left), BinaryOp::Pipe(None), Box::new(stepped(*right))),
        BinaryOp::Pipe(Some(pattern)) => {
            Term::BinOp(boxed(left), BinaryOp::Pipe(Some(pattern_of(pattern))), Box::new(stepped(*right)))
        }
        BinaryOp::Update => Term::BinOp(boxed(left), BinaryOp::Update, Box::new(nested(stepped(*right)))),
        op @ (BinaryOp::Assign | BinaryOp::UpdateAlt) => {
            Term::BinOp(boxed(left), op, Box::new(nested(guarded(*right))))
        }
        op => Term::BinOp(boxed(left), op, boxed(right)),
    }
}

fn part<'s>(part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
    match part {
        StrPart::Term(term) => StrPart::Term(pipe(guarded(term), call(PRINTABLE))),
        other => other,
    }
}

/// Guards a key. Plain keys and variables have to keep their form.
fn key_of(key: Term<&str>) -> Term<&str> {
    match key {
        plain @ (Term::Str(..) | Term::Var(_)) => plain,
        other => pipe(guarded(other), call(INDEX)),
    }
}

/// Guards an index. Constants need no check.
fn index_of(index: Term<&str>) -> Term<&str> {
    match index {
        plain @ Term::Num(_) => plain,
        plain if constant_string(&plain) => plain,
        other => pipe(guarded(other), call(INDEX)),
    }
}

fn pattern_of(pattern: Pattern<&str>) -> Pattern<&str> {
    match pattern {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(pattern_of).collect()),
        Pattern::Obj(pairs) => {
            Pattern::Obj(pairs.into_iter().map(|(key, pattern)| (index_of(key), pattern_of(pattern))).collect())
        }
    }
}
