//! Modules whose graphs are run: compared with TensorFlow, and with the tables that are recognised; and damaged ones.

use std::fs;
use std::path::Path;

use emberline_test_support::saved_models::{golden, saved_model, texts};
use prost::Message;
use savedmodel::proto::SavedModel;
use savedmodel::{Files, SAVED_MODEL, inference_graph};

use super::super::encoder::{self, GraphModule};
use super::super::{Settings, files, open, read};
use super::*;
use crate::source::SourceSettings;
use crate::{Encoder, Opened, Source, Texts};

const INDEX: &str = "variables/variables.index";
const DATA: &str = "variables/variables.data-00000-of-00001";

/// Opens a module to run its graph, even if it is recognised as a table.
fn interpreted(path: &Path) -> Result<GraphModule, Error> {
    let files = files::open(&settings(path), path)?;
    let model = files.read(SAVED_MODEL, u64::MAX).expect("a graph");
    let graphs = SavedModel::decode(&*model).expect("a SavedModel");
    encoder::open(&files, inference_graph(&graphs).expect("a graph"), &model)
}

fn vectors(module: &GraphModule, texts: &[Vec<u8>]) -> Vec<f32> {
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    module.encode(&texts).expect("vectors").into_values()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d > max || d.is_nan() { d } else { max })
}

#[test]
fn vectors_are_tensorflows() {
    for (name, dim, parameters) in [
        ("use-dan", 512, 8_656),
        ("use-dan-signed", 16, 720),
        ("use-large", 32, 4_832),
        ("use-tf1", 16, 736),
        ("nnlm-tf1", 6, 132),
        ("wiki-words-tf1", 10, 210),
        ("nnlm-tf2-double", 6, 126),
    ] {
        let module = interpreted(&saved_model(name)).expect(name);
        assert_eq!((module.dim(), module.parameters()), (dim, parameters), "{name}");
        let difference = largest_difference(&vectors(&module, &texts()), &golden(name));
        assert!(difference <= 1e-6, "{name}: {difference:e}");
    }
}

#[test]
fn only_tables_are_opened_as_tables() {
    for (name, table) in [
        ("use-dan", false),
        ("use-dan-signed", false),
        ("use-large", false),
        ("use-tf1", false),
        ("nnlm-tf1", true),
        ("wiki-words-tf1", true),
        ("nnlm-tf2-double", true),
    ] {
        let none = Texts { all: &[], train: &[] };
        let opened = settings(name).open(&saved_model(""), none, emberline_device::Device::Cpu).expect(name);
        assert_eq!(matches!(opened, Opened::Table(_)), table, "{name}");
        let tuned = Settings { trainable: true, ..settings(name) };
        assert_eq!(tuned.open(&saved_model(""), none, emberline_device::Device::Cpu).is_ok(), table, "{name}");
        assert_eq!(settings(name).encodes(&saved_model("")), !table, "{name}");
        assert_eq!(Source::Tfhub(tuned.clone()).unsupported_reason(&saved_model("")).is_none(), table, "{name}");
        let Opened::Table(lookup) = &opened else { continue };
        assert_eq!(settings(name).length(&saved_model("")), Some(lookup.dim()), "{name}");
        let longer = Settings { dim: Some(lookup.dim() + 1), ..settings(name) };
        assert!(
            Source::Tfhub(longer).unsupported_reason(&saved_model("")).is_some_and(|why| why.contains("can't be made")),
            "{name}"
        );
    }
}

/// Compares the two ways to open one module: the recognised table, and its graph.
fn compare(path: &Path, texts: &[Vec<u8>]) {
    let Module::Table(table) = open(&settings(path), Path::new("")).expect("a module") else {
        panic!("{}: not recognised", path.display())
    };
    let graph = interpreted(path).expect("a graph");
    let found = vectors(&graph, texts);
    for (text, found) in texts.iter().zip(found.chunks_exact(table.dim())) {
        let (mut ids, mut vector) = (Vec::new(), vec![f32::NAN; table.dim()]);
        table.token_ids(text, &mut ids);
        combine(&table, &ids, &mut vector);
        let difference = largest_difference(&vector, found);
        assert!(difference <= 1e-6, "{}: {difference:e} on {:?}", path.display(), String::from_utf8_lossy(text));
    }
}

