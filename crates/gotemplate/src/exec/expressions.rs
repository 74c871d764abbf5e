//! Pipelines, calls and fields.

use gotmpl::parse::{CommandNode, Expr, Number, PipeNode, Pos, SmolStr};

use super::{Executor, Walk, render};
use crate::TemplateError;
use crate::bounds::METHOD;
use crate::functions::{self, Outcome};
use crate::program::{MissingKey, Options, Program};
use crate::times;
use crate::types::{Member, Type, undefined_field};
use crate::value::{MapId, Value};
use crate::versions;

/// Error for arguments of a value that is not a function.
const NO_FUNCTION: &str = "cannot pass arguments to a value that is not a function";

/// Work units per byte that `tpl` parses.
const PARSING: usize = 64;

impl Executor<'_> {
    /// Evaluates a pipeline and binds its variable, if it declares one.
    pub(super) fn pipe(&mut self, pipe: &PipeNode, dot: &Value) -> Walk<Value> {
        let value = self.value_of(pipe, dot)?;
        if let Some(name) = pipe.decl.first() {
            self.bind(name, value.clone(), pipe.is_assign);
        }
        Ok(value)
    }

    pub(super) fn value_of(&mut self, pipe: &PipeNode, dot: &Value) -> Walk<Value> {
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &CommandNode, dot: &Value, piped: Option<Value>) -> Walk<Value> {
        let Some((first, others)) = command.args.split_first() else { return Ok(Value::Nil) };
        match first {
            Expr::Identifier(pos, name) => return self.call(*pos, name, others, dot, piped),
            Expr::Chain(pos, inner, fields) => {
                if let Expr::Identifier(at, name) = &**inner {
                    let value = self.call(*at, name, others, dot, piped)?;
                    return self.fields(*pos, value, fields);
                }
            }
            _ => {}
        }
        if others.is_empty() && piped.is_none() {
            if let Expr::Nil(pos) = first {
                return self.at(*pos, Err("nil is not a command".to_owned()));
            }
            return self.expression(first, dot);
        }
        // The last field may be a method with arguments.
        let not_a_function = Err(NO_FUNCTION.to_owned());
        let Some((receiver, method)) = self.receiver(first, dot)? else { return self.at(first.pos(), not_a_function) };
        let is_method = match &receiver {
            Value::Time(_) | Value::Version(_) => true,
            Value::Map(map) => {
                self.context.structure(*map).is_some_and(|known| known.methods.contains(&method.as_str()))
            }
            _ => false,
        };
        if !is_method {
            return self.at(first.pos(), not_a_function);
        }
        let args = self.args(others, dot, piped)?;
        let outcome = match receiver {
            Value::Time(time) => times::call(self.context, time, method, &args),
            Value::Version(version) => versions::call(self.context, &version, method, &args),
            _ => self.method(method, &args),
        };
        self.at(first.pos(), outcome)
    }

    /// Evaluates a chain of fields up to the last one. `None` if the expression is no such chain.
    fn receiver<'e>(&mut self, expr: &'e Expr, dot: &Value) -> Walk<Option<(Value, &'e SmolStr)>> {
        let (value, fields) = match expr {
            Expr::Field(_, fields) => (dot.clone(), fields),
            Expr::Variable(pos, name, fields) => (self.variable(*pos, name)?, fields),
            Expr::Chain(_, inner, fields) => (self.expression(inner, dot)?, fields),
            _ => return Ok(None),
        };
        let Some((last, fields)) = fields.split_last() else { return Ok(None) };
        Ok(Some((self.fields(expr.pos(), value, fields)?, last)))
    }

    /// Returns true if a pipeline is nothing but a field of a struct that is a pointer.
    pub(super) fn is_pointer(&mut self, pipe: &PipeNode, dot: &Value) -> Walk<bool> {
        let [command] = pipe.commands.as_slice() else { return Ok(false) };
        let [expr] = command.args.as_slice() else { return Ok(false) };
        let Some((Value::Map(map), field)) = self.receiver(expr, dot)? else { return Ok(false) };
        let member = self.context.structure(map).map(|structure| structure.member(field));
        Ok(matches!(member, Some(Ok(Member::Field(_, kind))) if kind.is_pointer()))
    }

    fn args(&mut self, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walk<Vec<Value>> {
        let mut args = Vec::with_capacity(exprs.len() + 1);
        for expr in exprs {
            args.push(self.expression(expr, dot)?);
        }
        args.extend(piped);
        Ok(args)
    }

    fn call(&mut self, pos: Pos, name: &str, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walk<Value> {
        self.step(pos)?;
        if matches!(name, "and" | "or") {
            return self.decide(pos, name == "or", exprs, dot, piped);
        }
        let args = self.args(exprs, dot, piped)?;
        let size: usize = args.iter().map(|arg| self.context.len_of(arg)).sum();
        self.at(pos, self.context.spend(8 + size / 8))?;
        match name {
            "include" => self.include(pos, &args),
            "tpl" => self.tpl(pos, &args),
            _ => {
                let outcome = self.function(name, &args);
                self.at(pos, outcome.map_err(|message| named(name, message)))
            }
        }
    }

    fn function(&mut self, name: &str, args: &[Value]) -> Outcome {
        if let Some(extra) = self.program.options.functions.get(name) {
            let value = extra(args)?;
            self.context.spend(self.context.len_of(&value))?;
            return Ok(value);
        }
        let Some(function) = functions::find(name) else { return Err("undefined function".to_owned()) };
        check_count(args.len(), function.min_args, function.max_args)?;
        (function.call)(self.context, args)
    }

    /// `and` returns its first false argument, `or` its first true one, else the last; the remaining ones are not evaluated.
    fn decide(&mut self, pos: Pos, is_or: bool, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walk<Value> {
        let mut last = None;
        for expr in exprs {
            let value = self.expression(expr, dot)?;
            if self.context.is_true(&value) == is_or {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => self.at(pos, Err(named(if is_or { "or" } else { "and" }, "expected an argument".to_owned()))),
        }
    }

    /// Helm's `include`: renders a named template to a string.
    fn include(&mut self, pos: Pos, args: &[Value]) -> Walk<Value> {
        let [Value::String(name), dot] = args else {
            return self.at(pos, Err("include: expected the name of a template and its dot".to_owned()));
        };
        let Some(body) = self.program.named.get(&**name) else {
            return self.at(pos, Err(self.no_template(name)));
        };
        let mut output = String::new();
        let mut inner =
            Executor { program: self.program, context: &mut *self.context, output: &mut output, variables: Vec::new() };
        inner.body(body, dot)?;
        self.at(pos, self.context.string(output))
    }

    /// Helm's `tpl`: renders a string as a template.
    fn tpl(&mut self, pos: Pos, args: &[Value]) -> Walk<Value> {
        let [Value::String(text), dot] = args else {
            return self.at(pos, Err("tpl: expected a string and its dot".to_owned()));
        };
        let cost = text.len().saturating_mul(PARSING) + 1024 * (1 + self.program.named.len());
        self.at(pos, self.context.spend(cost))?;
        // Its dot is any value.
        let options = Options { root: Type::Any, ..self.program.options.clone() };
        let parsed = Program::parse(text, self.program.named.clone(), options);
        let rendered = parsed.and_then(|program| {
            self.context.enter().map_err(TemplateError::new)?;
            let rendered = render(&program, self.context, dot);
            self.context.leave();
            rendered
        });
        self.at(
            pos,
            rendered.map_err(|error| named("tpl", error.to_string())).and_then(|text| self.context.string(text)),
        )
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Walk<Value> {
        let known = self.variables.iter().rev().find(|(known, _)| known == name);
        self.at(pos, known.map(|(_, value)| value.clone()).ok_or_else(|| format!("undefined variable `{name}`")))
    }

    fn expression(&mut self, expr: &Expr, dot: &Value) -> Walk<Value> {
        self.step(expr.pos())?;
        match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(pos, fields) => self.fields(*pos, dot.clone(), fields),
            Expr::Variable(pos, name, fields) => {
                let value = self.variable(*pos, name)?;
                self.fields(*pos, value, fields)
            }
            Expr::Identifier(pos, name) => self.call(*pos, name, &[], dot, None),
            Expr::String(pos, text) => self.at(*pos, self.context.string(text.to_string())),
            Expr::Number(_, Number::Int(number)) => Ok(Value::Int(*number)),
            Expr::Number(_, Number::Float(number)) => Ok(Value::Float(*number)),
            Expr::Number(pos, Number::Uint(number)) => self.at(*pos, Err(format!("{number} is too large"))),
            Expr::Bool(_, is_so) => Ok(Value::Bool(*is_so)),
            Expr::Nil(_) => Ok(Value::Nil),
            Expr::Pipe(pos, pipe) => {
                let entered = self.context.enter();
                self.at(*pos, entered)?;
                let value = self.pipe(pipe, dot)?;
                self.context.leave();
                Ok(value)
            }
            Expr::Chain(pos, inner, fields) => {
                let value = self.expression(inner, dot)?;
                self.fields(*pos, value, fields)
            }
        }
    }

    /// Follows a chain of fields. Fields of `nil` are `nil`; a key that is missing in the middle of the chain is an error.
    fn fields(&mut self, pos: Pos, mut value: Value, fields: &[SmolStr]) -> Walk<Value> {
        let is_strict = self.program.options.missing_key == MissingKey::Error;
        if matches!(value, Value::Nil) && !is_strict {
            return Ok(Value::Nil);
        }
        for (at, field) in fields.iter().enumerate() {
            value = match value {
                Value::Map(map) => {
                    let member = self.member(map, field, is_strict);
                    self.at(pos, member)?
                }
                Value::Time(time) => self.at(pos, times::call(self.context, time, field, &[]))?,
                Value::Version(version) => self.at(pos, versions::call(self.context, &version, field, &[]))?,
                Value::Nil => {
                    let before = fields.get(at.saturating_sub(1)).map_or("", SmolStr::as_str);
                    let message = format!("cannot access `.{field}` of `.{before}`, which is missing");
                    return self.at(pos, Err(message));
                }
                other => return self.at(pos, Err(format!("cannot access `.{field}` of {}", other.describe()))),
            };
        }
        Ok(value)
    }

    /// Returns a field of a map or struct, or the result of a method without arguments. An absent field of a struct has its zero value.
    fn member(&mut self, map: MapId, name: &str, is_strict: bool) -> Outcome {
        let entries = self.context.entries(map);
        let Some(structure) = self.context.structure(map) else {
            return match entries.get(name) {
                Some(value) => Ok(value.clone()),
                None if is_strict => Err(undefined_field(name, entries.keys().map(|key| &**key))),
                None => Ok(Value::Nil),
            };
        };
        match structure.member(name)? {
            Member::Field(key, kind) => match entries.get(key) {
                None | Some(Value::Nil) => kind.zero(self.context),
                Some(value) => Ok(value.clone()),
            },
            Member::Method(name) => self.method(name, &[]),
        }
    }

    fn method(&self, name: &str, args: &[Value]) -> Outcome {
        let method = self.program.options.methods.get(name);
        let method = method.ok_or_else(|| format!("undefined method `{name}`"))?;
        self.context.spend(METHOD)?;
        let value = method(args).map_err(|message| named(name, message))?;
        self.context.spend(self.context.len_of(&value))?;
        Ok(value)
    }
}

/// Prefixes a message with its function. The messages of `fail` and `required` are the template author's and stay as they are.
fn named(name: &str, message: String) -> String {
    if matches!(name, "fail" | "required") { message } else { format!("{name}: {message}") }
}

fn check_count(count: usize, min: usize, max: usize) -> Result<(), String> {
    let expected = match (min, max) {
        _ if (min..=max).contains(&count) => return Ok(()),
        (min, usize::MAX) => format!("at least {min}"),
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    };
    Err(format!("expected {expected} arguments, found {count}"))
}
