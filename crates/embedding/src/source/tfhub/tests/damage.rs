//! Damaged and hostile modules: they give a clear error that names the file, never a panic, and never wrong vectors.

use std::fs;

use prost::Message;
use savedmodel::proto::*;
use savedmodel::{Files, leveldb};

use super::super::read;
use super::synthetic::{node, saved_model, with};
use super::*;

const INDEX: &str = "variables/variables.index";
const DATA: &str = "variables/variables.data-00000-of-00001";

/// A module in memory, as the archive reader returns it.
struct Copy(Files);

impl Copy {
    fn of(folder: &Path) -> Self {
        let names = ["saved_model.pb", "assets/tokens.txt", INDEX, DATA];
        let files = names.map(|name| (name.to_owned(), fs::read(folder.join(name)).expect("readable")));
        Self(Files::Memory(folder.to_owned(), files.into()))
    }

    fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        match &mut self.0 {
            Files::Memory(_, files) => files.get_mut(name).expect("a file of the module"),
            Files::Folder(_) => unreachable!("made of an archive"),
        }
    }

    /// Opens the module. An error must name one of its files.
    fn open(&self) -> Option<TextModule> {
        match read(&self.0) {
            Ok(Module::Table(module)) => Some(module),
            Ok(Module::Graph(_)) => None,
            Err(Error::Format { path, reason }) => {
                assert!(path != self.0.place(""), "{}: {reason}", path.display());
                None
            }
            Err(other) => panic!("not a fault of a file: {other}"),
        }
    }
}

