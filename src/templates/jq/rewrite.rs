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

/// Guards a definition of the library, or the filter itself.
pub(super) fn guarded(def: Def<&str>) -> Def<&str> {
    let mut rewriter = Rewriter { defined: Vec::new() };
    let parameters = def.args.iter().filter(|name| !name.starts_with('$'));
    rewriter.defined.extend(parameters.map(|name| Function::new(name, 0)));
    Def { body: rewriter.guarded(def.body), ..def }
}

/// A function that the filter defines.
struct Function<'s> {
    name: &'s str,
    /// Number of arguments.
    arity: usize,
    is_called: bool,
}

impl<'s> Function<'s> {
    fn new(name: &'s str, arity: usize) -> Self {
        Self { name, arity, is_called: false }
    }
}

/// State of the rewriting of one definition.
struct Rewriter<'s> {
    /// Functions that are visible at this point, the innermost last. They shadow those of the library, so calls of them are left alone;
    /// their bodies are guarded.
    defined: Vec<Function<'s>>,
}

impl<'s> Rewriter<'s> {
    /// Guards a filter: `f` becomes `step | f`, unless it is a constant or a name.
    fn guarded(&mut self, term: Term<&'s str>) -> Term<&'s str> {
        let inner = match term {
            leaf @ (Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_)) => return leaf,
            // A filter with many outputs takes a step for each.
            Term::Recurse => pipe(Term::Recurse, call(STEP)),
            constant @ Term::Str(..) if constant_string(&constant) => constant,
            Term::Str(format, parts) => {
                pipe(Term::Str(format, parts.into_iter().map(|inner| self.part(inner)).collect()), call(BUILT))
            }
            Term::Arr(None) => Term::Arr(None),
            Term::Arr(Some(inner)) => nested(Term::Arr(Some(self.boxed(inner)))),
            Term::Obj(pairs) => {
                let pair = |(key, value): (Term<&'s str>, Option<Term<&'s str>>)| match value {
                    // `{$x}` has to keep its form, unlike `{$x: 1}`.
                    Some(value) if matches!(key, Term::Var(_)) => (pipe(key, call(INDEX)), Some(self.guarded(value))),
                    value => (self.key_of(key), value.map(|inner| self.guarded(inner))),
                };
                nested(Term::Obj(pairs.into_iter().map(pair).collect()))
            }
            Term::Neg(inner) => Term::Neg(self.boxed(inner)),
            Term::BinOp(left, op, right) => self.binary(left, op, right),
            Term::Label(name, inner) => Term::Label(name, self.boxed(inner)),
            Term::Fold(name, source, pattern, parts) => Term::Fold(
                name,
                self.boxed(source),
                self.pattern_of(pattern),
                parts.into_iter().map(|inner| self.stepped(inner)).collect(),
            ),
            Term::TryCatch(tried, caught) => Term::TryCatch(
                Box::new(Term::Call(TRIED, vec![self.guarded(*tried)])),
                caught.map(|inner| self.boxed(inner)),
            ),
            Term::IfThenElse(cases, otherwise) => {
                let cases = cases.into_iter().map(|(condition, then)| (self.guarded(condition), self.guarded(then)));
                Term::IfThenElse(cases.collect(), otherwise.map(|inner| self.boxed(inner)))
            }
            Term::Def(defs, rest) => {
                let outer = self.defined.len();
                let defs = defs.into_iter().map(|def| self.defined(def)).collect();
                let rest = self.boxed(rest);
                self.defined.truncate(outer);
                Term::Def(defs, rest)
            }
            Term::Call(name, arguments) => self.called(name, arguments),
            Term::Path(base, Path(parts)) => {
                let is_slice = parts.iter().any(|(part, _)| matches!(part, Part::Range(..)));
                let base = self.boxed(base);
                let parts = parts.into_iter().map(|(part, optional)| {
                    let part = match part {
                        Part::Index(index) => Part::Index(self.index_of(index)),
                        Part::Range(from, to) => {
                            Part::Range(from.map(|inner| self.guarded(inner)), to.map(|inner| self.guarded(inner)))
                        }
                    };
                    (part, optional)
                });
                pipe(Term::Path(base, Path(parts.collect())), call(if is_slice { BUILT } else { STEP }))
            }
        };
        pipe(call(STEP), inner)
    }

