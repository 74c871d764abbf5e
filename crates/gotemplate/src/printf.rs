//! Go's `fmt.Sprintf`.

use super::context::{Context, check_nesting};
use super::fmt;
use super::value::Value;

/// Largest width and precision of one verb: the limit of Rust's formatting (Go's is a million).
const MAX_WIDTH: usize = u16::MAX as usize;

/// Flags, width and precision of a verb.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    is_left: bool,
    has_plus: bool,
    has_space: bool,
    has_sharp: bool,
    has_zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats arguments. Mismatches are reported in the output, as in Go: `%!d(string=a)`.
pub fn sprintf(context: &Context, format: &str, args: &[Value]) -> Result<String, String> {
    context.spend(format.len())?;
    let mut printer = Printer { context, args, next: 0, is_reordered: false, out: String::new() };
    let mut rest = format;
    while let Some((text, directive)) = rest.split_once('%') {
        printer.out.push_str(text);
        rest = printer.directive(directive)?;
    }
    printer.out.push_str(rest);
    printer.extra()?;
    Ok(printer.out)
}

struct Printer<'p> {
    context: &'p Context,
    args: &'p [Value],
    next: usize,
    is_reordered: bool,
    out: String,
}

impl<'p> Printer<'p> {
    /// Formats one directive, given without its `%`; returns the rest of the format.
    fn directive<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let mut flags = Flags::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            match c {
                '-' => flags.is_left = true,
                '+' => flags.has_plus = true,
                ' ' => flags.has_space = true,
                '#' => flags.has_sharp = true,
                '0' => flags.has_zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut is_index_good = true;
        rest = self.index(rest, &mut is_index_good);
        (flags.width, rest) = self.number(rest, "WIDTH", &mut flags.is_left)?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = self.index(after, &mut is_index_good);
            let (precision, after) = self.number(rest, "PREC", &mut false)?;
            (flags.precision, rest) = (Some(precision.unwrap_or(0)), after);
        }
        rest = self.index(rest, &mut is_index_good);
        let Some(verb) = rest.chars().next() else {
            self.mismatch("%!(NOVERB)", "the last `%` has no verb")?;
            return Ok(rest);
        };
        let behind = &rest[verb.len_utf8()..];
        if verb == '%' {
            self.out.push('%');
        } else if !is_index_good {
            self.mismatch(&format!("%!{verb}(BADINDEX)"), "an argument index is not valid")?;
        } else if let Some(arg) = self.args.get(self.next) {
            self.next += 1;
            self.verb(verb, flags, arg, 1)?;
        } else {
            self.mismatch(&format!("%!{verb}(MISSING)"), &format!("verb `%{verb}` has no argument"))?;
        }
        Ok(behind)
    }

    /// Reads an explicit argument index, such as `[1]`.
    fn index<'t>(&mut self, text: &'t str, is_good: &mut bool) -> &'t str {
        let Some(after) = text.strip_prefix('[') else { return text };
        self.is_reordered = true;
        let Some((number, behind)) = after.split_once(']') else {
            *is_good = false;
            return after;
        };
        match number.parse::<usize>().ok().filter(|number| (1..=self.args.len()).contains(number)) {
            Some(number) => self.next = number - 1,
            None => *is_good = false,
        }
        behind
    }

    /// Reads a width or precision: digits, or `*` for an argument.
    fn number<'t>(
        &mut self,
        text: &'t str,
        name: &str,
        is_left: &mut bool,
    ) -> Result<(Option<usize>, &'t str), String> {
        let checked = |number: usize| {
            if number > MAX_WIDTH { Err(format!("pads to more than {MAX_WIDTH} characters")) } else { Ok(number) }
        };
        if let Some(behind) = text.strip_prefix('*') {
            let number = match self.args.get(self.next) {
                Some(Value::Int(number) | Value::Int64(number)) => Some(*number),
                _ => None,
            };
            self.next = self.next.saturating_add(1);
            let Some(number) = number else {
                self.mismatch(&format!("%!(BAD{name})"), "a width or precision is not an int")?;
                return Ok((None, behind));
            };
            if number < 0 && name == "WIDTH" {
                *is_left = true;
            } else if number < 0 {
                return Ok((None, behind));
            }
            return Ok((Some(checked(usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX))?), behind));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Ok((None, text));
        }
        let (number, behind) = text.split_at(digits);
        Ok((Some(checked(number.parse().unwrap_or(usize::MAX))?), behind))
    }

    /// Reports arguments that no verb consumed.
    fn extra(&mut self) -> Result<(), String> {
        if self.is_reordered || self.next >= self.args.len() {
            return Ok(());
        }
        if self.context.has_strict_verbs() {
            return Err(format!("{} more arguments than verbs", self.args.len() - self.next));
        }
        self.out.push_str("%!(EXTRA ");
        for (at, arg) in self.args[self.next..].iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            self.typed(arg)?;
        }
        self.out.push(')');
        Ok(())
    }

    /// Writes `type=value`.
    fn typed(&mut self, arg: &Value) -> Result<(), String> {
        if !matches!(arg, Value::Nil) {
            self.out.push_str(arg.type_name());
            self.out.push('=');
        }
        let text = fmt::to_string(self.context, arg)?;
        self.out.push_str(&text);
        Ok(())
    }

    /// Formats an argument.
    fn verb(&mut self, verb: char, flags: Flags, arg: &Value, depth: usize) -> Result<(), String> {
        check_nesting(depth)?;
        self.context.spend(16 + flags.width.unwrap_or(0) + flags.precision.unwrap_or(0))?;
        if flags.has_sharp && verb == 'v' || flags.has_plus && matches!(verb, 'v' | 'q') {
            return Err(format!("unsupported verb `%{}{verb}`", if flags.has_sharp { '#' } else { '+' }));
        }
        match (verb, arg) {
            ('T', _) => self.pad(arg.type_name(), flags),
            ('v', Value::Nil) => self.pad("<nil>", flags),
            (_, Value::Nil) => self.bad(verb, arg)?,
            ('t' | 'v', Value::Bool(boolean)) => self.pad(if *boolean { "true" } else { "false" }, flags),
            (_, Value::Int(number) | Value::Int64(number)) => return self.integer(verb, flags, *number, arg),
            (_, Value::Float(number)) => return self.float(verb, flags, *number, arg),
            (_, Value::String(text)) => return self.text(verb, flags, text, arg),
            ('v' | 's' | 'q' | 'x' | 'X', Value::Time(_) | Value::Version(_)) => {
                let text = fmt::to_string(self.context, arg)?;
                return self.text(verb, flags, &text, arg);
            }
            (_, Value::List(list)) => {
                self.out.push('[');
                for (at, item) in list.items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(' ');
                    }
                    self.verb(verb, flags, item, depth + 1)?;
                }
                self.out.push(']');
            }
            (_, Value::Map(map)) => {
                self.out.push_str("map[");
                for (at, (key, value)) in self.context.entries(*map).iter().enumerate() {
                    if at > 0 {
                        self.out.push(' ');
                    }
                    self.verb(verb, flags, &Value::String(key.clone()), depth + 1)?;
                    self.out.push(':');
                    self.verb(verb, flags, value, depth + 1)?;
                }
                self.out.push(']');
            }
            _ => self.bad(verb, arg)?,
        }
        Ok(())
    }

    /// Reports another mismatch, in Go's form or as an error.
    fn mismatch(&mut self, text: &str, message: &str) -> Result<(), String> {
        if self.context.has_strict_verbs() {
            return Err(message.to_owned());
        }
        self.out.push_str(text);
        Ok(())
    }

    /// Reports a verb that does not fit its argument.
    fn bad(&mut self, verb: char, arg: &Value) -> Result<(), String> {
        if self.context.has_strict_verbs() {
            let hint = match arg {
                Value::Float(_) if verb == 'd' => "; use `%.0f`, or int",
                Value::Int(_) | Value::Int64(_) if matches!(verb, 'e' | 'E' | 'f' | 'F' | 'g' | 'G') => {
                    "; use `%d`, or float64"
                }
                Value::Nil => return Err(format!("the argument of verb `%{verb}` is missing; set it, or use default")),
                _ => "; use `%v`",
            };
            return Err(format!("verb `%{verb}` does not fit {}{hint}", arg.describe()));
        }
        self.out.push_str(&format!("%!{verb}("));
        self.typed(arg)?;
        self.out.push(')');
        Ok(())
    }

    /// Pads a text to its width, with zeros only on the left.
    fn pad(&mut self, text: &str, flags: Flags) {
        let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        let padding = |c: &str| c.repeat(missing);
        if flags.is_left {
            self.out.push_str(text);
            self.out.push_str(&padding(" "));
        } else {
            self.out.push_str(&padding(if flags.has_zero { "0" } else { " " }));
            self.out.push_str(text);
        }
    }

    /// Pads a number: zeros go between sign and digits.
    fn pad_number(&mut self, sign: &str, digits: &str, flags: Flags) {
        if flags.has_zero && !flags.is_left {
            let width = flags.width.unwrap_or(0).saturating_sub(sign.len());
            self.out.push_str(sign);
            self.pad(digits, Flags { width: Some(width), ..flags });
        } else {
            self.pad(&format!("{sign}{digits}"), Flags { has_zero: false, ..flags });
        }
    }

    fn integer(&mut self, verb: char, flags: Flags, number: i64, arg: &Value) -> Result<(), String> {
        let size = number.unsigned_abs();
        let digits = match verb {
            'v' | 'd' => size.to_string(),
            'b' => format!("{size:b}"),
            'o' | 'O' => format!("{size:o}"),
            'x' => format!("{size:x}"),
            'X' => format!("{size:X}"),
            'c' | 'q' | 'U' => {
                let code = u32::try_from(number).unwrap_or(u32::from(char::REPLACEMENT_CHARACTER));
                let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                let text = match verb {
                    'c' => c.to_string(),
                    'U' => format!("U+{number:04X}"),
                    _ => {
                        let mut quoted = String::from("'");
                        if c == '\'' {
                            quoted.push_str("\\'")
                        } else {
                            fmt::quote_char(c, &mut quoted)
                        }
                        quoted + "'"
                    }
                };
                self.pad(&text, flags);
                return Ok(());
            }
            _ => return self.bad(verb, arg),
        };
        let prefix = match verb {
            'O' => "0o",
            'b' if flags.has_sharp => "0b",
            'o' if flags.has_sharp => "0",
            'x' if flags.has_sharp => "0x",
            'X' if flags.has_sharp => "0X",
            _ => "",
        };
        let sign = sign(number < 0, flags);
        match flags.precision {
            // With a precision, padding is spaces, and `%.0d` of zero is empty.
            Some(0) if number == 0 => self.pad("", Flags { has_zero: false, ..flags }),
            Some(precision) => {
                let zeros = "0".repeat(precision.saturating_sub(digits.len()));
                self.pad(&format!("{sign}{prefix}{zeros}{digits}"), Flags { has_zero: false, ..flags });
            }
            None => self.pad_number(&format!("{sign}{prefix}"), &digits, flags),
        }
        Ok(())
    }

    fn float(&mut self, verb: char, flags: Flags, number: f64, arg: &Value) -> Result<(), String> {
        if !matches!(verb, 'v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F') || flags.has_sharp {
            return self.bad(verb, arg);
        }
        if let Some(name) = fmt::not_finite(number) {
            let bare = name.trim_start_matches(['+', '-']);
            let sign = if number.is_nan() { "" } else { sign(number < 0.0, flags) };
            let sign = if sign.is_empty() && name == "+Inf" { "+" } else { sign };
            self.pad(&format!("{sign}{bare}"), Flags { has_zero: false, ..flags });
            return Ok(());
        }
        let size = number.abs();
        let digits = match (verb, flags.precision) {
            ('f' | 'F', precision) => format!("{size:.*}", precision.unwrap_or(6)),
            ('e' | 'E', precision) => {
                let text = format!("{size:.*e}", precision.unwrap_or(6));
                scientific(&text, if verb == 'e' { 'e' } else { 'E' })
            }
            (_, None) => fmt::float(size),
            (_, Some(precision)) => general(size, precision.max(1)),
        };
        let digits = if verb == 'G' { digits.to_uppercase() } else { digits };
        self.pad_number(sign(number.is_sign_negative(), flags), &digits, flags);
        Ok(())
    }

    fn text(&mut self, verb: char, flags: Flags, text: &str, arg: &Value) -> Result<(), String> {
        self.context.spend(4 * text.len())?;
        let cut: String = match flags.precision {
            Some(precision) if verb != 'x' && verb != 'X' => text.chars().take(precision).collect(),
            _ => text.to_owned(),
        };
        match verb {
            'v' | 's' => self.pad(&cut, flags),
            'q' if flags.has_sharp && can_backquote(&cut) => self.pad(&format!("`{cut}`"), flags),
            'q' => self.pad(&fmt::quote(&cut), flags),
            'x' | 'X' => {
                let bytes = cut.bytes().take(flags.precision.unwrap_or(usize::MAX));
                let space = if flags.has_space { " " } else { "" };
                let hex: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
                let hex = hex.join(space);
                self.pad(&if verb == 'X' { hex.to_uppercase() } else { hex }, flags);
            }
            _ => return self.bad(verb, arg),
        }
        Ok(())
    }
}

fn sign(is_negative: bool, flags: Flags) -> &'static str {
    match (is_negative, flags.has_plus, flags.has_space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

/// Converts Rust's `1.5e-7` to Go's `1.5e-07`.
fn scientific(text: &str, letter: char) -> String {
    let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}{letter}{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

/// `%g` with a precision: at most that many digits, with an exponent if it is below -4 or not below the precision.
fn general(size: f64, precision: usize) -> String {
    let text = format!("{size:.*e}", precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let all = digits.replace('.', "");
    let digits = match all.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if (-4..limit).contains(&exponent) {
        fmt::plain(digits, exponent)
    } else {
        fmt::with_exponent(digits, exponent, 'e', 2)
    }
}

/// Go's `strconv.CanBackquote`.
fn can_backquote(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || (c != '`' && c != '\u{feff}' && !c.is_control()))
}