/// Truncates the index at every byte and the other files at up to `most` bytes, and flips up to `most` bits of each.
fn attack(folder: &Path, most: usize) {
    let mut copy = Copy::of(folder);
    let module = copy.open().expect("a module");
    for name in [INDEX, DATA, "saved_model.pb"] {
        let whole = copy.bytes(name).clone();
        let step = if name == INDEX { 1 } else { whole.len() / most + 1 };
        for len in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
            copy.bytes(name).truncate(len);
            assert!(copy.open().is_none(), "{name}: truncated to {len} bytes");
            copy.bytes(name).clone_from(&whole);
        }
        let bits = whole.len() * 8;
        for bit in (0..bits).step_by(bits / most + 1) {
            copy.bytes(name)[bit / 8] ^= 1 << (bit % 8);
            let other = copy.open();
            copy.bytes(name)[bit / 8] ^= 1 << (bit % 8);
            // A graph may still be valid with a flipped bit; checksums protect the rest.
            if let Some(other) = other.filter(|_| name != "saved_model.pb") {
                assert_eq!((other.row(0), other.digest()), (module.row(0), module.digest()), "{name}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_damaged_synthetic_module_is_refused() {
    for (recipe, most) in [(PLAIN, 6000), (Recipe { snappy: true, double: true, ..PLAIN }, 600)] {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &recipe);
        attack(folder.path(), most);
    }
}

#[test]
fn a_damaged_module_of_tensorflow_is_refused() {
    let Some(path) = shared("assets/tfhub/tiny-punct") else { return };
    attack(&path, 250);
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["saved_model.pb", INDEX, DATA, "assets/tokens.txt"] {
        write(folder.path(), &PLAIN);
        fs::remove_file(folder.path().join(name)).expect("removed");
        let error = open_at(folder.path()).expect_err(name);
        assert!(matches!(&error, Error::Format { path, .. } if path.ends_with(name)), "{error}");
    }
}

/// Opens the synthetic module after a change to its graph; returns the error.
fn changed(change: impl FnOnce(&mut MetaGraphDef)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    let mut model = saved_model(&PLAIN);
    change(&mut model.meta_graphs[0]);
    fs::write(folder.path().join("saved_model.pb"), model.encode_to_vec()).expect("written");
    open_at(folder.path()).expect_err("a fault").to_string()
}

/// A module for something else, such as the one that splits texts into words, returns several tensors.
#[test]
fn a_signature_of_several_tensors_names_them() {
    let tensor = |name: &str, dtype| TensorInfo { name: name.to_owned(), dtype };
    let error = changed(|meta| {
        meta.object_graph_def = None;
        let outputs = ["tokens", "starts", "ends"].map(|name| (name.to_owned(), tensor("x:0", dtype::FLOAT)));
        let inputs = [("text".to_owned(), tensor("text:0", dtype::STRING))].into();
        meta.signature_def = [("default".to_owned(), SignatureDef { inputs, outputs: outputs.into() })].into();
    });
    assert!(
        error.contains("gives 3 tensors (`ends`, `starts`, `tokens`)") && error.contains("choose a module"),
        "{error}"
    );
}

fn body(meta: &mut MetaGraphDef) -> &mut Vec<NodeDef> {
    &mut meta.graph_def.as_mut().and_then(|g| g.library.as_mut()).expect("functions").function[0].node_def
}

fn replace(meta: &mut MetaGraphDef, by: NodeDef) {
    let nodes = body(meta);
    nodes.retain(|n| n.name != by.name);
    nodes.push(by);
}

#[test]
fn hostile_graphs_are_refused() {
    let cases: Vec<(&str, String)> = vec![
        ("feeds itself", changed(|m| replace(m, node("found", "Identity", &["ids:output:0"])))),
        ("no node \"gone\"", changed(|m| replace(m, node("ids", "Identity", &["gone:output:0"])))),
        (
            "has fewer outputs",
            changed(|m| replace(m, node("rows", "ResourceGather", &["vectors", "split:y:7"])))
                .replace("has no output", "has fewer outputs"),
        ),
        (
            "isn't a file in the folder assets",
            changed(|m| m.asset_file_def[0].filename = "../../etc/passwd".to_owned()),
        ),
        ("isn't a file in the folder assets", changed(|m| m.asset_file_def[0].filename = "/etc/passwd".to_owned())),
        (
            "calls nest deeper",
            changed(|m| {
                let call = NameAttrList { name: "embed".to_owned() };
                let call_itself = node("sum", "PartitionedCall", &["texts", "table", "default", "vectors"]);
                replace(m, with(call_itself, "f", Attr::Func(call)));
            }),
        ),
        (
            "hashes unknown tokens into",
            changed(|m| {
                let hash = node("hash", "StringToHashBucketFast", &["fill:output_values:0"]);
                replace(m, with(hash, "num_buckets", Attr::I(i64::MAX)));
            }),
        ),
        (
            "gives an unknown token the id",
            changed(|m| {
                let hash = node("hash", "StringToHashBucketFast", &["fill:output_values:0"]);
                replace(m, with(hash, "num_buckets", Attr::I(3)));
            }),
        ),
        ("can't be followed", changed(|m| replace(m, node("ids", "AddV2", &["found:values:0", "hash:output:0"])))),
        ("not a vector", changed(|m| replace(m, node("sum", "Identity", &["rows:output:0"])))),
        (
            "has no node 99",
            changed(|m| {
                let objects = m.object_graph_def.as_mut().expect("objects");
                objects.concrete_functions.values_mut().for_each(|f| f.bound_inputs[0] = 99);
            }),
        ),
        (
            "no function that takes texts",
            changed(|m| {
                let objects = m.object_graph_def.as_mut().expect("objects");
                objects.concrete_functions.clear();
            }),
        ),
        ("holds no graph", changed(|m| m.graph_def = None)),
    ];
    for (message, error) in cases {
        assert!(error.contains("saved_model.pb: ") && error.contains(message), "expected {message:?}: {error}");
    }
}

#[test]
fn a_long_graph_is_walked_without_recursion() {
    let error = changed(|m| {
        let mut previous = "texts".to_owned();
        for i in 0..30_000 {
            body(m).push(node(&format!("n{i}"), "Identity", &[&previous]));
            previous = format!("n{i}:output:0");
        }
        replace(m, node("split", "StringSplitV2", &[&previous, "space:output:0"]));
    });
    assert!(error.contains("more than 20000 nodes"), "{error}");
}

#[test]
fn a_module_of_an_unknown_format_or_feature_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    for (def, fine) in [
        (ModuleDef { format: 3, required_features: vec![] }, true),
        (ModuleDef { format: 2, required_features: vec![] }, false),
        (ModuleDef { format: 3, required_features: vec!["telepathy".to_owned()] }, false),
    ] {
        fs::write(folder.path().join("tfhub_module.pb"), def.encode_to_vec()).expect("written");
        assert_eq!(open_at(folder.path()).is_ok(), fine, "{def:?}");
    }
}

#[test]
fn vocabulary_faults_name_their_line() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    fs::write(folder.path().join("assets/tokens.txt"), "a\nb\na\nc\n").expect("written");
    let error = open_at(folder.path()).expect_err("a repeated token").to_string();
    assert!(error.contains("tokens.txt: line 3"), "{error}");
    // The vocabulary has more words than the table has rows.
    fs::write(folder.path().join("assets/tokens.txt"), "a\nb\nc\nd\ne\nf\ng\n").expect("written");
    let error = open_at(folder.path()).expect_err("too few rows").to_string();
    assert!(error.contains("the token on line 7 the id 6, but its table has 6 rows"), "{error}");
}

/// Opens the synthetic module with some entries of its index changed; returns the error.
fn reindexed(recipe: &Recipe, change: impl Fn(&str, &mut BundleEntry)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), recipe);
    let path = folder.path().join(INDEX);
    let mut entries = leveldb::entries(&fs::read(&path).expect("readable")).expect("an index");
    for (key, value) in entries.iter_mut().filter(|(key, _)| !key.is_empty()) {
        let mut entry = BundleEntry::decode(value.as_slice()).expect("an entry");
        change(&String::from_utf8_lossy(key), &mut entry);
        *value = entry.encode_to_vec();
    }
    fs::write(&path, leveldb::table(&entries, false)).expect("written");
    let error = open_at(folder.path()).expect_err("a fault");
    assert!(
        matches!(&error, Error::Format { path, .. } if path.starts_with(folder.path().join("variables"))),
        "{error}"
    );
    error.to_string()
}

