//! The two forms of `DB_URL`, read as libpq does: `postgresql://user:password@host:port/database?parameter=value` and
//! `host=… user=…`. No error holds a value; a name that may be a part of a password is in none either.

use std::iter::Peekable;
use std::str::Chars;

use percent_encoding::percent_decode_str;

use super::parameters::{self, Parameter};
use crate::settings::ConfigError;

/// The parameters that a text sets, in its order; one can occur several times.
pub(super) type Assignments = Vec<(&'static Parameter, String)>;

/// Reads either form.
///
/// # Errors
/// The first mistake.
pub(super) fn parse(text: &str) -> Result<Assignments, ConfigError> {
    let url = text.trim();
    let mut schemes = ["postgresql://", "postgres://"].into_iter();
    if let Some(rest) = schemes.find_map(|scheme| url.strip_prefix(scheme)) {
        return parse_url(rest);
    }
    let first = text.split(['=', ' ', '\t', '\n']).next();
    if first.is_some_and(|first| first.contains("://")) {
        return Err(mistake(
            "expected a URL like postgresql://user:password@host/database, or host=… user=… password=… dbname=…",
        ));
    }
    parse_pairs(text)
}

/// A mistake in `DB_URL`.
pub(super) fn mistake(text: &str) -> ConfigError {
    ConfigError::new(format!("DB_URL: {text}"))
}

fn parse_url(mut rest: &str) -> Result<Assignments, ConfigError> {
    let mut assigned = Assignments::new();
    if let Some((credentials, after)) = rest.split_once('@')
        && !credentials.contains('/')
    {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        // It would be of the user's name, which is shown.
        if user.contains(['?', '&', '=']) {
            return Err(mistake(
                "write a / before the ? and what follows it, and an @ in that as %40; or ?, & and = in the user name as %3F, %26 and %3D",
            ));
        }
        assign(&mut assigned, "user", user)?;
        assign(&mut assigned, "password", password)?;
        rest = after;
    }
    // What follows an @ that is not written as %40 can be the rest of a password.
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (servers, database) = place.split_once('/').unwrap_or((place, ""));
    let in_doubt = rest.contains('@');
    if servers.contains('@') || database.contains('@') {
        return Err(mistake(
            "write an @ or / in the user name, the password or the database's name as %40 or %2F",
        ));
    }
    if database.contains(['&', '=']) {
        return Err(mistake(
            "write a ? before the first parameter; or & and = in the database's name as %26 and %3D",
        ));
    }
    let (hosts, ports): (Vec<_>, Vec<_>) = servers.split(',').map(split_server).collect::<Result<_, _>>()?;
    assign(&mut assigned, "host", &hosts.join(","))?;
    // Two hosts without ports have the usual ones, whatever PGPORT says.
    assign(&mut assigned, "port", &ports.join(","))?;
    assign(&mut assigned, "dbname", database)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=').filter(|(_, value)| !value.contains('=')) else {
            return Err(mistake(
                "expected name=value between ? and & (write other = as %3D, and special characters of the password as %XX)",
            ));
        };
        let name =
            decode(name).ok_or_else(|| mistake("a parameter's name has a % that is not followed by two hex digits"))?;
        // As in JDBC.
        if name == "ssl" && value == "true" {
            assign(&mut assigned, "sslmode", "require")?;
            continue;
        }
        let parameter = known(&name, &assigned, in_doubt)?;
        assigned.push((parameter, decoded(parameter, value)?));
    }
    Ok(assigned)
}

/// Host and port of `host:port`, the host maybe in brackets.
fn split_server(server: &str) -> Result<(&str, &str), ConfigError> {
    let Some(bracketed) = server.strip_prefix('[') else {
        return Ok(server.split_once(':').unwrap_or((server, "")));
    };
    let parts = bracketed.split_once(']').filter(|(host, _)| !host.is_empty());
    match parts.map(|(host, rest)| (host, rest, rest.strip_prefix(':'))) {
        Some((host, "", _)) => Ok((host, "")),
        Some((host, _, Some(port))) => Ok((host, port)),
        _ => Err(mistake("expected an IPv6 address in brackets, as in [::1]:5432")),
    }
}

