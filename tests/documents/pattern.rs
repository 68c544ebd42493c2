//! Compares an output with the lines that a document has.

/// Whether the order of lines counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    AsWritten,
    Any,
}

/// Stands for any text in a line, and alone for any lines.
const ANYTHING: &str = "...";

/// Whether lines are those that a document has.
pub(crate) fn matches(expected: &[String], found: &[String], order: Order) -> bool {
    match order {
        Order::AsWritten => in_order(expected, found),
        Order::Any => in_any_order(expected, found),
    }
}

fn in_order(expected: &[String], found: &[String]) -> bool {
    match (expected, found) {
        ([], []) => true,
        ([first, rest @ ..], _) if first.trim() == ANYTHING => {
            (0..=found.len()).any(|skipped| in_order(rest, &found[skipped..]))
        }
        ([first, expected @ ..], [line, found @ ..]) => is_line(first, line) && in_order(expected, found),
        _ => false,
    }
}

fn in_any_order(expected: &[String], found: &[String]) -> bool {
    let mut left: Vec<&String> = found.iter().collect();
    for line in expected.iter().filter(|line| *line != ANYTHING) {
        let Some(position) = left.iter().position(|found| is_line(line, found)) else {
            return false;
        };
        left.remove(position);
    }
    left.is_empty() || expected.iter().any(|line| line == ANYTHING)
}

/// Whether a line is what a document has, in which `...` stands for any text.
pub(crate) fn is_line(expected: &str, found: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANYTHING) else {
        return expected == found;
    };
    let Some(found) = found.strip_prefix(start) else {
        return false;
    };
    let ends = found.char_indices().map(|(at, _)| at).chain([found.len()]);
    ends.into_iter().any(|at| is_line(rest, &found[at..]))
}

#[test]
fn dots_stand_for_any_text_and_any_lines() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (expected, found, as_written, any) in [
        ("a\nb", "a\nb", true, true),
        ("a\nb", "b\na", false, true),
        ("a\na", "a\nb", false, false),
        ("a", "a\nb", false, false),
        ("a\n...", "a\nb\nc", true, true),
        ("a\n...\nc", "a\nc", true, true),
        ("...\nc", "a\nb", false, false),
        ("x...y...z", "x1y2z", true, true),
        ("x...y", "x1y2", false, false),
    ] {
        let (expected, found) = (lines(expected), lines(found));
        assert_eq!(
            matches(&expected, &found, Order::AsWritten),
            as_written,
            "{expected:?} {found:?}"
        );
        assert_eq!(matches(&expected, &found, Order::Any), any, "{expected:?} {found:?}");
    }
}
