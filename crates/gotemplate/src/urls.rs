//! URLs taken apart and put together as Go's `net/url` does.

use std::net::Ipv6Addr;

/// Part of a URL, which decides what is percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    User,
    Host,
    /// Zone of an IPv6 address.
    Zone,
    Path,
    Fragment,
}

impl Part {
    /// Returns true if a byte stands for itself.
    fn is_plain(self, byte: u8) -> bool {
        let others: &[u8] = match self {
            Self::User => b"$&+,;=",
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"",
            Self::Path => b"$&+,/:;=@",
            Self::Fragment => b"$&+,/:;=?@!()*",
        };
        byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || others.contains(&byte)
    }

    fn encode(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes() {
            match self.is_plain(byte) {
                true => out.push(char::from(byte)),
                false => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    }

    fn decode(self, text: &str) -> Result<String, String> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let is_host = matches!(self, Self::Host | Self::Zone);
            if *first != b'%' {
                if is_host && first.is_ascii() && !self.is_plain(*first) {
                    return Err(format!("invalid character `{}` in the host", char::from(*first).escape_default()));
                }
                bytes.push(*first);
                continue;
            }
            let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            let byte = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            let is_allowed = |byte: u8| match self {
                // Only `%25` before a zone, and what is not ASCII.
                Self::Host => byte == b'%' || !byte.is_ascii(),
                Self::Zone => byte == b'%' || byte == b' ' || Self::Host.is_plain(byte),
                _ => true,
            };
            let byte = byte.filter(|byte| is_allowed(*byte)).ok_or_else(|| {
                format!("invalid escape `%{}`", String::from_utf8_lossy(after.get(..2).unwrap_or(after)))
            })?;
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        }
        String::from_utf8(bytes).map_err(|_| "a decoded part is not UTF-8".to_owned())
    }
}

/// Parts of a URL, decoded except for the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    /// Everything after the scheme of a URL such as `mailto:me`.
    pub(crate) opaque: String,
    /// Name and password, encoded.
    pub(crate) userinfo: String,
    /// Host with its port.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) fragment: String,
}

impl Url {
    /// Takes a URL or a reference apart.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (whole, fragment) = text.split_once('#').unwrap_or((text, ""));
        if whole.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("it has a control character".to_owned());
        }
        let fragment = Part::Fragment.decode(fragment)?;
        if whole == "*" {
            return Ok(Self { path: whole.to_owned(), fragment, ..Self::default() });
        }
        let (scheme, rest) = split_scheme(whole)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let url = Self { scheme: scheme.to_ascii_lowercase(), query: query.to_owned(), fragment, ..Self::default() };
        if !rest.starts_with('/') && !url.scheme.is_empty() {
            return Ok(Self { opaque: rest.to_owned(), ..url });
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("its first path segment has a colon".to_owned());
        }
        let authority = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///"));
        let Some(authority) = authority else { return Ok(Self { path: Part::Path.decode(rest)?, ..url }) };
        let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        Ok(Self {
            host: decoded_host(&url.scheme, host)?,
            userinfo: user.map(normalized_userinfo).transpose()?.unwrap_or_default(),
            path: Part::Path.decode(path)?,
            ..url
        })
    }

    /// Returns the host without its port and brackets.
    pub(crate) fn hostname(&self) -> &str {
        let host = match self.host.rfind(':') {
            Some(colon) if is_port(&self.host[colon..]) => &self.host[..colon],
            _ => &self.host,
        };
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Puts the parts together.
    pub(crate) fn join(&self) -> Result<String, String> {
        // As Go reads it: in the URL `proto://USERINFO@host`.
        let user = match self.userinfo.as_str() {
            "" => String::new(),
            userinfo => {
                let url = Self::parse(&format!("proto://{userinfo}@host"));
                url.map_err(|reason| format!("the userinfo is not valid: {reason}"))?.userinfo
            }
        };
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let has_host = !self.host.is_empty() || !user.is_empty();
            if has_host || !self.scheme.is_empty() && !self.path.is_empty() {
                out.push_str("//");
            }
            if !user.is_empty() {
                out.push_str(&user);
                out.push('@');
            }
            out.push_str(&Part::Host.encode(&self.host));
            let path = if self.path == "*" { "*".to_owned() } else { Part::Path.encode(&self.path) };
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
                // Otherwise the segment would be a scheme.
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&Part::Fragment.encode(&self.fragment));
        }
        Ok(out)
    }
}

/// Splits off the scheme, which is empty if there is none.
fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
    match end.and_then(|end| Some((&text[..end], text[end..].strip_prefix(':')?))) {
        Some(("", _)) => Err("its scheme is missing".to_owned()),
        Some((scheme, rest)) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((scheme, rest)),
        _ => Ok(("", text)),
    }
}

/// Returns true for nothing, or for a port after a colon.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Decodes a host with its port.
fn decoded_host(scheme: &str, host: &str) -> Result<String, String> {
    let bad_port = |port: &str| Err(format!("invalid port `{port}` after the host"));
    match host.rfind('[') {
        Some(0) => {
            let end = host.rfind(']').ok_or("`]` is missing in its host")?;
            let (address, port) = (&host[1..end], &host[end + 1..]);
            if !is_port(port) {
                return bad_port(port);
            }
            let (address, zone) = address.split_at(address.find("%25").unwrap_or(address.len()));
            let address = Part::Host.decode(address)?;
            address.parse::<Ipv6Addr>().map_err(|_| format!("`{address}` is not an IPv6 address"))?;
            Ok(format!("[{address}{}]{port}", Part::Zone.decode(zone)?))
        }
        Some(_) => Err("its host has a `[`".to_owned()),
        None => {
            // Databases accept lists of hosts with ports.
            let is_web = matches!(scheme, "http" | "https");
            let port = if is_web { host.find(':') } else { host.rfind(':') }.map_or("", |colon| &host[colon..]);
            if !is_port(port) {
                return bad_port(port);
            }
            Part::Host.decode(host)
        }
    }
}

/// Decodes and encodes name and password.
fn normalized_userinfo(userinfo: &str) -> Result<String, String> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !userinfo.chars().all(is_valid) {
        return Err("its userinfo is not valid".to_owned());
    }
    let normalized = |text: &str| Part::User.decode(text).map(|text| Part::User.encode(&text));
    match userinfo.split_once(':') {
        Some((name, password)) => Ok(format!("{}:{}", normalized(name)?, normalized(password)?)),
        None => normalized(userinfo),
    }
}
