//! Pipelines, calls and fields.

use gotmpl::parse::{CommandNode, Expr, Number, PipeNode, Pos, SmolStr};

use super::{Executor, Walked, render};
use crate::TemplateFault;
use crate::functions::{self, Outcome};
use crate::layout;
use crate::program::Program;
use crate::value::Value;

/// Units of work for each byte of a text that `tpl` parses.
const PARSING: usize = 64;

impl Executor<'_> {
    /// The value of a pipeline, which may be given to a variable.
    pub(super) fn pipe(&mut self, pipe: &PipeNode, dot: &Value) -> Walked<Value> {
        let value = self.value_of(pipe, dot)?;
        if let Some(name) = pipe.decl.first() {
            self.bind(name, value.clone(), pipe.is_assign);
        }
        Ok(value)
    }

    pub(super) fn value_of(&mut self, pipe: &PipeNode, dot: &Value) -> Walked<Value> {
        let mut piped = None;
        for command in &pipe.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &CommandNode, dot: &Value, piped: Option<Value>) -> Walked<Value> {
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
        // A field of a time may be a method with arguments.
        let (receiver, fields) = match first {
            Expr::Field(_, fields) => (dot.clone(), fields),
            Expr::Variable(pos, name, fields) => (self.variable(*pos, name)?, fields),
            Expr::Chain(_, inner, fields) => (self.expression(inner, dot)?, fields),
            other => return self.at(other.pos(), Err("what is no function can't have arguments".to_owned())),
        };
        let refused = Err("what is no function can't have arguments".to_owned());
        let Some((method, fields)) = fields.split_last() else { return self.at(first.pos(), refused) };
        let receiver = self.fields(first.pos(), receiver, fields)?;
        let Value::Time(time) = receiver else { return self.at(first.pos(), refused) };
        let args = self.args(others, dot, piped)?;
        let outcome = match (method.as_str(), args.as_slice()) {
            ("Format", [Value::Text(wanted)]) => {
                self.memory.spend(wanted.len() * 32).and_then(|()| self.memory.text(layout::format(time, wanted)))
            }
            _ => Err(format!("`{method}` is not known of a time here; use date or dateModify")),
        };
        self.at(first.pos(), outcome)
    }

    fn args(&mut self, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walked<Vec<Value>> {
        let mut args = Vec::with_capacity(exprs.len() + 1);
        for expr in exprs {
            args.push(self.expression(expr, dot)?);
        }
        args.extend(piped);
        Ok(args)
    }

    fn call(&mut self, pos: Pos, name: &str, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walked<Value> {
        self.step(pos)?;
        if matches!(name, "and" | "or") {
            return self.decide(pos, name == "or", exprs, dot, piped);
        }
        let args = self.args(exprs, dot, piped)?;
        let extent: usize = args.iter().map(|arg| self.memory.extent(arg)).sum();
        self.at(pos, self.memory.spend(8 + extent / 8))?;
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
        if let Some(extra) = self.program.extras.functions.get(name) {
            let value = extra(args)?;
            self.memory.spend(self.memory.extent(&value))?;
            return Ok(value);
        }
        let Some(function) = functions::find(name) else { return Err("is not known here".to_owned()) };
        check_count(args.len(), function.least, function.most)?;
        (function.call)(self.memory, args)
    }

    /// `and` gives its first value that is false, `or` its first that is true, else the last; the others are not evaluated.
    fn decide(&mut self, pos: Pos, wanted: bool, exprs: &[Expr], dot: &Value, piped: Option<Value>) -> Walked<Value> {
        let mut last = None;
        for expr in exprs {
            let value = self.expression(expr, dot)?;
            if self.memory.is_true(&value) == wanted {
                return Ok(value);
            }
            last = Some(value);
        }
        match piped.or(last) {
            Some(value) => Ok(value),
            None => self.at(pos, Err(named(if wanted { "or" } else { "and" }, "needs an argument".to_owned()))),
        }
    }

    /// Helm's `include`: a named template as a text.
    fn include(&mut self, pos: Pos, args: &[Value]) -> Walked<Value> {
        let [Value::Text(name), dot] = args else {
            return self.at(pos, Err("include needs the name of a template and its dot".to_owned()));
        };
        let Some(body) = self.program.named.get(&**name) else {
            return self.at(pos, Err(self.no_template(name)));
        };
        let mut output = String::new();
        let mut inner =
            Executor { program: self.program, memory: &mut *self.memory, output: &mut output, variables: Vec::new() };
        inner.body(body, dot)?;
        self.at(pos, self.memory.text(output))
    }

    /// Helm's `tpl`: a text that is itself a template.
    fn tpl(&mut self, pos: Pos, args: &[Value]) -> Walked<Value> {
        let [Value::Text(text), dot] = args else {
            return self.at(pos, Err("tpl needs a text and its dot".to_owned()));
        };
        let cost = text.len().saturating_mul(PARSING) + 1024 * (1 + self.program.named.len());
        self.at(pos, self.memory.spend(cost))?;
        let parsed = Program::parse(text, self.program.named.clone(), self.program.extras.clone());
        let rendered = parsed.and_then(|program| {
            self.memory.enter().map_err(TemplateFault)?;
            let rendered = render(&program, self.memory, dot);
            self.memory.leave();
            rendered
        });
        self.at(pos, rendered.map_err(|fault| named("tpl", fault.0)).and_then(|text| self.memory.text(text)))
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Walked<Value> {
        let known = self.variables.iter().rev().find(|(known, _)| known == name);
        self.at(pos, known.map(|(_, value)| value.clone()).ok_or_else(|| format!("variable \"{name}\" is not defined")))
    }

    fn expression(&mut self, expr: &Expr, dot: &Value) -> Walked<Value> {
        self.step(expr.pos())?;
        match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(pos, fields) => self.fields(*pos, dot.clone(), fields),
            Expr::Variable(pos, name, fields) => {
                let value = self.variable(*pos, name)?;
                self.fields(*pos, value, fields)
            }
            Expr::Identifier(pos, name) => self.call(*pos, name, &[], dot, None),
            Expr::String(pos, text) => self.at(*pos, self.memory.text(text.to_string())),
            Expr::Number(_, Number::Int(number)) => Ok(Value::Int(*number)),
            Expr::Number(_, Number::Float(number)) => Ok(Value::Float(*number)),
            Expr::Number(pos, Number::Uint(number)) => self.at(*pos, Err(format!("{number} is too large"))),
            Expr::Bool(_, is_so) => Ok(Value::Bool(*is_so)),
            Expr::Nil(_) => Ok(Value::Nil),
            Expr::Pipe(pos, pipe) => {
                let entered = self.memory.enter();
                self.at(*pos, entered)?;
                let value = self.pipe(pipe, dot)?;
                self.memory.leave();
                Ok(value)
            }
            Expr::Chain(pos, inner, fields) => {
                let value = self.expression(inner, dot)?;
                self.fields(*pos, value, fields)
            }
        }
    }

    /// A chain of fields. It may begin with what is missing, and is then missing too; what is missing on the way is a fault.
    fn fields(&self, pos: Pos, mut value: Value, fields: &[SmolStr]) -> Walked<Value> {
        if matches!(value, Value::Nil) && !self.program.extras.refuses_missing {
            return Ok(Value::Nil);
        }
        for (at, field) in fields.iter().enumerate() {
            value = match value {
                Value::Map(map) => match self.memory.entries(map).get(field.as_str()) {
                    Some(found) => found.clone(),
                    None if self.program.extras.refuses_missing => {
                        let keys = self.memory.entries(map).keys().map(|key| &**key);
                        let hint = suggest::nearest(field, keys);
                        let hint = hint.map_or(String::new(), |nearest| format!("; did you mean `.{nearest}`?"));
                        return self.at(pos, Err(format!("`.{field}` is not known here{hint}")));
                    }
                    None => Value::Nil,
                },
                Value::Time(time) => match field.as_str() {
                    "Unix" => Value::Int64(time.timestamp()),
                    "UnixMilli" => Value::Int64(time.timestamp_millis()),
                    "UTC" => Value::Time(time),
                    _ => {
                        let message = format!("`{field}` is not known of a time here; use date or unixEpoch");
                        return self.at(pos, Err(message));
                    }
                },
                Value::Nil => {
                    let before = fields.get(at.saturating_sub(1)).map_or("", SmolStr::as_str);
                    let message = format!("can't take `.{field}` of `.{before}`, which is missing");
                    return self.at(pos, Err(message));
                }
                other => return self.at(pos, Err(format!("can't take `.{field}` of {}", other.described()))),
            };
        }
        Ok(value)
    }
}

/// A message with the function that it is of. What `fail` and `required` say stands alone.
fn named(name: &str, message: String) -> String {
    if matches!(name, "fail" | "required") { message } else { format!("{name}: {message}") }
}

fn check_count(count: usize, least: usize, most: usize) -> Result<(), String> {
    let expected = match (least, most) {
        _ if (least..=most).contains(&count) => return Ok(()),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    Err(format!("expected {expected} arguments, but there are {count}"))
}