/// Sets a part of the URL itself, if there is something.
fn assign(assigned: &mut Assignments, name: &str, text: &str) -> Result<(), ConfigError> {
    if let Some(parameter) = parameters::find(name).filter(|_| !text.is_empty()) {
        assigned.push((parameter, decoded(parameter, text)?));
    }
    Ok(())
}

fn decoded(parameter: &Parameter, text: &str) -> Result<String, ConfigError> {
    decode(text).ok_or_else(|| {
        mistake(&format!(
            "{}: write % as %25; it is followed by two hex digits, and stands for a text in UTF-8",
            parameter.name
        ))
    })
}

/// Decodes %XX. Returns `None` if a % is not followed by two digits, or the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    let whole = |part: &str| part.bytes().take(2).filter(is_digit).count() == 2;
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    text.split('%').skip(1).all(whole).then(|| decoded.into_owned())
}

fn parse_pairs(text: &str) -> Result<Assignments, ConfigError> {
    let mut assigned = Assignments::new();
    let mut rest = text.chars().peekable();
    loop {
        skip_spaces(&mut rest);
        if rest.peek().is_none() {
            return Ok(assigned);
        }
        let mut name = String::new();
        while let Some(character) = rest.next_if(|character| *character != '=' && !is_space(*character)) {
            name.push(character);
        }
        skip_spaces(&mut rest);
        // What follows a password with a space can be the rest of it.
        let in_doubt = assigned.iter().any(|(parameter, _)| is_secret(parameter));
        if rest.next() != Some('=') {
            return Err(mistake(if in_doubt {
                "expected name=value after the password; write a password with spaces in single quotes, and \\ before a ' or \\"
            } else {
                "expected name=value with spaces between, or a URL like postgresql://user:password@host/database"
            }));
        }
        skip_spaces(&mut rest);
        let value = take_value(&mut rest)?;
        // For backwards compatibility of libpq itself.
        if name == "requiressl" {
            let mode = if value.starts_with('1') { "require" } else { "prefer" };
            assign(&mut assigned, "sslmode", mode)?;
            continue;
        }
        assigned.push((known(&name, &assigned, in_doubt)?, value));
    }
}

fn take_value(rest: &mut Peekable<Chars<'_>>) -> Result<String, ConfigError> {
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match rest.next_if(|character| quoted || !is_space(*character)) {
            Some('\'') if quoted => return Ok(value),
            Some('\\') => value.extend(rest.next()),
            Some(character) => value.push(character),
            None if quoted => {
                return Err(mistake(
                    "a value in single quotes has no end; write \\' for a quote in it",
                ));
            }
            None => return Ok(value),
        }
    }
}

fn skip_spaces(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| is_space(*character)).is_some() {}
}

/// White space, as libpq has it in the C locale.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{b}'
}

fn is_secret(parameter: &Parameter) -> bool {
    ["password", "sslpassword"].contains(&parameter.name)
}

