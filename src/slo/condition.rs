//! `if` conditions of tasks: CEL, with the spellings that Iter8's users know.
//!
//! `SLOs()`, `Completed()`, `NoFailure()`, the fields of `Result` and the tasks of `Spec` may be combined with `not`, `and`, `or` (also
//! `!`, `&&`, `||`), comparisons, arithmetic, `len(…)` and parentheses. `A startsWith "b"` is written as in Iter8. Conditions come from
//! files: length, tokens and nesting are bounded before the parser sees them, and only known functions and fields are accepted, so that a
//! typo is found before the run starts.

use std::collections::HashMap;

use cel::common::ast::{Expr, IdedExpr};
use cel::{Context, ExecutionError, Program, Value};

use crate::model::document::{Experiment, ExperimentResult, TaskSpec};
use crate::model::insights::Insights;
use crate::model::text::prefix;
use crate::slo::assertion::{self, AssertCondition};
use suggest::nearest;

/// Maximum bytes of a condition.
const MAX_LENGTH: usize = 1_000;
/// Maximum tokens.
const MAX_TOKENS: usize = 200;
/// Maximum nesting of parentheses and brackets, including those of calls. The parser takes up to 180 KiB of stack per level in an
/// unoptimized build, and a thread has 2 MiB.
const MAX_DEPTH: usize = 6;
/// Maximum comparisons, arithmetic operators and `?:`, each of which nests, too.
const MAX_SIGNS: usize = 24;

/// Functions without arguments.
const FUNCTIONS: [&str; 3] = ["SLOs", "Completed", "NoFailure"];
/// Fields of `Result`.
const RESULT_FIELDS: [&str; 7] =
    ["NumLoops", "NumCompletedTasks", "Failure", "Revision", "StartTime", "Iter8Version", "Insights"];
/// Fields of `Result.Insights`.
const INSIGHTS_FIELDS: [&str; 2] = ["NumVersions", "NonHistMetricValues"];
/// Fields of the tasks in `Spec`.
const TASK_FIELDS: [&str; 3] = ["Task", "Run", "If"];
/// CEL's name of `len`.
const SIZE: &str = "size";
/// Unsupported functions and keywords of Iter8's conditions, with alternatives.
const UNSUPPORTED: [(&str, &str); 10] = [
    ("matches", "use startsWith, endsWith or contains"),
    ("nil", "compare with a value of the same type, such as \"\" or 0"),
    ("all", NO_LOOPS),
    ("any", NO_LOOPS),
    ("none", NO_LOOPS),
    ("one", NO_LOOPS),
    ("count", NO_LOOPS),
    ("filter", NO_LOOPS),
    ("map", NO_LOOPS),
    ("let", "write the expression in full"),
];
const NO_LOOPS: &str = "name the elements one by one, such as `Spec[0].Task`";
/// Methods of strings, with one argument.
const METHODS: [&str; 3] = ["contains", "startsWith", "endsWith"];

