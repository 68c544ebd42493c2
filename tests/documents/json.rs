//! Lays JSON out as `jq .` does: members in their order, two spaces for each level.

/// JSON over several lines. Text that is no JSON fails the test.
pub(crate) fn laid_out(json: &str) -> String {
    serde_json::from_str::<serde::de::IgnoredAny>(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let (mut out, mut level) = (String::new(), 0);
    let mut rest = json.trim();
    while let Some(c) = rest.chars().next() {
        let (token, tail) = rest.split_at(if c == '"' { string_length(rest) } else { c.len_utf8() });
        rest = tail.trim_start();
        let line_end = |level: usize| format!("\n{}", "  ".repeat(level));
        match c {
            '{' | '[' if rest.starts_with(['}', ']']) => out.push(c),
            '{' | '[' => {
                level += 1;
                out.push(c);
                out.push_str(&line_end(level));
            }
            '}' | ']' if out.ends_with(['{', '[']) => out.push(c),
            '}' | ']' => {
                level -= 1;
                out.push_str(&line_end(level));
                out.push(c);
            }
            ',' => out.push_str(&format!(",{}", line_end(level))),
            ':' => out.push_str(": "),
            _ => out.push_str(token),
        }
    }
    out
}

/// The length of the string that a text begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text[1..].find(|c| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.unwrap() + 2
}

#[test]
fn json_is_laid_out_as_jq_does() {
    let found = laid_out(r#"{"a":[1,{"b":"x, \"{\\"}],"c":[],"d":{}}"#);
    let expected =
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x, \\\"{\\\\\"\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}";
    assert_eq!(found, expected);
}
