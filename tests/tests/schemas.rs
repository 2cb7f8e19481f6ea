//! The schemas in `schemas/` are those of the types, and what the project ships validates against them.

use std::fs;
use std::path::{Path, PathBuf};

use emberline_pipeline::schema::Schema;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_schemas_are_up_to_date() {
    for schema in Schema::ALL {
        let path = root().join("schemas").join(schema.file_name());
        if std::env::var_os("EMBERLINE_BLESS").is_some() {
            fs::write(&path, schema.text()).expect("written");
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            stored,
            schema.text(),
            "{} is stale: EMBERLINE_BLESS=1 cargo test --workspace --test end_to_end -- schemas::",
            path.display()
        );
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let schema = serde_json::from_str(&Schema::Pipeline.text()).expect("JSON");
    let (path, reference) = (root().join("docs/reference.md"), emberline_tests::reference::reference(&schema));
    if std::env::var_os("EMBERLINE_BLESS").is_some() {
        fs::write(&path, &reference).expect("written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        stored,
        reference,
        "{} is stale: EMBERLINE_BLESS=1 cargo test --workspace --test end_to_end -- schemas::",
        path.display()
    );
}

/// What an independent validator says of a TOML text.
fn faults(schema: Schema, document: &serde_json::Value) -> Vec<String> {
    let schema: serde_json::Value = serde_json::from_str(&schema.text()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    validator.iter_errors(document).map(|fault| format!("{}: {fault}", fault.instance_path)).collect()
}

fn toml_as_json(text: &str) -> serde_json::Value {
    serde_json::to_value(toml::from_str::<toml::Value>(text).expect("TOML")).expect("JSON")
}

#[test]
fn the_example_pipelines_validate() {
    let mut count = 0;
    let of = |folder: &str| fs::read_dir(root().join(folder)).expect("pipelines");
    for entry in of("pipelines").chain(of("pipelines/published")) {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = fs::read_to_string(&path).expect("readable");
            assert_eq!(faults(Schema::Pipeline, &toml_as_json(&text)), Vec::<String>::new(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 10);
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let valid = "name = 'p'\n[data]\npath = 'a.csv'\ntext = 't'\nlabel = 'l'\n[embedding.h.hashing]\n";
    assert!(faults(Schema::Pipeline, &toml_as_json(valid)).is_empty());
    for (from, to) in [
        ("name = 'p'", "nam = 'p'"),
        ("label = 'l'", ""),
        ("hashing]", "hashingg]"),
        ("label = 'l'", "label = true"),
        ("hashing]", "hashing]\n[train]\nepochs = 0"),
        ("hashing]", "hashing]\n[callbacks.early_stopping]\nmonitor = 'val_los'"),
    ] {
        let changed = valid.replace(from, to);
        assert!(!faults(Schema::Pipeline, &toml_as_json(&changed)).is_empty(), "{changed}");
    }
}
