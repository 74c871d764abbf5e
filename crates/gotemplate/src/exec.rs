//! Rendering: walks the parsed template as Go's `text/template` does, and pays for each step.

mod expressions;

use gotmpl::parse::{BranchNode, ListNode, Node, Pos, SmolStr, TemplateNode};

use super::TemplateError;
use super::bounds::MAX_OUTPUT;
use super::context::Context;
use super::fmt;
use super::program::{MissingKey, Program};
use super::value::Value;

/// Early end of a walk.
pub enum Stop {
    Error(TemplateError),
    Break,
    Continue,
}

type Walk<T> = Result<T, Stop>;

/// Renders a program with `dot`.
pub fn render(program: &Program, context: &mut Context, dot: &Value) -> Result<String, TemplateError> {
    let mut output = String::new();
    let mut executor = Executor { program, context, output: &mut output, variables: Vec::new() };
    match executor.body(&program.body, dot) {
        // The check of the program has rejected a `break` outside of a loop.
        Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(output),
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Walks one template. A named template gets an executor, and thereby variables, of its own.
struct Executor<'a> {
    program: &'a Program,
    context: &'a mut Context,
    output: &'a mut String,
    variables: Vec<(SmolStr, Value)>,
}

impl Executor<'_> {
    /// Adds the position to an error.
    fn at<T>(&self, pos: Pos, outcome: Result<T, String>) -> Walk<T> {
        outcome.map_err(|message| Stop::Error(TemplateError::at(&self.program.text, pos.offset, &message)))
    }

    fn body(&mut self, list: &ListNode, dot: &Value) -> Walk<()> {
        self.variables.push((SmolStr::new_static("$"), dot.clone()));
        self.list(list, dot)
    }

    fn list(&mut self, list: &ListNode, dot: &Value) -> Walk<()> {
        let entered = self.context.enter();
        self.at(list.pos, entered)?;
        let known = self.variables.len();
        let walked = list.nodes.iter().try_for_each(|node| self.node(node, dot));
        self.variables.truncate(known);
        self.context.leave();
        walked
    }

    fn step(&self, pos: Pos) -> Walk<()> {
        self.at(pos, self.context.step())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Walk<()> {
        match node {
            Node::Text(text) => {
                self.step(text.pos)?;
                self.write(text.pos, &text.text)
            }
            Node::Action(action) => {
                self.step(action.pos)?;
                let value = self.pipe(&action.pipe, dot)?;
                if !action.pipe.decl.is_empty() {
                    return Ok(());
                }
                match value {
                    Value::Nil if self.program.options.missing_key == MissingKey::Zero => {
                        self.write(action.pos, "<no value>")
                    }
                    Value::Nil if self.is_pointer(&action.pipe, dot)? => self.write(action.pos, "<nil>"),
                    Value::Nil => self.at(action.pos, Err(self.has_no_value(action.pos))),
                    Value::String(text) => self.write(action.pos, &text),
                    other => {
                        let text = self.at(action.pos, fmt::to_string(self.context, &other))?;
                        self.write(action.pos, &text)
                    }
                }
            }
            Node::If(branch) => self.branch(branch, dot, false),
            Node::With(branch) => self.branch(branch, dot, true),
            Node::Range(branch) => {
                let known = self.variables.len();
                let walked = self.range(branch, dot);
                self.variables.truncate(known);
                walked
            }
            Node::Template(template) => self.template(template, dot),
            Node::List(list) => self.list(list, dot),
            Node::Define(_) => Ok(()),
            Node::Break(_) => Err(Stop::Break),
            Node::Continue(_) => Err(Stop::Continue),
        }
    }

    /// Returns the message for an action that prints `nil`.
    fn has_no_value(&self, pos: Pos) -> String {
        let action = self.program.text.get(pos.offset..).unwrap_or_default();
        let action = action.split("}}").next().unwrap_or_default();
        let action: String = action.trim_end_matches('-').trim().chars().take(60).collect();
        format!("`{action}` has no value; set it, or use default")
    }

    fn write(&mut self, pos: Pos, text: &str) -> Walk<()> {
        let fits = if self.output.len() + text.len() > MAX_OUTPUT {
            Err(format!("output exceeds {MAX_OUTPUT} bytes"))
        } else {
            self.context.spend(text.len())
        };
        self.at(pos, fits)?;
        self.output.push_str(text);
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, dot: &Value, moves_dot: bool) -> Walk<()> {
        self.step(branch.pos)?;
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let walked = if self.context.is_true(&value) {
            self.list(&branch.body, if moves_dot { &value } else { dot })
        } else {
            branch.else_body.as_ref().map_or(Ok(()), |body| self.list(body, dot))
        };
        self.variables.truncate(known);
        walked
    }

    fn range(&mut self, branch: &BranchNode, dot: &Value) -> Walk<()> {
        self.step(branch.pos)?;
        let over = self.value_of(&branch.pipe, dot)?;
        let has_iterated = match over {
            Value::List(list) => {
                let items = list.items.iter().enumerate().map(|(at, item)| (Value::count(at), item.clone()));
                self.iterate(branch, items)?
            }
            Value::Map(map) => {
                let snapshot = self.context.snapshot(map);
                let entries = self.at(branch.pos, snapshot)?;
                self.iterate(branch, entries.iter().map(|(key, value)| (Value::String(key.clone()), value.clone())))?
            }
            Value::Int(count) | Value::Int64(count) => {
                if branch.pipe.decl.len() > 1 {
                    return self.at(branch.pos, Err(format!("{count} has no keys: range over it with one variable")));
                }
                let number = if matches!(over, Value::Int(_)) { Value::Int } else { Value::Int64 };
                self.iterate(branch, (0..count).map(|at| (number(at), number(at))))?
            }
            Value::Nil => false,
            other => return self.at(branch.pos, Err(format!("cannot range over {}", other.describe()))),
        };
        match &branch.else_body {
            Some(body) if !has_iterated => self.list(body, dot),
            _ => Ok(()),
        }
    }

    /// Runs the iterations of a loop; false if there were none.
    fn iterate(&mut self, branch: &BranchNode, over: impl Iterator<Item = (Value, Value)>) -> Walk<bool> {
        let mut has_iterated = false;
        for (key, item) in over {
            self.step(branch.pos)?;
            has_iterated = true;
            let known = self.variables.len();
            let values = match branch.pipe.decl.as_slice() {
                [] => Vec::new(),
                [name] => vec![(name, item.clone())],
                [first, second, ..] => vec![(first, key), (second, item.clone())],
            };
            for (name, value) in values {
                self.bind(name, value, branch.pipe.is_assign);
            }
            let walked = self.list(&branch.body, &item);
            self.variables.truncate(known);
            match walked {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(has_iterated)
    }

    fn template(&mut self, template: &TemplateNode, dot: &Value) -> Walk<()> {
        self.step(template.pos)?;
        let dot = match &template.pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let Some(body) = self.program.named.get(&template.name) else {
            return self.at(template.pos, Err(self.no_template(&template.name)));
        };
        let mut inner = Executor {
            program: self.program,
            context: &mut *self.context,
            output: &mut *self.output,
            variables: Vec::new(),
        };
        inner.body(body, &dot)
    }

    fn no_template(&self, name: &str) -> String {
        let names = self.program.named.keys().map(SmolStr::as_str);
        match suggest::nearest(name, names) {
            Some(nearest) => format!("undefined template `{name}`; did you mean `{nearest}`?"),
            None => format!("undefined template `{name}`"),
        }
    }

    fn bind(&mut self, name: &SmolStr, value: Value, is_assign: bool) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| is_assign && known == name);
        match known {
            Some((_, slot)) => *slot = value,
            None => self.variables.push((name.clone(), value)),
        }
    }
}
