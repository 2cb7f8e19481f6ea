//! Rewords JSON errors for users: serde's own messages refer to Rust types.

use serde_json::error::Category;

/// Describes a JSON error without its position.
pub fn describe_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = |prefix: &str| {
        let name = text.strip_prefix(prefix)?.split('`').next()?;
        Some(name.chars().take(60).collect::<String>())
    };
    match error.classify() {
        Category::Io => "it can't be read".to_owned(),
        Category::Eof => "it ends too early".to_owned(),
        Category::Syntax => "this is not JSON".to_owned(),
        Category::Data => {
            let missing = named("missing field `").map(|name| format!("`{name}` is missing"));
            let unknown = || named("unknown field `").map(|name| format!("unknown key `{name}`"));
            let twice = || named("duplicate field `").map(|name| format!("duplicate key `{name}`"));
            let other = || named("unknown variant `").map(|name| format!("unknown value `{name}`"));
            let known = missing.or_else(unknown).or_else(twice).or_else(other);
            known.unwrap_or_else(|| "a value has the wrong type".to_owned())
        }
    }
}

/// Describes a JSON error with its line and column, if they are known.
pub fn describe_error_at(error: &serde_json::Error) -> String {
    match (error.line(), error.column()) {
        (0, _) => describe_error(error),
        (line, column) => format!("{} (line {line}, column {column})", describe_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Record {
        #[expect(dead_code, reason = "only read by serde")]
        name: u32,
    }

    #[test]
    fn no_message_refers_to_rust_types() {
        for (text, expected) in [
            ("{}", "`name` is missing (line 1, column 2)"),
            ("{\"name\": \"x\"}", "a value has the wrong type (line 1, column 12)"),
            ("{\"nam\": 1}", "unknown key `nam` (line 1, column 6)"),
            ("{\"name\": 1, \"name\": 2}", "duplicate key `name` (line 1, column 18)"),
            ("{\"name\": ", "it ends too early (line 1, column 9)"),
            ("{name: 1}", "this is not JSON (line 1, column 2)"),
        ] {
            let error = serde_json::from_str::<Record>(text).expect_err("faulty");
            assert_eq!(describe_error_at(&error), expected);
        }
    }
}
