//! A parsed template with its named templates, checked as far as that is possible before it is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::TemplateError;
use gotmpl::parse::{BranchNode, Expr, ListNode, Node, Parser, PipeNode, Pos, SmolStr, is_empty_tree};

use super::TemplateFault;
use super::bounds::MAX_TEMPLATE;
use super::functions::{self, Outcome};
use super::outline;
use super::value::Value;

/// A function that only some templates have.
pub type Extra = Arc<dyn Fn(&[Value]) -> Outcome + Send + Sync>;

/// What a template has beside Go's and sprig's functions, and how it takes what is missing.
#[derive(Clone)]
pub struct Extras {
    /// More functions, by name.
    pub functions: BTreeMap<&'static str, Extra>,
    /// Whether a key that a map lacks is a fault at once; else it is `nil`, a fault where it is printed.
    pub refuses_missing: bool,
    /// Longest text, in bytes.
    pub longest: usize,
}

impl Default for Extras {
    fn default() -> Self {
        Self { functions: BTreeMap::new(), refuses_missing: false, longest: MAX_TEMPLATE }
    }
}

/// A template that can be rendered.
pub struct Program {
    /// Its text.
    pub text: String,
    /// Its body.
    pub body: Arc<ListNode>,
    /// Named templates.
    pub named: BTreeMap<SmolStr, Arc<ListNode>>,
    /// What else it has.
    pub extras: Extras,
}

impl Program {
    /// Parses and checks a text; `named` are templates that it may use.
    pub fn parse(
        text: &str,
        mut named: BTreeMap<SmolStr, Arc<ListNode>>,
        extras: Extras,
    ) -> Result<Self, TemplateFault> {
        if text.len() > extras.longest {
            return Err(TemplateFault(format!("is longer than {} bytes", extras.longest)));
        }
        let at = |offset: usize, message: &str| TemplateFault::at(text, offset, message);
        outline::check(text).map_err(|(offset, message)| at(offset, &message))?;
        let plain = outline::plain_comments(text);
        let parser = Parser::new(&plain, "{{", "}}").map_err(parse_fault)?;
        let (body, defines) = parser.parse().map_err(parse_fault)?;
        let mut own: Vec<SmolStr> = Vec::new();
        for define in defines {
            Check::new(&extras).list(&define.body).map_err(|(offset, message)| at(offset, &message))?;
            let is_empty = define.body.nodes.iter().all(is_empty_tree);
            if own.contains(&define.name) && !is_empty {
                let message = format!("the template \"{}\" is defined twice", define.name);
                return Err(at(define.pos.offset, &message));
            }
            // An empty definition replaces nothing.
            if !is_empty {
                own.push(define.name.clone());
            }
            if !is_empty || !named.contains_key(&define.name) {
                named.insert(define.name, Arc::new(define.body));
            }
        }
        Check::new(&extras).list(&body).map_err(|(offset, message)| at(offset, &message))?;
        Ok(Self { text: text.to_owned(), body: Arc::new(body), named, extras })
    }
}

/// The parser's words, with the place in front.
fn parse_fault(error: TemplateError) -> TemplateFault {
    match error {
        TemplateError::Parse { line: 0, message, .. } => TemplateFault(message),
        TemplateError::Parse { line, col, message, .. } | TemplateError::Lex { line, col, message, .. } => {
            TemplateFault(format!("line {line}, column {col}: {message}"))
        }
        error => TemplateFault(error.to_string()),
    }
}

/// Checks names: of functions, of variables, and that loops are left only from within.
struct Check<'d> {
    extras: &'d Extras,
    variables: Vec<SmolStr>,
    loops: usize,
}

type Checked = Result<(), outline::Fault>;

impl<'d> Check<'d> {
    fn new(extras: &'d Extras) -> Self {
        Self { extras, variables: vec![SmolStr::new_static("$")], loops: 0 }
    }

    fn list(&mut self, list: &ListNode) -> Checked {
        let known = self.variables.len();
        for node in &list.nodes {
            match node {
                Node::Text(_) | Node::Define(_) => {}
                Node::List(list) => self.list(list)?,
                Node::Action(action) => self.pipe(&action.pipe)?,
                Node::If(branch) | Node::With(branch) => self.branch(branch, 0)?,
                Node::Range(branch) => self.branch(branch, 1)?,
                Node::Template(template) => template.pipe.iter().try_for_each(|pipe| self.pipe(pipe))?,
                Node::Break(pos) | Node::Continue(pos) => {
                    if self.loops == 0 {
                        return Err((pos.offset, "{{break}} and {{continue}} stand in {{range}} only".to_owned()));
                    }
                }
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, loops: usize) -> Checked {
        let known = self.variables.len();
        self.pipe(&branch.pipe)?;
        self.loops += loops;
        self.list(&branch.body)?;
        self.loops -= loops;
        branch.else_body.iter().try_for_each(|body| self.list(body))?;
        self.variables.truncate(known);
        Ok(())
    }

    fn pipe(&mut self, pipe: &PipeNode) -> Checked {
        for command in &pipe.commands {
            command.args.iter().try_for_each(|arg| self.expression(arg))?;
        }
        for name in &pipe.decl {
            if pipe.is_assign {
                self.variable(pipe.pos, name)?;
            } else {
                self.variables.push(name.clone());
            }
        }
        Ok(())
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Checked {
        if self.variables.contains(name) {
            return Ok(());
        }
        Err((pos.offset, format!("variable \"{name}\" is not defined")))
    }

    fn expression(&mut self, expression: &Expr) -> Checked {
        match expression {
            Expr::Identifier(pos, name) => {
                let is_known = functions::find(name).is_some()
                    || functions::SPECIAL.contains(&name.as_str())
                    || self.extras.functions.contains_key(name.as_str());
                if is_known {
                    return Ok(());
                }
                let extra: Vec<&str> = self.extras.functions.keys().copied().collect();
                Err((pos.offset, functions::unknown(name, &extra)))
            }
            Expr::Variable(pos, name, _) => self.variable(*pos, name),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }
}
