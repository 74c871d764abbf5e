//! Checks of a parsed template that need no values.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};

use super::block_check::ErrorAt;
use super::context::NO_CLOCK;
use super::functions;
use super::program::Options;
use super::types::Type;

/// Checks that functions, variables and the fields of structs are defined, and that `break` and `continue` are inside a loop.
pub struct Check<'d> {
    options: &'d Options,
    variables: Vec<(SmolStr, Type)>,
    loops: usize,
}

type Checked<T = ()> = Result<T, ErrorAt>;

impl<'d> Check<'d> {
    /// Creates the check of a template whose `$` has this type.
    pub fn new(options: &'d Options, root: Type) -> Self {
        Self { options, variables: vec![(SmolStr::new_static("$"), root)], loops: 0 }
    }

    /// Checks nodes whose dot has this type.
    pub fn list(&mut self, list: &ListNode, dot: Type) -> Checked {
        let known = self.variables.len();
        for node in &list.nodes {
            match node {
                Node::Text(_) | Node::Define(_) => {}
                Node::List(list) => self.list(list, dot)?,
                Node::Action(action) => self.pipe(&action.pipe, dot).map(drop)?,
                Node::If(branch) => self.branch(branch, dot, |_| None)?,
                Node::With(branch) => self.branch(branch, dot, Some)?,
                Node::Range(branch) => self.range(branch, dot)?,
                Node::Template(template) => {
                    template.pipe.iter().try_for_each(|pipe| self.pipe(pipe, dot).map(drop))?;
                }
                Node::Break(pos) | Node::Continue(pos) => {
                    if self.loops == 0 {
                        return Err((
                            pos.offset,
                            "{{break}} and {{continue}} are only allowed in {{range}}".to_owned(),
                        ));
                    }
                }
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    /// Checks a block; `inner` selects the type of the dot in its body, if it changes.
    fn branch(&mut self, branch: &BranchNode, dot: Type, inner: fn(Type) -> Option<Type>) -> Checked {
        let known = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        self.bodies(branch, dot, inner(value).unwrap_or(dot))?;
        self.variables.truncate(known);
        Ok(())
    }

    fn range(&mut self, branch: &BranchNode, dot: Type) -> Checked {
        let known = self.variables.len();
        let element = self.value_of(&branch.pipe, dot)?.element();
        let kinds: &[Type] = if branch.pipe.decl.len() > 1 { &[Type::Any, element] } else { &[element] };
        for (name, kind) in branch.pipe.decl.iter().zip(kinds) {
            self.bind(&branch.pipe, name, *kind)?;
        }
        self.loops += 1;
        self.list(&branch.body, element)?;
        self.loops -= 1;
        branch.else_body.iter().try_for_each(|body| self.list(body, dot))?;
        self.variables.truncate(known);
        Ok(())
    }

    fn bodies(&mut self, branch: &BranchNode, dot: Type, inner: Type) -> Checked {
        self.list(&branch.body, inner)?;
        branch.else_body.iter().try_for_each(|body| self.list(body, dot))
    }

    fn pipe(&mut self, pipe: &PipeNode, dot: Type) -> Checked<Type> {
        let kind = self.value_of(pipe, dot)?;
        pipe.decl.iter().try_for_each(|name| self.bind(pipe, name, kind))?;
        Ok(kind)
    }

    /// Checks the commands of a pipeline and returns its type.
    fn value_of(&mut self, pipe: &PipeNode, dot: Type) -> Checked<Type> {
        let mut kind = Type::Any;
        for command in &pipe.commands {
            kind = self.command(command, dot)?;
        }
        Ok(if pipe.commands.len() == 1 { kind } else { Type::Any })
    }

    fn command(&mut self, command: &CommandNode, dot: Type) -> Checked<Type> {
        let mut kinds = Vec::with_capacity(command.args.len());
        for arg in &command.args {
            kinds.push(self.expression(arg, dot)?);
        }
        Ok(match (command.args.first(), kinds.as_slice()) {
            (_, [kind]) => *kind,
            (Some(Expr::Identifier(_, name)), [_, list, keys @ ..]) if name == "index" => {
                keys.iter().fold(*list, |kind, _| kind.element())
            }
            _ => Type::Any,
        })
    }

    /// Declares a variable, or assigns to it. The type of an assigned one is no longer known.
    fn bind(&mut self, pipe: &PipeNode, name: &SmolStr, kind: Type) -> Checked {
        if !pipe.is_assign {
            self.variables.push((name.clone(), kind));
            return Ok(());
        }
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, assigned)) => *assigned = Type::Any,
            None => return Err(undefined_variable(pipe.pos, name)),
        }
        Ok(())
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Checked<Type> {
        let known = self.variables.iter().rev().find(|(known, _)| known == name);
        known.map(|(_, kind)| *kind).ok_or_else(|| undefined_variable(pos, name))
    }

    fn expression(&mut self, expression: &Expr, dot: Type) -> Checked<Type> {
        match expression {
            Expr::Dot(_) => Ok(dot),
            Expr::Field(pos, fields) => fields_of(*pos, dot, fields),
            Expr::Variable(pos, name, fields) => {
                let kind = self.variable(*pos, name)?;
                fields_of(*pos, kind, fields)
            }
            Expr::Pipe(_, pipe) => self.pipe(pipe, dot),
            Expr::Chain(pos, inner, fields) => {
                let kind = self.expression(inner, dot)?;
                fields_of(*pos, kind, fields)
            }
            Expr::Identifier(pos, name) => self.function(*pos, name),
            _ => Ok(Type::Any),
        }
    }

    fn function(&self, pos: Pos, name: &SmolStr) -> Checked<Type> {
        if !self.options.has_clock && functions::CLOCK.contains(&name.as_str()) {
            return Err((pos.offset, format!("unsupported function `{name}`: {NO_CLOCK}")));
        }
        let is_known = functions::find(name).is_some()
            || functions::SPECIAL.contains(&name.as_str())
            || self.options.functions.contains_key(name.as_str());
        if is_known {
            return Ok(Type::Any);
        }
        let added: Vec<&str> = self.options.functions.keys().copied().collect();
        Err((pos.offset, functions::unknown(name, &added)))
    }
}

fn fields_of(pos: Pos, kind: Type, fields: &[SmolStr]) -> Checked<Type> {
    kind.path(fields.iter().map(SmolStr::as_str)).map_err(|message| (pos.offset, message))
}

fn undefined_variable(pos: Pos, name: &SmolStr) -> ErrorAt {
    (pos.offset, format!("undefined variable `{name}`"))
}
