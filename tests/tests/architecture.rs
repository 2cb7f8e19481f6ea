//! The graph of the workspace's crates is the one that `ARCHITECTURE.md` shows, and its walls hold.
//!
//! `EMBERLINE_BLESS=1 cargo test --workspace --test end_to_end -- architecture::` writes the graph anew: read it before committing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use emberline_tests::end;
use emberline_tests::fixture::{list, repository, text};
use serde_json::Value;

/// What encloses the graph in `ARCHITECTURE.md`.
const BEGIN: &str = "<!-- crates -->\n```text\n";
const END: &str = "```\n<!-- /crates -->";

/// A crate of the workspace, with what it depends on when it is built (not for tests and benches alone).
struct Package {
    name: String,
    /// Crates of the workspace.
    inside: BTreeSet<String>,
    /// Crates of others; true if it is needed without any feature of ours.
    outside: BTreeMap<String, bool>,
}

/// Which crates may depend on an outside crate; its reason is shown with a breach.
struct Wall {
    /// How the names of the outside crates begin.
    outside: &'static str,
    crates: &'static [&'static str],
    /// Crates that may by a feature alone.
    by_feature: &'static [&'static str],
    reason: &'static str,
}

const WALLS: [Wall; 4] = [
    Wall {
        outside: "burn",
        crates: &["train", "encoder"],
        by_feature: &["device"],
        reason: "Burn stays where tensors are computed; `device` asks its GPU backends, if there are any, which devices there are",
    },
    Wall { outside: "cubecl", crates: &["train"], by_feature: &[], reason: "kernels for GPUs are those of training" },
    Wall { outside: "ureq", crates: &["fetch"], by_feature: &[], reason: "only `fetch` touches the network" },
    Wall { outside: "clap", crates: &["cli", "tests"], by_feature: &[], reason: "only the program has a command line" },
];

/// The crates between which no dependency may lead: each is a stage of its own, and `pipeline` joins them.
const SIBLINGS: [&str; 4] = ["dataset", "embedding", "train", "report"];

/// A package's name as the graph shows it: its folder's.
fn short(name: &str) -> &str {
    name.strip_prefix("emberline-").unwrap_or(name)
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"]);
    let ended = end(metadata.current_dir(repository("")));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let metadata: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let names: BTreeSet<&str> = list(&metadata["packages"]).iter().map(|package| text(&package["name"])).collect();
    list(&metadata["packages"]).iter().map(|package| read(package, &names)).collect()
}

fn read(package: &Value, workspace: &BTreeSet<&str>) -> Package {
    let normal = list(&package["dependencies"]).iter().filter(|dependency| dependency["kind"].is_null());
    let (mut inside, mut outside) = (BTreeSet::new(), BTreeMap::new());
    for dependency in normal {
        let name = text(&dependency["name"]);
        if workspace.contains(name) {
            inside.insert(short(name).to_owned());
        } else {
            let always = dependency["optional"] == false;
            outside.entry(name.to_owned()).and_modify(|already| *already |= always).or_insert(always);
        }
    }
    Package { name: short(text(&package["name"])).to_owned(), inside, outside }
}

/// How many crates lie below one another under it at most.
fn height(name: &str, packages: &[Package]) -> usize {
    let package = packages.iter().find(|package| package.name == name).expect("a crate of the workspace");
    package.inside.iter().map(|below| 1 + height(below, packages)).max().unwrap_or(0)
}

/// A line per set of dependencies, each below all the crates that it names.
fn graph(packages: &[Package]) -> String {
    let mut crates: BTreeMap<(usize, &BTreeSet<String>), Vec<&str>> = BTreeMap::new();
    for Package { name, inside, .. } in packages {
        crates.entry((height(name, packages), inside)).or_default().push(name);
    }
    let line = |((_, inside), mut names): ((usize, &BTreeSet<String>), Vec<&str>)| {
        names.sort_unstable();
        let below: Vec<&str> = inside.iter().map(String::as_str).collect();
        format!("{} -> {}\n", names.join(", "), if below.is_empty() { "(none)".to_owned() } else { below.join(", ") })
    };
    crates.into_iter().map(line).collect()
}

