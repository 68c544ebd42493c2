//! Holds a value against docs/mirror_health.schema.json, or a schema of docs/openapi.yaml: the few keywords that they use, and a panic for
//! any other.
#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::collections::BTreeSet;

use serde_json::Value;

/// Asserts that a value is what the schema says.
pub(crate) fn assert_valid(value: &Value) {
    let text = include_str!("../../docs/mirror_health.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    check(&schema, &schema, value, "the file");
}

/// Asserts that a value is what a schema in a document says.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value, place: &str) {
    for (keyword, expected) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let path = expected.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(path).unwrap(), value, place);
            }
            "type" => {
                let kinds = expected.as_array().cloned().unwrap_or_else(|| vec![expected.clone()]);
                let is_one = kinds.iter().any(|kind| is_of(kind.as_str().unwrap(), value));
                assert!(is_one, "{place} is no {expected}: {value}");
            }
            "oneOf" => {
                let schemas = expected.as_array().unwrap().iter();
                let schemas: Vec<&Value> = schemas.filter(|schema| has_members(root, schema, value)).collect();
                assert_eq!(schemas.len(), 1, "{place}: {value}");
                check(root, schemas[0], value, place);
            }
            "const" => assert_eq!(value, expected, "{place}"),
            "enum" => assert!(expected.as_array().unwrap().contains(value), "{place}: {value}"),
            "minimum" | "pattern" if value.is_null() => {}
            "minimum" => assert!(value.as_f64() >= expected.as_f64(), "{place}: {value}"),
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

/// Whether an object has the members that a schema requires.
fn has_members(root: &Value, schema: &Value, value: &Value) -> bool {
    let path = schema["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
    let required = &root.pointer(path).unwrap()["required"];
    let mut required = required.as_array().unwrap().iter();
    required.all(|name| value.get(name.as_str().unwrap()).is_some())
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        kind => panic!("the schema has the type {kind}"),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    let is_hexadecimal =
        |digits| text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match pattern {
        "^[0-9A-Z]{2}$" => {
            text.len() == 2
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        }
        "^[0-9a-f]{32}$" => is_hexadecimal(32),
        "^[0-9a-f]{40}$" => is_hexadecimal(40),
        "^[0-9a-f]{128}$" => is_hexadecimal(128),
        "^[A-Z]{2}$" => text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()),
        "^[0-9a-f]{64}$" => is_hexadecimal(64),
        pattern => panic!("the schema has the pattern {pattern}"),
    }
}