/// Failure to check or evaluate a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// Exceeds a bound.
    #[error(
        "the condition is too {0}; at most {MAX_LENGTH} bytes, {MAX_TOKENS} tokens and {MAX_DEPTH} levels of nesting are allowed"
    )]
    TooLarge(&'static str),
    /// Not in the language.
    #[error("the condition `{text}` cannot be parsed: {message}")]
    Syntax {
        /// Condition.
        text: String,
        /// Parser's message with its position.
        message: String,
    },
    /// Undefined name.
    #[error("undefined name `{name}` in the condition; expected one of {known}{}", suggestion(.nearest))]
    Unknown { name: String, known: String, nearest: Option<String> },
    /// Result is not a boolean.
    #[error("the condition evaluates to {0}, expected a boolean")]
    NotBoolean(String),
    /// Evaluation failed.
    #[error("the condition cannot be evaluated: {0}")]
    Evaluation(String),
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Checks syntax, names and types before the experiment runs.
pub fn check(text: &str) -> Result<(), ConditionError> {
    let program = compile(text)?;
    // The types of all names are known, so evaluation on an empty result finds type errors.
    match run(&program, &Experiment::default()) {
        Err(EvaluationError::Type(error)) => Err(error),
        Ok(_) | Err(EvaluationError::Value(_)) => Ok(()),
    }
}

/// Evaluates a condition for the current state of an experiment.
pub fn evaluate(text: &str, experiment: &Experiment) -> Result<bool, ConditionError> {
    run(&compile(text)?, experiment).map_err(|error| match error {
        EvaluationError::Type(error) | EvaluationError::Value(error) => error,
    })
}

/// Failure of a program: for all values, or for the current ones.
enum EvaluationError {
    Type(ConditionError),
    Value(ConditionError),
}

fn run(program: &Program, experiment: &Experiment) -> Result<bool, EvaluationError> {
    let context = context(experiment).map_err(|error| EvaluationError::Type(ConditionError::Evaluation(error)))?;
    match program.execute(&context) {
        Ok(Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(EvaluationError::Type(ConditionError::NotBoolean(describe(&other)))),
        Err(error) => {
            let by_value = matches!(
                error,
                ExecutionError::DivisionByZero(_)
                    | ExecutionError::RemainderByZero(_)
                    | ExecutionError::Overflow(..)
                    | ExecutionError::IndexOutOfBounds(_)
            );
            let kind = if by_value { EvaluationError::Value } else { EvaluationError::Type };
            let message = prefix(&error.to_string(), 200).to_owned();
            Err(kind(ConditionError::Evaluation(message)))
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Int(number) => format!("the number {number}"),
        Value::UInt(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::String(text) => format!("the string `{}`", prefix(text, 50)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        _ => "a value of another type".to_owned(),
    }
}

/// Defines the names of a condition. Numbers are signed, so that they compare with literals.
fn context(experiment: &Experiment) -> Result<Context<'static, 'static>, String> {
    let none = ExperimentResult::default();
    let result = experiment.result.as_ref().unwrap_or(&none);
    let nothing = Insights::default();
    let insights = result.insights.as_ref().unwrap_or(&nothing);
    let whole = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let started = result.start_time.map(|time| time.to_rfc3339()).unwrap_or_default();
    let values = insights
        .non_hist_metric_values
        .iter()
        .map(|metrics| Value::from(metrics.clone().into_iter().collect::<HashMap<_, _>>()));
    let insights_fields: HashMap<&str, Value> = [
        ("NumVersions", whole(insights.num_versions as u64)),
        ("NonHistMetricValues", Value::from(values.collect::<Vec<_>>())),
    ]
    .into();
    let task = |task: &TaskSpec| {
        let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
        let fields: HashMap<&str, Value> =
            [("Task", text(&task.task)), ("Run", text(&task.run)), ("If", text(&task.condition))].into();
        Value::from(fields)
    };
    let fields: HashMap<&str, Value> = [
        ("NumLoops", whole(result.num_loops)),
        ("NumCompletedTasks", whole(result.num_completed_tasks as u64)),
        ("Failure", Value::Bool(result.failure)),
        ("Revision", Value::Int(result.revision.unwrap_or_default())),
        ("StartTime", Value::from(started)),
        ("Iter8Version", Value::from(result.iter8_version.clone().unwrap_or_default())),
        ("Insights", Value::from(insights_fields)),
    ]
    .into();
    let mut context = Context::default();
    context.add_variable_from_value("Result", fields);
    context.add_variable_from_value("Spec", experiment.spec.iter().map(task).collect::<Vec<_>>());
    let slos = assertion::slos(insights).is_ok() && assertion::is_split_checked(experiment);
    let completed = assertion::judge(experiment, AssertCondition::Completed).holds;
    let fine = assertion::judge(experiment, AssertCondition::NoFailure).holds;
    let added = [
        context.add_function("SLOs", move || slos),
        context.add_function("Completed", move || completed),
        context.add_function("NoFailure", move || fine),
    ];
    added.into_iter().collect::<Result<(), _>>().map_err(|error| error.to_string())?;
    Ok(context)
}

fn compile(text: &str) -> Result<Program, ConditionError> {
    let syntax = |message: String| ConditionError::Syntax { text: text.to_owned(), message };
    if text.len() > MAX_LENGTH {
        return Err(ConditionError::TooLarge("long"));
    }
    if text.trim().is_empty() {
        return Err(syntax("it is empty".to_owned()));
    }
    let program = Program::compile(&respell(text)?).map_err(|errors| {
        let first = errors.errors.first();
        let message = first.map_or("it is not an expression", |error| error.msg.as_str());
        // The parser appends every token that it would have accepted.
        let message = message.split(" expecting").next().unwrap_or_default().trim_start_matches("Syntax error: ");
        let place = first.filter(|error| error.pos.1 > 0).map(|error| format!(" (at column {})", error.pos.1));
        syntax(format!("{message}{}", place.unwrap_or_default()))
    })?;
    names(program.expression())?;
    Ok(program)
}

/// Translates Iter8's spelling to CEL: `not`, `and`, `or` become operators of the same length, `len` becomes `size`, and `A startsWith "b"`
/// a method call; strings stay unchanged. Rejects everything
/// that no condition needs, so that the parser sees only bounded, plain input.
fn respell(text: &str) -> Result<String, ConditionError> {
    let syntax = |message: String| ConditionError::Syntax { text: text.to_owned(), message };
    let (mut out, mut tokens, mut depth, mut signs) = (String::with_capacity(text.len()), 0, 0_usize, 0);
    let (mut rest, mut after_dot, mut after_string, mut is_infix) = (text, false, false, false);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_ascii_whitespace() => 1,
            '\'' | '"' if !after_string => {
                string_length(rest).ok_or_else(|| syntax("unterminated string".to_owned()))?
            }
            'a'..='z' | 'A'..='Z' | '_' | '0'..='9' if !after_string => {
                rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
            }
            '(' | ')' | '[' | ']' | '.' | ',' | '!' | '<' | '>' | '=' | '&' | '|' | '+' | '-' | '*' | '/' | '%'
            | '?' | ':' => 1,
            _ => {
                let column = text.len() - rest.len() + 1;
                return Err(syntax(format!("unexpected `{}` at column {column}", first.escape_debug())));
            }
        };
        let (token, tail) = rest.split_at(length);
        if !first.is_ascii_whitespace() {
            tokens += 1;
        }
        match first {
            '(' => depth += 1,
            '[' => (depth, signs) = (depth + 1, signs + 1),
            ')' | ']' => depth = depth.saturating_sub(1),
            // The second character of `<=`, `>=`, `==` and `!=` does not count again.
            '=' => signs += usize::from(!out.ends_with(['<', '>', '=', '!'])),
            '<' | '>' | '+' | '-' | '*' | '/' | '%' | '?' => signs += 1,
            _ => signs += usize::from(token == "in" || METHODS.contains(&token)),
        }
        if tokens > MAX_TOKENS || signs > MAX_SIGNS {
            return Err(ConditionError::TooLarge("long"));
        }
        if depth > MAX_DEPTH {
            return Err(ConditionError::TooLarge("deep"));
        }
        if let Some((_, advice)) = UNSUPPORTED.iter().find(|(name, _)| *name == token && !after_dot) {
            return Err(syntax(format!("`{token}` is not supported; {advice}")));
        }
        if is_infix && !first.is_ascii_whitespace() && !matches!(first, '\'' | '"') {
            return Err(syntax("expected a string after startsWith, endsWith and contains".to_owned()));
        }
        let begins_infix = METHODS.contains(&token) && !after_dot;
        if begins_infix {
            // The operand ends here, so its string may be followed by the method.
            out.push('.');
        }
        out.push_str(match token {
            "len" if !after_dot => SIZE,
            "not" if !after_dot => "!  ",
            "and" if !after_dot => "&& ",
            "or" if !after_dot => "||",
            _ => token,
        });
        if begins_infix {
            out.push('(');
            is_infix = true;
        } else if is_infix && !first.is_ascii_whitespace() {
            out.push(')');
            is_infix = false;
        }
        after_dot = token == "." || (after_dot && first.is_ascii_whitespace());
        // Adjacent strings (`''' '''`) and prefixed ones (`r'x'`) are not accepted.
        let word = first.is_ascii_alphanumeric() || first == '_';
        after_string = matches!(first, '\'' | '"') || (word && tail.starts_with(['\'', '"']) && !is_sign(token));
        rest = tail;
    }
    Ok(out)
}

fn is_sign(token: &str) -> bool {
    matches!(token, "not" | "and" | "or" | "in")
}

/// Returns the bytes of the string literal at the start of `text`, including its quotes.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' | '\r' => return None,
            _ if character == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Checks every name, even in branches that are not evaluated.
fn names(expression: &IdedExpr) -> Result<(), ConditionError> {
    match &expression.expr {
        Expr::Literal(_) => Ok(()),
        Expr::List(list) => list.elements.iter().try_for_each(names),
        Expr::Ident(name) if name == "Result" || name == "Spec" => Ok(()),
        Expr::Ident(name) => Err(unknown(name, &["Result", "Spec", "SLOs()", "Completed()", "NoFailure()"])),
        Expr::Select(select) => match fields_of(&select.operand) {
            Some(fields) if fields.contains(&select.field.as_str()) => Ok(()),
            Some(fields) => Err(unknown(&select.field, fields)),
            None => names(&select.operand).and(Err(unknown(&select.field, &["the fields of Result"]))),
        },
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                || name.starts_with('_') && name.ends_with(['_', ']']);
            let known = match &call.target {
                None => operator || FUNCTIONS.contains(&name) || name == SIZE,
                Some(_) => METHODS.contains(&name),
            };
            if !known {
                let functions = ["SLOs()", "Completed()", "NoFailure()", "len()"];
                let known: &[&str] = if call.target.is_some() { &METHODS } else { &functions };
                return Err(unknown(name, known));
            }
            if name == SIZE && call.target.is_none() && call.args.len() != 1 {
                return Err(ConditionError::Evaluation("`len()` takes one argument".to_owned()));
            }
            if !operator && call.target.is_none() && name != SIZE && !call.args.is_empty() {
                return Err(ConditionError::Evaluation(format!("`{name}()` takes no arguments")));
            }
            call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(names)
        }
        _ => Err(ConditionError::Evaluation("conditions do not support maps, structs and loops".to_owned())),
    }
}

fn fields_of(operand: &IdedExpr) -> Option<&'static [&'static str]> {
    match &operand.expr {
        Expr::Ident(name) if name == "Result" => Some(&RESULT_FIELDS),
        Expr::Select(select) if select.field == "Insights" && fields_of(&select.operand).is_some() => {
            Some(&INSIGHTS_FIELDS)
        }
        // A task: `Spec[0]`.
        Expr::Call(call) if call.func_name == "_[_]" => {
            let list = call.args.first().map(|list| &list.expr);
            matches!(list, Some(Expr::Ident(name)) if name == "Spec").then_some(&TASK_FIELDS)
        }
        _ => None,
    }
}

fn unknown(name: &str, known: &[&str]) -> ConditionError {
    let nearest = nearest(name, known.iter().map(|known| known.trim_end_matches("()")));
    let nearest = nearest.and_then(|name| known.iter().find(|known| known.trim_end_matches("()") == name));
    let nearest = nearest.map(|known| (*known).to_owned());
    ConditionError::Unknown { name: name.to_owned(), known: known.join(", "), nearest }
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