/// The parameter of a name. The error has the name, if that can't be a part of a password.
fn known(name: &str, assigned: &Assignments, in_doubt: bool) -> Result<&'static Parameter, ConfigError> {
    if let Some(parameter) = parameters::find(name) {
        return Ok(parameter);
    }
    let usual = |character: char| character.is_ascii_lowercase() || character == '_';
    let plausible = |character: char| {
        usual(character) || !in_doubt && (character.is_ascii_alphanumeric() || ".-".contains(character))
    };
    let of_a_password = assigned.iter().any(|(parameter, value)| {
        is_secret(parameter) && !value.is_empty() && (value.contains(name) || name.contains(value.as_str()))
    });
    if name.is_empty() || name.len() > 40 || of_a_password || !name.chars().all(plausible) {
        return Err(mistake(
            "a parameter is not known; it is not shown, since it may be a part of the password: write special characters of that \
             as %XX in a URL, and one with spaces in single quotes in the other form",
        ));
    }
    let advice = match parameters::meant_by(name) {
        Some(meant) => format!("write {meant}"),
        None => "see the list of parameters in docs/generator.md".to_owned(),
    };
    Err(mistake(&format!("the parameter {name} is not known; {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_as_libpq_does() {
        for (text, expected) in [
            ("", ""),
            ("postgresql://", ""),
            ("postgresql:///mydb", "dbname=mydb"),
            ("postgres://localhost", "host=localhost"),
            ("postgresql://user@localhost", "user=user|host=localhost"),
            (
                "postgresql://other@localhost/otherdb?connect_timeout=10&application_name=myapp",
                "user=other|host=localhost|dbname=otherdb|connect_timeout=10|application_name=myapp",
            ),
            (
                "postgresql://host1:123,host2:456/somedb?target_session_attrs=any",
                "host=host1,host2|port=123,456|dbname=somedb|target_session_attrs=any",
            ),
            ("postgresql://a,b", "host=a,b|port=,"),
            ("postgresql://a,b:2", "host=a,b|port=,2"),
            (
                "postgresql://[2001:db8::1234]:5,[::1]/database",
                "host=2001:db8::1234,::1|port=5,|dbname=database",
            ),
            ("postgresql://%2Fvar%2Flib/db", "host=/var/lib|dbname=db"),
            ("postgresql:///db?host=/run/p", "dbname=db|host=/run/p"),
            (
                "postgresql://u:a?b:c%20d%C3%A9%25@h?ssl=true",
                "user=u|password=a?b:c d\u{e9}%|host=h|sslmode=require",
            ),
            (
                "postgresql://h/?user=mm@server&options=",
                "host=h|user=mm@server|options=",
            ),
            (
                " host = localhost\tport=5432\ndbname = 'my db' password='it\\'s \\\\ ' user=a\\ b options=",
                "host=localhost|port=5432|dbname=my db|password=it's \\ |user=a b|options=",
            ),
            ("host=a,b port=1,2", "host=a,b|port=1,2"),
            ("password=a=b'c\\", "password=a=b'c"),
            ("host='h'user=u", "host=h|user=u"),
            ("requiressl=1", "sslmode=require"),
            ("requiressl=0 host=h", "sslmode=prefer|host=h"),
        ] {
            let assigned = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let shown = assigned.iter().map(|(key, value)| format!("{}={value}", key.name));
            assert_eq!(shown.collect::<Vec<_>>().join("|"), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_say_what_to_do() {
        for (text, said) in [
            ("mysql://h/d", "expected a URL like postgresql://"),
            ("postgresql+psycopg2://mm@h/d", "expected a URL like postgresql://"),
            ("host", "expected name=value"),
            ("host=h password=a b", "in single quotes"),
            ("host='h", "has no end"),
            ("host=h foo=1", "the parameter foo is not known"),
            ("host=h password=p sslmod=1", "the parameter sslmod is not known"),
            ("host=h SSLMode=require", "SSLMode is not known; write sslmode"),
            ("postgresql://h/d?foo.bar=1", "the parameter foo.bar is not known"),
            ("postgresql://h/d?keepalives_retries=1", "write keepalives_count"),
            ("postgresql://h/d?sslmode", "expected name=value between ? and &"),
            ("postgresql://h/d?sslmode=a=b", "expected name=value between ? and &"),
            ("postgresql://mm:50%off@h/d", "password: write % as %25"),
            ("postgresql://mm:%ff@h/d", "password: write % as %25"),
            ("postgresql://mm:a@b@h/d", "as %40 or %2F"),
            ("postgresql://mm:a/b@h/d", "as %40 or %2F"),
            ("postgresql://h?user=mm@server", "write a / before the ?"),
            ("postgresql://h/d&user=mm", "write a ? before the first parameter"),
            ("host=h password='' foo=1", "the parameter foo is not known"),
            ("postgresql://[::1/d", "in brackets"),
            ("postgresql://[]/d", "in brackets"),
            ("postgresql://[::1]5/d", "in brackets"),
        ] {
            let error = parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("DB_URL: ") && error.contains(said), "{text}: {error}");
        }
    }
}