#[test]
fn tables_give_what_their_graphs_compute() {
    for name in ["nnlm-tf1", "wiki-words-tf1", "nnlm-tf2-double"] {
        compare(&saved_model(name), &texts());
    }
    let folder = tempfile::tempdir().expect("a folder");
    for slices in [None, Some(2)] {
        for segment_op in ["SparseSegmentSqrtN", "SparseSegmentMean", "SparseSegmentSum"] {
            let recipe = Recipe { segment_op, slices, ..PLAIN };
            write(folder.path(), &recipe);
            compare(folder.path(), &texts());
        }
    }
}

#[test]
fn the_shared_tables_give_what_their_graphs_compute() {
    let Some(tables) = emberline_test_support::shared("assets/tfhub") else { return };
    let mut texts = texts();
    texts.extend(
        [&b"\xff\xfe a\x00b \xe2\x80"[..], b"a b c d e f g h i j k", b"What is the the best?"].map(<[u8]>::to_vec),
    );
    for name in ["quora-20", "quora-50", "quora-128", "tiny-none", "tiny-punct", "tiny-punct-oov13", "mod-sharded"] {
        compare(&tables.join(name), &texts);
    }
}

#[test]
fn neighbours_order_and_batches_change_no_bit() {
    for name in ["use-dan", "use-large"] {
        let module = interpreted(&saved_model(name)).expect(name);
        let mut texts = texts();
        let together = vectors(&module, &texts);
        let alone: Vec<f32> = texts.iter().flat_map(|text| vectors(&module, std::slice::from_ref(text))).collect();
        assert_eq!(together, alone);
        texts.reverse();
        let turned = vectors(&module, &texts);
        let back: Vec<f32> = turned.chunks_exact(module.dim()).rev().flatten().copied().collect();
        assert_eq!(together, back);
    }
}

#[test]
fn a_digest_is_that_of_graph_words_and_weights() {
    let digests = ["use-dan", "use-dan-signed", "use-large", "use-tf1"].map(|name| {
        (interpreted(&saved_model(name)).expect(name).digest(), interpreted(&saved_model(name)).expect(name).digest())
    });
    for (number, (one, other)) in digests.iter().enumerate() {
        assert_eq!(one, other);
        assert!(digests[..number].iter().all(|(earlier, _)| earlier != one));
    }
}

/// Truncates and flips the files of a module whose graph is run; there is no panic, and checksums protect everything
/// but the graph.
#[test]
fn a_damaged_module_is_refused() {
    let folder = saved_model("use-tf1");
    let names = ["saved_model.pb", "tfhub_module.pb", "assets/tokens.txt", INDEX, DATA];
    let whole = names.map(|name| (name.to_owned(), fs::read(folder.join(name)).expect("readable")));
    let open = |name: &str, bytes: Vec<u8>| {
        let mut files = std::collections::BTreeMap::from(whole.clone());
        files.insert(name.to_owned(), bytes);
        match read(&Files::Memory(folder.clone(), files)) {
            Ok(Module::Graph(module)) => Some(module),
            Ok(Module::Table(_)) => None,
            Err(Error::Format { .. }) => None,
            Err(other) => panic!("not a fault of a file: {other}"),
        }
    };
    let vector = |module: &GraphModule| module.encode(&[b"the fox"]).map(|m| m.values().to_vec()).ok();
    let (name, graph) = &whole[0];
    let expected = open(name, graph.clone()).map(|module| vector(&module)).expect("a module");
    for (name, bytes) in [&whole[0], &whole[3], &whole[4]] {
        for len in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            let found = open(name, bytes[..len].to_vec()).map(|module| vector(&module));
            // Only bytes that belong to no used variable may be missing.
            assert!(name == DATA && found == Some(expected.clone()) || found.is_none(), "{name}: cut to {len} bytes");
        }
        for bit in (0..bytes.len() * 8).step_by(bytes.len() * 8 / 150 + 1) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = open(name, flipped).map(|module| vector(&module));
            assert!(name == "saved_model.pb" || found.is_none_or(|v| v == expected), "{name}: bit {bit}");
        }
    }
}