    /// Guards a definition within a filter. It is visible in its own body and from there to the end of the enclosing filter.
    ///
    /// As in jq, a parameter `$x` is also a filter `x`: `def f($x): g` is `def f(x): x as $x | g`. That form is only used if `x` is called,
    /// because the library evaluates variables with less overhead.
    fn defined(&mut self, mut def: Def<&'s str>) -> Def<&'s str> {
        let (outer, arity) = (self.defined.len(), def.args.len());
        let parameters = def.args.iter().map(|name| Function::new(name.strip_prefix('$').unwrap_or(name), 0));
        self.defined.extend(parameters);
        self.defined.push(Function::new(def.name, arity));
        def.body = self.stepped(def.body);
        let parameters: Vec<_> = self.defined.drain(outer..).take(arity).collect();
        let is_variable = |name: &str| name.starts_with('$');
        if def.args.iter().zip(&parameters).any(|(name, filter)| is_variable(name) && filter.is_called) {
            for (name, filter) in def.args.iter_mut().zip(parameters).rev().filter(|(name, _)| is_variable(name)) {
                let value = Box::new(Term::Call(filter.name, Vec::new()));
                def.body = Term::BinOp(value, BinaryOp::Pipe(Some(Pattern::Var(name))), Box::new(def.body));
                *name = filter.name;
            }
        }
        self.defined.push(Function::new(def.name, arity));
        def
    }

    /// Like [`Self::guarded`], also for constants and names.
    fn stepped(&mut self, term: Term<&'s str>) -> Term<&'s str> {
        pipe(call(STEP), self.guarded(term))
    }

    fn boxed(&mut self, mut term: Boxed<'s>) -> Boxed<'s> {
        *term = self.guarded(std::mem::take(&mut *term));
        term
    }

    /// Checks the values that a call of the library builds.
    fn called(&mut self, name: &'s str, arguments: Vec<Term<&'s str>>) -> Term<&'s str> {
        let arity = arguments.len();
        if let Some(function) = self.defined.iter_mut().rfind(|known| known.name == name && known.arity == arity) {
            function.is_called = true;
            return Term::Call(name, arguments.into_iter().map(|argument| self.guarded(argument)).collect());
        }
        let is_printer = PRINTERS.contains(&name);
        let result = match name {
            "group_by" => Some(NESTED),
            _ => BUILDERS.contains(&name).then_some(BUILT),
        };
        let arguments = arguments.into_iter().map(|argument| match name {
            "sort_by" | "group_by" | "min_by_or_empty" | "max_by_or_empty" | "bsearch" => {
                pipe(self.guarded(argument), call(ORDERED))
            }
            "has" => pipe(self.guarded(argument), call(INDEX)),
            _ => self.guarded(argument),
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

    fn binary(&mut self, left: Boxed<'s>, op: BinaryOp<&'s str>, right: Boxed<'s>) -> Term<&'s str> {
        match op {
            BinaryOp::Math(op) => math(self.guarded(*left), op, self.guarded(*right)),
            BinaryOp::UpdateMath(op) => {
                let result = math(Term::Id, op, Term::Var(OPERAND));
                let update = Term::BinOp(self.boxed(left), BinaryOp::Update, Box::new(pipe(call(STEP), result)));
                // The operand becomes part of the value.
                let operand = nested(self.guarded(*right));
                Term::BinOp(Box::new(operand), BinaryOp::Pipe(Some(Pattern::Var(OPERAND))), Box::new(update))
            }
            BinaryOp::Cmp(op) => Term::Call(comparison(op), vec![self.guarded(*left), self.guarded(*right)]),
            BinaryOp::Pipe(None) => Term::BinOp(self.boxed(left), BinaryOp::Pipe(None), Box::new(self.stepped(*right))),
            BinaryOp::Pipe(Some(pattern)) => Term::BinOp(
                self.boxed(left),
                BinaryOp::Pipe(Some(self.pattern_of(pattern))),
                Box::new(self.stepped(*right)),
            ),
            BinaryOp::Update => Term::BinOp(self.boxed(left), BinaryOp::Update, Box::new(nested(self.stepped(*right)))),
            op @ (BinaryOp::Assign | BinaryOp::UpdateAlt) => {
                Term::BinOp(self.boxed(left), op, Box::new(nested(self.guarded(*right))))
            }
            op => Term::BinOp(self.boxed(left), op, self.boxed(right)),
        }
    }

    fn part(&mut self, part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
        match part {
            StrPart::Term(term) => StrPart::Term(pipe(self.guarded(term), call(PRINTABLE))),
            other => other,
        }
    }

    /// Guards a key. Plain keys and variables have to keep their form.
    fn key_of(&mut self, key: Term<&'s str>) -> Term<&'s str> {
        match key {
            plain @ (Term::Str(..) | Term::Var(_)) => plain,
            other => pipe(self.guarded(other), call(INDEX)),
        }
    }

    /// Guards an index. Constants need no check.
    fn index_of(&mut self, index: Term<&'s str>) -> Term<&'s str> {
        match index {
            plain @ Term::Num(_) => plain,
            plain if constant_string(&plain) => plain,
            other => pipe(self.guarded(other), call(INDEX)),
        }
    }

    fn pattern_of(&mut self, pattern: Pattern<&'s str>) -> Pattern<&'s str> {
        match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(|inner| self.pattern_of(inner)).collect()),
            Pattern::Obj(pairs) => Pattern::Obj(
                pairs.into_iter().map(|(key, pattern)| (self.index_of(key), self.pattern_of(pattern))).collect(),
            ),
        }
    }
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
