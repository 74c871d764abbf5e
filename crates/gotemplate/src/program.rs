//! A parsed template with its named templates, checked as far as possible before it is rendered.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::parse::{ListNode, Parser, SmolStr, is_empty_tree};

use super::TemplateError;
use super::block_check;
use super::bounds::MAX_TEMPLATE;
use super::check::Check;
use super::functions::Outcome;
use super::types::Type;
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
    /// If false, functions that read the clock are errors, so the output depends on the values alone.
    pub has_clock: bool,
    /// Type of the values.
    pub root: Type,
    /// Methods of the structs in `root`, by name.
    pub methods: BTreeMap<&'static str, Function>,
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
            has_clock: true,
            root: Type::Any,
            methods: BTreeMap::new(),
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
            Check::new(&options, Type::Any)
                .list(&define.body, Type::Any)
                .map_err(|(offset, message)| at(offset, &message))?;
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
        Check::new(&options, options.root)
            .list(&body, options.root)
            .map_err(|(offset, message)| at(offset, &message))?;
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