#[test]
fn hostile_entries_are_refused_before_anything_is_allocated() {
    let dims = |entry: &mut BundleEntry, sizes: &[i64]| {
        entry.shape =
            Some(TensorShapeProto { dim: sizes.iter().map(|&size| Dim { size }).collect(), unknown_rank: false });
    };
    let table = |key: &str| key.starts_with("vectors/");
    let on_table = |change: &dyn Fn(&mut BundleEntry)| {
        reindexed(&PLAIN, |key, entry| {
            if table(key) {
                change(entry);
            }
        })
    };
    let sliced = Recipe { slices: Some(3), ..PLAIN };
    let on_slices = |change: &dyn Fn(&mut BundleEntry)| {
        reindexed(&sliced, |key, entry| {
            if key.starts_with('\0') {
                change(entry);
            }
        })
    };
    let on_full = |change: &dyn Fn(&mut BundleEntry)| {
        reindexed(&sliced, |key, entry| {
            if table(key) {
                change(entry);
            }
        })
    };
    for (message, error) in [
        ("a table of vectors is a matrix", on_table(&|e| dims(e, &[1 << 62, 1 << 62]))),
        ("a table of vectors is a matrix", on_table(&|e| dims(e, &[18]))),
        ("has a dimension of -1", on_table(&|e| dims(e, &[-1, 3]))),
        ("but 72 bytes of data", on_table(&|e| dims(e, &[6, 4]))),
        ("but 72 bytes of data", on_table(&|e| dims(e, &[1 << 40, 3]))),
        ("too short for the variable", on_table(&|e| (dims(e, &[1 << 40, 3]), e.size = 12 << 40).1)),
        ("too short for the variable", on_table(&|e| e.offset = i64::MAX)),
        ("too short for the variable", on_table(&|e| e.offset = -1)),
        ("too short for the variable", on_table(&|e| e.size = -1)),
        ("lies in shard 1 of 1", on_table(&|e| e.shard_id = 1)),
        ("lies in shard -1 of 1", on_table(&|e| e.shard_id = -1)),
        ("elements of type 9", on_table(&|e| e.dtype = dtype::INT64)),
        ("another checksum", on_table(&|e| e.crc32c ^= 1)),
        ("another checksum", on_table(&|e| e.offset -= 1)),
        ("isn't in the checkpoint", on_full(&|e| e.slices[0].extent[1].length = Some(3))),
        ("overlap or leave gaps", on_full(&|e| e.slices.truncate(1))),
        ("overlap or leave gaps", on_full(&|e| e.slices[1] = e.slices[0].clone())),
        ("a slice beyond its own shape", on_full(&|e| e.slices[1].extent[0].start = i64::MAX)),
        ("a slice beyond its own shape", on_full(&|e| dims(e, &[5, 3]))),
        ("overlap or leave gaps", on_full(&|e| dims(e, &[1 << 40, 3]))),
        ("a slice that doesn't fit", on_full(&|e| e.dtype = dtype::DOUBLE)),
        ("a slice that doesn't fit", on_slices(&|e| dims(e, &[2, 3]))),
        ("has slices that share bytes", on_slices(&|e| e.shard_id = 1)),
        ("a slice of another size", on_slices(&|e| e.size -= 12)),
    ] {
        assert!(error.contains(message), "expected {message:?}: {error}");
    }
}

#[test]
fn a_checkpoint_without_the_table_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), &PLAIN);
    let path = folder.path().join(INDEX);
    let entries = leveldb::entries(&fs::read(&path).expect("readable")).expect("an index");
    for (gone, message) in
        [("", "has no header"), ("_CHECK", "isn't in the checkpoint"), ("vectors", "isn't in the checkpoint")]
    {
        let start = gone.as_bytes();
        let kept =
            entries.iter().filter(|(key, _)| if gone.is_empty() { !key.is_empty() } else { !key.starts_with(start) });
        fs::write(&path, leveldb::table(&kept.cloned().collect::<Vec<_>>(), false)).expect("written");
        let error = open_at(folder.path()).expect_err(gone).to_string();
        assert!(error.contains(message) && error.contains(INDEX), "{error}");
    }
    for header in [BundleHeader { num_shards: 0, endianness: 0 }, BundleHeader { num_shards: 1, endianness: 1 }] {
        let mut entries = entries.clone();
        entries[0].1 = header.encode_to_vec();
        fs::write(&path, leveldb::table(&entries, false)).expect("written");
        open_at(folder.path()).expect_err("no such header");
    }
}
