//! Escapes text for XML 1.0: in elements, in attributes and in comments. Whole documents are written by [`crate::mirrorlist`].

use std::borrow::Cow;

/// Escapes a text for an element or a quoted attribute.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'&' | b'<' | b'>' | b'"' | b'\'');
    // Nearly all texts are plain. A loop without an early exit is vectorised.
    if text.bytes().fold(true, |all, b| all & plain(b)) {
        return text.into();
    }
    let mut escaped = String::new();
    escape_into(text, &mut escaped);
    escaped.into()
}

/// Appends a text, escaped for an element or a quoted attribute. Characters that XML 1.0 has no form for become U+FFFD.
pub fn escape_into(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(position) = rest.find(needs_care) {
        let (plain, tail) = rest.split_at(position);
        out.push_str(plain);
        let mut chars = tail.chars();
        match chars.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\'') => out.push_str("&#39;"),
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// Appends a text, changed so that it can stand between `<!--` and `-->`: no two hyphens follow each other and none ends it (XML
/// 1.0, section 2.5).
pub fn comment_into(text: &str, out: &mut String) {
    let mut after_hyphen = false;
    for c in text.chars() {
        if c == '-' && after_hyphen {
            out.push(' ');
        }
        after_hyphen = c == '-';
        out.push(if illegal(c) { char::REPLACEMENT_CHARACTER } else { c });
    }
    if after_hyphen {
        out.push(' ');
    }
}

fn needs_care(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'') || illegal(c)
}

/// XML 1.0, section 2.2: `Char`.
fn illegal(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_control_characters_are_replaced() {
        for (text, expected) in [
            ("a-b c/~", "a-b c/~"),
            ("a&b <c> \"d\" 'e'", "a&amp;b &lt;c&gt; &quot;d&quot; &#39;e&#39;"),
            ("\u{1}\u{b}f \u{7f}\u{e9}", "\u{fffd}\u{fffd}f \u{7f}\u{e9}"),
        ] {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_comment_holds_no_double_hyphen_and_ends_in_none() {
        for (text, expected) in [
            ("a--b", "a- -b"),
            ("---", "- - - "),
            ("x-", "x- "),
            ("a-b", "a-b"),
            ("-->", "- ->"),
            ("\0", "\u{fffd}"),
        ] {
            let mut out = String::new();
            comment_into(text, &mut out);
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
