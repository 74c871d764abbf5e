//! Rendering: walks a parsed template as Go's `text/template` does, with a budget for each step.

mod expressions;

use gotmpl::parse::{BranchNode, ListNode, Node, Pos, SmolStr, TemplateNode};

use super::TemplateFault;
use super::bounds::MAX_OUTPUT;
use super::memory::Memory;
use super::program::Program;
use super::show::show;
use super::value::Value;

/// Why a walk ends early.
pub enum Stop {
    /// A fault.
    Fault(TemplateFault),
    /// `{{break}}`.
    Break,
    /// `{{continue}}`.
    Continue,
}

type Walked<T> = Result<T, Stop>;

/// Renders a program with this value as its dot.
pub fn render(program: &Program, memory: &mut Memory, dot: &Value) -> Result<String, TemplateFault> {
    let mut output = String::new();
    let mut executor = Executor { program, memory, output: &mut output, variables: Vec::new() };
    match executor.body(&program.body, dot) {
        // The parser's check leaves no loop to leave here.
        Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(output),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Walks one template. A named template is walked by an executor of its own: it has its own variables.
struct Executor<'a> {
    program: &'a Program,
    memory: &'a mut Memory,
    output: &'a mut String,
    variables: Vec<(SmolStr, Value)>,
}

impl Executor<'_> {
    /// A fault at a place of the template.
    fn at<T>(&self, pos: Pos, outcome: Result<T, String>) -> Walked<T> {
        outcome.map_err(|message| Stop::Fault(TemplateFault::at(&self.program.text, pos.offset, &message)))
    }

    /// The body of a template.
    fn body(&mut self, list: &ListNode, dot: &Value) -> Walked<()> {
        self.variables.push((SmolStr::new_static("$"), dot.clone()));
        self.list(list, dot)
    }

    fn list(&mut self, list: &ListNode, dot: &Value) -> Walked<()> {
        let entered = self.memory.enter();
        self.at(list.pos, entered)?;
        let known = self.variables.len();
        let walked = list.nodes.iter().try_for_each(|node| self.node(node, dot));
        self.variables.truncate(known);
        self.memory.leave();
        walked
    }

    fn step(&self, pos: Pos) -> Walked<()> {
        self.at(pos, self.memory.step())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Walked<()> {
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
                    Value::Nil => self.at(action.pos, Err(self.has_no_value(action.pos))),
                    Value::Text(text) => self.write(action.pos, &text),
                    other => {
                        let text = self.at(action.pos, show(self.memory, &other))?;
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

    /// What is said of an action that prints a missing value; Go prints `<no value>`.
    fn has_no_value(&self, pos: Pos) -> String {
        let action = self.program.text.get(pos.offset..).unwrap_or_default();
        let action = action.split("}}").next().unwrap_or_default();
        let action: String = action.trim_end_matches('-').trim().chars().take(60).collect();
        format!("`{action}` has no value; give it one, or use default")
    }

    fn write(&mut self, pos: Pos, text: &str) -> Walked<()> {
        let fits = if self.output.len() + text.len() > MAX_OUTPUT {
            Err(format!("becomes longer than {MAX_OUTPUT} bytes"))
        } else {
            self.memory.spend(text.len())
        };
        self.at(pos, fits)?;
        self.output.push_str(text);
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, dot: &Value, moves_dot: bool) -> Walked<()> {
        self.step(branch.pos)?;
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        let walked = if self.memory.is_true(&value) {
            self.list(&branch.body, if moves_dot { &value } else { dot })
        } else {
            branch.else_body.as_ref().map_or(Ok(()), |body| self.list(body, dot))
        };
        self.variables.truncate(known);
        walked
    }

    fn range(&mut self, branch: &BranchNode, dot: &Value) -> Walked<()> {
        self.step(branch.pos)?;
        let over = self.value_of(&branch.pipe, dot)?;
        let has_turns = match over {
            Value::List(list) => {
                let items = list.items.iter().enumerate().map(|(at, item)| (Value::count(at), item.clone()));
                self.turns(branch, items)?
            }
            Value::Map(map) => {
                let snapshot = self.memory.snapshot(map);
                let entries = self.at(branch.pos, snapshot)?;
                self.turns(branch, entries.iter().map(|(key, value)| (Value::Text(key.clone()), value.clone())))?
            }
            Value::Int(count) | Value::Int64(count) => {
                if branch.pipe.decl.len() > 1 {
                    return self.at(branch.pos, Err(format!("{count} has no keys: range over it with one variable")));
                }
                let number = if matches!(over, Value::Int(_)) { Value::Int } else { Value::Int64 };
                self.turns(branch, (0..count).map(|at| (number(at), number(at))))?
            }
            Value::Nil => false,
            other => return self.at(branch.pos, Err(format!("can't range over {}", other.described()))),
        };
        match &branch.else_body {
            Some(body) if !has_turns => self.list(body, dot),
            _ => Ok(()),
        }
    }

    /// The turns of a loop; whether there were any.
    fn turns(&mut self, branch: &BranchNode, over: impl Iterator<Item = (Value, Value)>) -> Walked<bool> {
        let mut has_turns = false;
        for (key, item) in over {
            self.step(branch.pos)?;
            has_turns = true;
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
                Err(fault) => return Err(fault),
            }
        }
        Ok(has_turns)
    }

    fn template(&mut self, template: &TemplateNode, dot: &Value) -> Walked<()> {
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
            memory: &mut *self.memory,
            output: &mut *self.output,
            variables: Vec::new(),
        };
        inner.body(body, &dot)
    }

    fn no_template(&self, name: &str) -> String {
        let names = self.program.named.keys().map(SmolStr::as_str);
        match suggest::nearest(name, names) {
            Some(nearest) => format!("template \"{name}\" is not defined; did you mean \"{nearest}\"?"),
            None => format!("template \"{name}\" is not defined"),
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
