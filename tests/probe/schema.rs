//! Holds a value against docs/mirror_health.schema.json: the few keywords that it uses, and a panic for any other.

use std::collections::BTreeSet;

use serde_json::Value;

/// Asserts that a value is what the schema says.
pub(crate) fn assert_valid(value: &Value) {
    let text = include_str!("../../docs/mirror_health.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    check(&schema, &schema, value, "the file");
}

fn check(root: &Value, schema: &Value, value: &Value, place: &str) {
    for (keyword, expected) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let path = expected.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, place);
            }
            "type" => assert!(
                is_of(expected.as_str().unwrap(), value),
                "{place} is no {expected}: {value}"
            ),
            "const" => assert_eq!(value, expected, "{place}"),
            "enum" => assert!(expected.as_array().unwrap().contains(value), "{place}: {value}"),
            "minimum" => assert!(value.as_u64() >= expected.as_u64(), "{place}: {value}"),
            "pattern" => assert!(
                matches(expected.as_str().unwrap(), value.as_str().unwrap()),
                "{place}: {value}"
            ),
            "required" => {
                for name in expected.as_array().unwrap() {
                    assert!(value.get(name.as_str().unwrap()).is_some(), "{place} has no {name}");
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().unwrap() {
                    let known = expected
                        .get(name)
                        .unwrap_or_else(|| panic!("{place}: {name} is not in the schema"));
                    check(root, known, inner, &format!("{place}.{name}"));
                }
            }
            "items" => {
                for item in value.as_array().unwrap() {
                    check(root, expected, item, &format!("{place}[]"));
                }
            }
            "uniqueItems" => {
                let texts: BTreeSet<String> = value.as_array().unwrap().iter().map(Value::to_string).collect();
                assert_eq!(texts.len(), value.as_array().unwrap().len(), "{place}: {value}");
            }
            keyword => panic!("the schema uses {keyword}"),
        }
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        kind => panic!("the schema has the type {kind}"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[A-Z]{2}$" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "^[0-9a-f]{64}$" => text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        pattern => panic!("the schema has the pattern {pattern}"),
    }
}
