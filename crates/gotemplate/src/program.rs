//! A parsed template with its named templates, checked as far as possible before it is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::parse::{BranchNode, Expr, ListNode, Node, Parser, PipeNode, Pos, SmolStr, is_empty_tree};

use super::TemplateError;
use super::block_check::{self, ErrorAt};
use super::bounds::MAX_TEMPLATE;
use super::functions::{self, Outcome};
use super::value::Value;

/// A function added by the caller. The error is a fragment without the function's name.
pub type Function = Arc<dyn Fn(&[Value]) -> Outcome + Send + Sync>;

/// Go's option `missingkey`: the result of a key that a map does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// An error, immediately.
    Error,
    /// `nil`, which is an error when it is printed.
    #[default]
    Nil,
    /// `nil`, the zero value of a map of any values, which prints `<no value>`.
    Zero,
}

/// Settings of a template.
#[derive(Clone)]
pub struct Options {
    /// Functions in addition to those of Go, sprig and Helm, by name.
    pub functions: BTreeMap<&'static str, Function>,
    /// Result of a missing key.
    pub missing_key: MissingKey,
    /// Maximum size of a template, in bytes.
    pub max_length: usize,
    /// Type of the integers in the values.
    pub numbers: Numbers,
    /// If true, a `printf` verb that does not fit its argument is an error instead of an output such as `%!f(int=1)`.
    pub has_strict_verbs: bool,
}

/// Type of the integers in the values.
#[derive(Clone, Copy, Debug, Default)]
pub enum Numbers {
    /// `int64`, as those of Helm's `--set`.
    #[default]
    Int64,
    /// `float64`, as those of values files, except for these keys of the root.
    Float {
        /// Keys whose integers are `int64`.
        except: &'static [&'static str],
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            functions: BTreeMap::new(),
            missing_key: MissingKey::default(),
            max_length: MAX_TEMPLATE,
            numbers: Numbers::default(),
            has_strict_verbs: false,
        }
    }
}

/// A template that can be rendered.
pub struct Program {
    pub text: String,
    pub body: Arc<ListNode>,
    /// Named templates.
    pub named: BTreeMap<SmolStr, Arc<ListNode>>,
    pub options: Options,
}

impl Program {
    /// Parses and checks a template, which may use and redefine the templates in `named`.
    pub fn parse(
        text: &str,
        mut named: BTreeMap<SmolStr, Arc<ListNode>>,
        options: Options,
    ) -> Result<Self, TemplateError> {
        if text.len() > options.max_length {
            return Err(TemplateError::new(format!("is longer than {} bytes", options.max_length)));
        }
        let at = |offset: usize, message: &str| TemplateError::at(text, offset, message);
        block_check::check(text).map_err(|(offset, message)| at(offset, &message))?;
        let plain = block_check::plain_comments(text);
        let parser = Parser::new(&plain, "{{", "}}").map_err(syntax_error)?;
        let (body, defines) = parser.parse().map_err(syntax_error)?;
        let mut defined: Vec<SmolStr> = Vec::new();
        for define in defines {
            Check::new(&options).list(&define.body).map_err(|(offset, message)| at(offset, &message))?;
            let is_empty = define.body.nodes.iter().all(is_empty_tree);
            if defined.contains(&define.name) && !is_empty {
                let message = format!("the template `{}` is defined twice", define.name);
                return Err(at(define.pos.offset, &message));
            }
            // An empty definition replaces nothing.
            if !is_empty {
                defined.push(define.name.clone());
            }
            if !is_empty || !named.contains_key(&define.name) {
                named.insert(define.name, Arc::new(define.body));
            }
        }
        Check::new(&options).list(&body).map_err(|(offset, message)| at(offset, &message))?;
        Ok(Self { text: text.to_owned(), body: Arc::new(body), named, options })
    }
}

/// Converts the parser's error, with the position in front.
fn syntax_error(error: gotmpl::TemplateError) -> TemplateError {
    use gotmpl::TemplateError::{Lex, Parse};
    match error {
        Parse { line: 0, message, .. } => TemplateError::new(message),
        Parse { line, col, message, .. } | Lex { line, col, message, .. } => {
            TemplateError::new(format!("line {line}, column {col}: {message}"))
        }
        error => TemplateError::new(error.to_string()),
    }
}

/// Checks that functions and variables are defined, and that `break` and `continue` are inside a loop.
struct Check<'d> {
    options: &'d Options,
    variables: Vec<SmolStr>,
    loops: usize,
}

type Checked = Result<(), ErrorAt>;

impl<'d> Check<'d> {
    fn new(options: &'d Options) -> Self {
        Self { options, variables: vec![SmolStr::new_static("$")], loops: 0 }
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
        Err((pos.offset, format!("undefined variable `{name}`")))
    }

    fn expression(&mut self, expression: &Expr) -> Checked {
        match expression {
            Expr::Identifier(pos, name) => {
                let is_known = functions::find(name).is_some()
                    || functions::SPECIAL.contains(&name.as_str())
                    || self.options.functions.contains_key(name.as_str());
                if is_known {
                    return Ok(());
                }
                let added: Vec<&str> = self.options.functions.keys().copied().collect();
                Err((pos.offset, functions::unknown(name, &added)))
            }
            Expr::Variable(pos, name, _) => self.variable(*pos, name),
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Chain(_, inner, _) => self.expression(inner),
            _ => Ok(()),
        }
    }
}