/// What breaks the walls, in words.
fn breaches(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for Package { name, inside, outside } in packages {
        for (other, always) in outside {
            let wall = WALLS.iter().find(|wall| other.starts_with(wall.outside));
            let is_allowed = |wall: &Wall| {
                wall.crates.contains(&name.as_str()) || !always && wall.by_feature.contains(&name.as_str())
            };
            if let Some(wall) = wall.filter(|wall| !is_allowed(wall)) {
                found.push(format!("`{name}` depends on `{other}`: {}", wall.reason));
            }
        }
        let is_a_sibling = |of: &str| SIBLINGS.contains(&of) && SIBLINGS.contains(&name.as_str());
        let beside = inside.iter().filter(|other| is_a_sibling(other));
        found.extend(beside.map(|other| format!("`{name}` depends on `{other}`: {SIBLINGS:?} don't know each other")));
        let of_records = ["base", "metrics", "statistics"];
        let beyond = |other: &&String| !of_records.contains(&other.as_str()) && !is_a_sibling(other);
        let beyond_records = inside.iter().filter(|other| name == "report" && beyond(other));
        found.extend(
            beyond_records.map(|other| format!("`report` depends on `{other}`: reports are made of records alone")),
        );
    }
    found
}

#[test]
fn the_walls_hold() {
    let found = breaches(&packages());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The names above are those of crates, so that a wall doesn't fall with a renaming.
#[test]
fn the_walls_are_of_crates_that_there_are() {
    let packages = packages();
    let package = |name: &str| packages.iter().find(|package| package.name == name);
    for wall in &WALLS {
        for name in wall.crates.iter().chain(wall.by_feature).filter(|name| **name != "tests") {
            let package = package(name).unwrap_or_else(|| panic!("there is no crate `{name}`"));
            let uses_it = package.outside.keys().any(|outside| outside.starts_with(wall.outside));
            assert!(uses_it, "`{name}` may use `{}`, and doesn't", wall.outside);
        }
    }
    assert!(SIBLINGS.iter().all(|name| package(name).is_some()));
}

#[test]
fn a_breach_is_named_with_its_reason() {
    let package = |name: &str, inside: &[&str], outside: &[(&str, bool)]| Package {
        name: name.to_owned(),
        inside: inside.iter().map(|&name| name.to_owned()).collect(),
        outside: outside.iter().map(|&(name, always)| (name.to_owned(), always)).collect(),
    };
    let found = breaches(&[
        package("base", &[], &[("serde", true)]),
        package("report", &["base", "cache", "train"], &[]),
        package("device", &[], &[("burn-wgpu", false)]),
        package("embedding", &["dataset"], &[("burn", false), ("ureq", true)]),
        package("cache", &[], &[("clap_builder", true)]),
        package("train", &["base"], &[("burn", true), ("cubecl", false)]),
    ]);
    let starts: Vec<&str> = found.iter().map(|breach| breach.split(':').next().expect("a beginning")).collect();
    assert_eq!(
        starts,
        [
            "`report` depends on `train`",
            "`report` depends on `cache`",
            "`embedding` depends on `burn`",
            "`embedding` depends on `ureq`",
            "`embedding` depends on `dataset`",
            "`cache` depends on `clap_builder`",
        ]
    );
    assert_eq!(breaches(&[package("device", &[], &[("burn", true)])]).len(), 1, "by a feature alone");
}

#[test]
fn the_graph_is_that_of_architecture_md() {
    let path = repository("ARCHITECTURE.md");
    let page = fs::read_to_string(&path).expect("ARCHITECTURE.md");
    let (before, rest) = page.split_once(BEGIN).expect("the first marker of the crates in ARCHITECTURE.md");
    let (shown, after) = rest.split_once(END).expect("the last marker of the crates in ARCHITECTURE.md");
    let graph = graph(&packages());
    if std::env::var_os("EMBERLINE_BLESS").is_some() {
        fs::write(&path, [before, BEGIN, &graph, END, after].concat()).expect("written");
        return;
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (missing, stale) = (&lines(&graph) - &lines(shown), &lines(shown) - &lines(&graph));
    assert!(
        shown == graph,
        "ARCHITECTURE.md doesn't show the crates as they are; EMBERLINE_BLESS=1 writes them anew\nmissing: {missing:#?}\n\
         stale: {stale:#?}"
    );
}

/// A file that `main.rs` doesn't name would be compiled by nobody, and its tests would pass unseen.
#[test]
fn every_file_of_tests_is_part_of_its_program() {
    for folder in ["tests", "crates/dataset", "crates/train"] {
        let manifest = fs::read_to_string(repository(folder).join("Cargo.toml")).expect("a manifest");
        let main = fs::read_to_string(repository(folder).join("tests/main.rs")).expect("the program of the tests");
        for entry in fs::read_dir(repository(folder).join("tests")).expect("the tests") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
            let is_program = manifest.contains(&format!("[[test]]\nname = \"{module}\"\n"));
            assert!(is_program || main.contains(&format!("mod {module};\n")), "{folder}/tests/{name} is never run");
        }
    }
}
