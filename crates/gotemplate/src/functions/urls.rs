//! URLs: `urlParse` and `urlJoin`.

use super::{Function, Outcome, args, row};
use crate::context::{Context, Entries};
use crate::urls::Url;
use crate::value::Value;

pub const FUNCTIONS: &[Function] = &[row("urlParse", 1, 1, parse), row("urlJoin", 1, 1, join)];

fn parse(context: &mut Context, args: &[Value]) -> Outcome {
    let text = args::string(args, 0)?;
    context.spend(text.len() * 16)?;
    let short = || text.chars().take(80).collect::<String>();
    let url = Url::parse(text).map_err(|reason| format!("`{}` is not a URL: {reason}", short()))?;
    let parts = [
        ("scheme", url.scheme.as_str()),
        ("opaque", &url.opaque),
        ("userinfo", &url.userinfo),
        ("host", &url.host),
        ("hostname", url.hostname()),
        ("path", &url.path),
        ("query", &url.query),
        ("fragment", &url.fragment),
    ];
    let mut entries = Entries::new();
    for (name, text) in parts {
        entries.insert(name.into(), context.string(text.to_owned())?);
    }
    context.map(entries)
}

fn join(context: &mut Context, args: &[Value]) -> Outcome {
    let entries = context.entries(args::map(args, 0)?);
    let part = |name: &str| match entries.get(name) {
        None => Ok(String::new()),
        Some(Value::String(text)) => {
            context.spend(text.len() * 16)?;
            Ok(text.to_string())
        }
        Some(other) => Err(format!("`{name}` must be a string, but is {}", other.describe())),
    };
    let url = Url {
        scheme: part("scheme")?,
        opaque: part("opaque")?,
        userinfo: part("userinfo")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        fragment: part("fragment")?,
    };
    context.string(url.join()?)
}
