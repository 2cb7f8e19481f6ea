//! Tests of plans: ids of cells, and combinations that are left out.

use std::path::Path;

use super::*;

fn plan(grid: &str) -> Plan {
    plan_with(grid, &[])
}

fn plan_with(grid: &str, assignments: &[String]) -> Plan {
    Plan::of(&pipeline(grid, assignments))
}

fn pipeline(grid: &str, assignments: &[String]) -> Pipeline {
    let text = format!(
        r#"
name = "pinned"
seed = 7
[data]
path = "data/questions.csv"
text = "question_text"
label = "target"
[data.split]
train = 0.5
valid = 0.2
[embedding.small.hashing]
[embedding.learned.corpus]
dim = 16
[embedding.words.word_vectors]
path = "glove.txt"
url = "https://example.org/glove.txt"
[head]
layers = [{{ dense = 8, activation = "relu" }}, {{ dropout = 0.1 }}]
[callbacks.early_stopping]
monitor = "val_loss"
patience = 2
[callbacks.epoch_dots]
[callbacks.tensorboard]
[grid]
{grid}
"#
    );
    Pipeline::parse("p.toml", &text, Path::new(""), assignments).expect("a sound pipeline")
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.cells.iter().map(|cell| cell.id.as_str()).collect()
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.left_out.iter().map(|left_out| left_out.reason.as_str()).collect()
}

// The ids are fixed, since results are recorded under them.

#[test]
fn sources_alone() {
    let plan = plan("");
    assert_eq!(ids(&plan), ["small-frozen-s7-26cd0afe", "learned-frozen-s7-e2cc68cc", "words-frozen-s7-200085ee"]);
}

#[test]
fn sources_seeds_and_tuning() {
    let plan = plan(
        r#"embedding = ["small", "words"]
"embedding.trainable" = [false, true]
seed = [1, 2]"#,
    );
    assert_eq!(
        ids(&plan),
        [
            "small-frozen-s1-69bcdb67",
            "small-frozen-s2-72ba5682",
            "small-tuned-s1-ab5e1a92",
            "small-tuned-s2-c6c93543",
            "words-frozen-s1-3f2030a0",
            "words-frozen-s2-c44d919b",
            "words-tuned-s1-4eefcd27",
            "words-tuned-s2-9997729a"
        ]
    );
}

#[test]
fn sizes_amounts_and_steps() {
    let plan = plan(
        r#""embedding.dim" = [4, 8]
"data.split.train" = [100, 0.25]
"train.optimizer.adam.learning_rate" = [1e-3, 1]"#,
    );
    assert_eq!(
        ids(&plan),
        [
            "small-d4-train-100-frozen-s7-23d91b9b",
            "small-d4-train-100-learning_rate-1-frozen-s7-bae49ffd",
            "small-d4-train-0.25-frozen-s7-26e7308f",
            "small-d4-train-0.25-learning_rate-1-frozen-s7-a22c1683",
            "small-d8-train-100-frozen-s7-d714d15c",
            "small-d8-train-100-learning_rate-1-frozen-s7-7e9a132b",
            "small-d8-train-0.25-frozen-s7-bfffdebd",
            "small-d8-train-0.25-learning_rate-1-frozen-s7-08f93c4f",
            "learned-d4-train-100-frozen-s7-ae133e44",
            "learned-d4-train-100-learning_rate-1-frozen-s7-aa9829b8",
            "learned-d4-train-0.25-frozen-s7-e950a4bb",
            "learned-d4-train-0.25-learning_rate-1-frozen-s7-6f080fea",
            "learned-d8-train-100-frozen-s7-e5116104",
            "learned-d8-train-100-learning_rate-1-frozen-s7-5051742f",
            "learned-d8-train-0.25-frozen-s7-af18cf5f",
            "learned-d8-train-0.25-learning_rate-1-frozen-s7-6b792f85"
        ]
    );
    let reason = "`words` can't be truncated to `dim`, because the columns of word vectors have no meaningful order; \
                  set `reduce` too: pca, random, or truncate if the columns are principal components";
    assert_eq!(reasons(&plan), [reason; 8]);
    let json = serde_json::to_string(&plan.left_out[1].axes).expect("a map");
    let expected =
        r#"{"embedding":"words","embedding.dim":4,"data.split.train":100,"train.optimizer.adam.learning_rate":1}"#;
    assert_eq!(json, expected);
}

#[test]
fn whole_sections_and_one_source_s_own_keys() {
    let plan = plan(
        r#"head = [{ layers = [] }, { layers = [{ dense = 4, activation = "tanh" }] }]
"embedding.small.hashing.buckets" = [64, 128]"#,
    );
    assert_eq!(
        ids(&plan),
        [
            "small-buckets-64-head-1205-frozen-s7-7daf4e8b",
            "small-buckets-128-head-1205-frozen-s7-28a00684",
            "small-buckets-64-head-522b-frozen-s7-0f972782",
            "small-buckets-128-head-522b-frozen-s7-71519d8b",
            "learned-head-1205-frozen-s7-cb46a553",
            "learned-head-522b-frozen-s7-0b45bd2b",
            "words-head-1205-frozen-s7-9e71653c",
            "words-head-522b-frozen-s7-6feac819"
        ]
    );
    let buckets = |at: usize| match &plan.cells[at].settings.embedding.source {
        emberline_embedding::Source::Hashing(settings) => settings.buckets,
        other => panic!("{other:?}"),
    };
    assert_eq!([0, 1, 2, 3].map(buckets), [64, 128, 64, 128]);
    assert!(Arc::ptr_eq(&plan.cells[0].settings.train, &plan.cells[7].settings.train), "what is equal is shared");
}

#[test]
fn combinations_across_sections() {
    let plan = plan(
        r#""callbacks.early_stopping.monitor" = ["val_loss", "loss"]
"train.optimizer" = [{ adamw = {} }, { sgd = {} }]
"embedding.trainable" = [true, false]"#,
    );
    assert_eq!(
        ids(&plan),
        [
            "small-optimizer-5d9f-frozen-s7-7de595a8",
            "small-optimizer-2095-tuned-s7-ebdee00b",
            "small-optimizer-2095-frozen-s7-7e85f1ca",
            "small-monitor-loss-optimizer-5d9f-frozen-s7-dc5acb1d",
            "small-monitor-loss-optimizer-2095-tuned-s7-fd1c2626",
            "small-monitor-loss-optimizer-2095-frozen-s7-c215474c",
            "learned-optimizer-5d9f-frozen-s7-14532828",
            "learned-optimizer-2095-tuned-s7-2ee0edf2",
            "learned-optimizer-2095-frozen-s7-13169826",
            "learned-monitor-loss-optimizer-5d9f-frozen-s7-512050fd",
            "learned-monitor-loss-optimizer-2095-tuned-s7-0a32b53a",
            "learned-monitor-loss-optimizer-2095-frozen-s7-885c1afa",
            "words-optimizer-5d9f-frozen-s7-0e057e3b",
            "words-optimizer-2095-tuned-s7-4fc67a9d",
            "words-optimizer-2095-frozen-s7-15c3e043",
            "words-monitor-loss-optimizer-5d9f-frozen-s7-0d86f771",
            "words-monitor-loss-optimizer-2095-tuned-s7-d1dd2a4d",
            "words-monitor-loss-optimizer-2095-frozen-s7-fc247a76"
        ]
    );
    assert_eq!(plan.left_out.len(), 6);
    assert!(reasons(&plan).iter().all(|reason| reason.contains("can't be trained with weight decay")));
}

#[test]
fn vectors_are_quantised_if_they_are_frozen_and_the_default_renames_nothing() {
    let grid =
        "embedding = [\"small\"]\n\"embedding.quantize\" = [\"f32\", \"i8\"]\n\"embedding.trainable\" = [false, true]";
    let plan = plan(grid);
    assert_eq!(plan.cells.len(), 3);
    assert_eq!(plan.cells[0].id, "small-frozen-s7-26cd0afe");
    assert!(plan.cells[2].id.starts_with("small-quantize-i8-frozen-s7-"), "{:?}", ids(&plan));
    let reason = "`small` can't be fine-tuned with `quantize = \"i8\"`: training updates numbers of 32 bits; use \
                  `trainable = false`, or `quantize = \"f32\"`";
    assert_eq!(reasons(&plan), [reason]);
}

/// A key that is left out where it has its default, and keys that a frozen encoder doesn't have.
#[test]
fn only_values_that_change_a_cell_are_in_its_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../encoder/tests/fixtures/mpnet");
    let plan = plan(&format!(
        r#"embedding = ["encoder"]
"embedding.precision" = ["f32", "bf16"]
"embedding.layers" = ["last"]
"embedding.trainable" = [false, true]
"train.encoder_dropout" = [0.1, 0.2]
[embedding.encoder.sentence_transformer]
path = '{folder}'"#
    ));
    let names: Vec<&str> = ids(&plan).iter().filter_map(|id| id.rsplit_once('-')).map(|(name, _)| name).collect();
    let expected = [
        "encoder-frozen-s7",
        "encoder-encoder_dropout-0.1-tuned-s7",
        "encoder-encoder_dropout-0.2-tuned-s7",
        "encoder-precision-bf16-frozen-s7",
        "encoder-precision-bf16-encoder_dropout-0.1-tuned-s7",
        "encoder-precision-bf16-encoder_dropout-0.2-tuned-s7",
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_only_two_axes_together_make_impossible_is_left_out() {
    let grid = "embedding = [\"small\"]
\"data.split\" = [{ train = 10 }, { train = 10, valid = 5 }]
\"callbacks.early_stopping.monitor\" = [\"loss\", \"val_loss\"]";
    let plan = plan_with(grid, &["callbacks.early_stopping.monitor=loss".to_owned()]);
    assert_eq!(plan.cells.len(), 3);
    let reason =
        "`small` `val_loss` needs validation rows, and there are none; set `valid` in [data.split], or monitor `loss`";
    assert_eq!(reasons(&plan), [reason]);
}

#[test]
fn a_long_axis_is_planned_in_no_time() {
    let seeds: Vec<String> = (0..20_000).map(|seed| seed.to_string()).collect();
    let plan = plan(&format!("embedding = [\"small\"]\nseed = [{}]", seeds.join(", ")));
    let distinct: std::collections::HashSet<&str> = ids(&plan).into_iter().collect();
    assert_eq!((plan.cells.len(), distinct.len()), (20_000, 20_000));
    assert_eq!(plan.cells[19_999].settings.seed, 19_999);
}

// The identity of a cell doesn't depend on how the file is written.

#[test]
fn swapped_lines_of_the_grid_rename_no_cell() {
    let lines = ["seed = [1, 2]", r#""train.batch_size" = [8, 16]"#, r#"embedding = ["small", "learned"]"#];
    let mut one: Vec<String> = ids(&plan(&lines.join("\n"))).into_iter().map(str::to_owned).collect();
    let swapped = plan(&[lines[2], lines[1], lines[0]].join("\n"));
    let mut other: Vec<String> = ids(&swapped).into_iter().map(str::to_owned).collect();
    assert_ne!(one, other, "the order of the cells follows the file");
    one.sort();
    other.sort();
    assert_eq!(one, other);
}

#[test]
fn an_axis_that_is_added_for_the_present_value_renames_no_cell() {
    let before = plan("embedding = [\"small\"]\nseed = [1, 2]");
    let after = plan("embedding = [\"small\"]\nseed = [1, 2]\n\"train.batch_size\" = [32, 64]");
    let kept: Vec<&str> = ids(&after).into_iter().step_by(2).collect();
    assert_eq!(ids(&before), kept);
}

#[test]
fn a_key_that_says_its_default_renames_no_cell() {
    let set =
        ["train.epochs=100", "train.optimizer={adam={learning_rate=0.001,beta_1=0.9}}", "data.split.stratify=true"];
    let set: Vec<String> = set.into_iter().map(str::to_owned).collect();
    let (short, long) = (plan_with("", &[]), plan_with("", &set));
    assert_eq!(short.cells[0].settings.train.epochs, 100, "the default, which the test says again");
    assert_eq!(ids(&short), ids(&long));
}

#[test]
fn numbers_that_are_written_differently_are_one_cell() {
    let plan = plan("embedding = [\"small\"]\n\"train.optimizer.adam.learning_rate\" = [1, 0.01, 1.0]");
    assert_eq!(plan.cells.len(), 2);
    assert_eq!(reasons(&plan), ["`small` has the settings of an earlier combination again"]);
    assert_eq!(plan.left_out[0].axes.to_map()["train.optimizer.adam.learning_rate"], 1.0);
}

#[test]
fn places_of_files_tell_cells_apart_only_where_they_are_an_axis() {
    let moved = plan_with("", &["data.path=elsewhere.csv".to_owned()]);
    assert_eq!(ids(&plan("")), ids(&moved));
    let two = plan("embedding = [\"small\"]\n\"data.path\" = [\"a.csv\", \"b.csv\"]");
    assert_eq!(two.cells.len(), 2);
    assert_ne!(two.cells[0].identity, two.cells[1].identity);
}

#[test]
fn ids_that_would_be_shared_are_lengthened() {
    let mut plan = plan("embedding = [\"small\"]\nseed = [1, 2]");
    let pipeline = pipeline("embedding = [\"small\"]\nseed = [1, 2]", &[]);
    plan.cells.push(plan.cells[1].clone());
    plan.lengthen_equal_ids(&CellNames::of(&pipeline));
    assert_eq!(ids(&plan)[0].len(), "small-frozen-s1-01234567".len());
    assert_eq!(ids(&plan)[1], format!("small-frozen-s2-{}", plan.cells[1].identity));
}

#[test]
fn every_axis_that_changes_the_file_shows_in_the_id() {
    let beginnings = |plan: &Plan| {
        let beginning = |id: &str| id.rsplit_once('-').expect("a digest").0.to_owned();
        ids(plan).into_iter().map(beginning).collect::<Vec<_>>()
    };
    let grid = "embedding = [\"small\"]\n\"embedding.dim\" = [4, 64]\n\"train.batch_size\" = [32, 8]\n\"data.split.seed\" = [7, 8]";
    let expected = [
        "small-d4-frozen-s7",
        "small-d4-frozen-s7-split8",
        "small-d4-batch_size-8-frozen-s7",
        "small-d4-batch_size-8-frozen-s7-split8",
    ];
    // The file itself has the values 64, 32 and 7.
    assert_eq!(beginnings(&plan(grid))[..4], expected);
    assert_eq!(beginnings(&plan(grid))[4], "small-frozen-s7");
}

#[test]
fn repeats_and_folds_are_cells_and_the_first_repeat_is_that_of_none() {
    let with = |assignments: &[&str]| {
        let assignments: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        plan_with("embedding = [\"small\"]", &assignments)
    };
    let (none, three, five) = (with(&[]), with(&["data.split.repeats=3"]), with(&["data.split.repeats=5"]));
    assert_eq!((three.cells.len(), five.cells.len()), (3, 5));
    let identities = |plan: &Plan| plan.cells.iter().map(|cell| cell.identity).collect::<Vec<_>>();
    assert_eq!(identities(&none)[0], identities(&three)[0]);
    assert_eq!(identities(&three), identities(&five)[..3], "more repeats rename no cell");
    assert!(ids(&three)[1].starts_with("small-frozen-s7-r2-"), "{:?}", ids(&three));
    assert_eq!(ids(&three), ids(&five)[..3]);
    let folds = with(&["data.split.folds=4"]);
    assert!(folds.cells.len() == 4 && ids(&folds)[3].starts_with("small-frozen-s7-f4-"), "{:?}", ids(&folds));
    let one = with(&["data.split.folds=4", "data.split.fold=4"]);
    assert_eq!(ids(&one), ids(&folds)[3..]);
    let seeds: Vec<u64> = three.cells.iter().map(Cell::training_seed).collect();
    assert!(seeds[0] == 7 && seeds[1] != 7 && three.cells.iter().all(|cell| cell.settings.seed == 7), "{seeds:?}");
    assert_ne!(three.cells[0].opened_source(), three.cells[1].opened_source());
}

/// Epochs and early stopping of the file belong to the other optimiser of the axis.
#[test]
fn lbfgs_is_an_axis_value_for_frozen_vectors_under_no_layers() {
    let grid = "embedding = [\"small\"]
\"embedding.trainable\" = [false, true]
\"head.layers\" = [[], [{ dense = 4 }]]
\"train.optimizer\" = [{ adam = {} }, { lbfgs = { l2 = 0.1 } }]";
    let plan = plan_with(grid, &["train.epochs=7".to_owned()]);
    assert_eq!((plan.cells.len(), plan.left_out.len()), (5, 3));
    let why = reasons(&plan);
    let tuned = why.iter().filter(|reason| reason.contains("can't be fine-tuned by lbfgs")).count();
    let layers = why.iter().filter(|reason| reason.contains("the head has layers; use `layers = []`")).count();
    assert_eq!((tuned, layers), (2, 1), "{why:?}");
}

#[test]
fn what_lbfgs_cannot_follow_is_a_fault_of_the_file() {
    let text = r#"
name = "probe"
[data]
path = "data/questions.csv"
text = "question_text"
label = "target"
[embedding.small.hashing]
[head]
layers = [{ dense = 8 }]
[train]
epochs = 7
batch_size = 64
shuffle = false
optimizer = { lbfgs = { l2 = -1.0, max_iterations = 0 } }
[callbacks.early_stopping]
monitor = "val_loss"
patience = 2
"#;
    let faults = |text: &str| match Pipeline::parse("p", text, Path::new("."), &[]) {
        Err(crate::Error::Invalid(faults)) => faults.to_string(),
        other => panic!("{other:?}"),
    };
    let found = faults(text);
    assert!(
        found.contains("`l2` must be a number, 0 or more") && found.contains("`max_iterations` must be"),
        "{found}"
    );
    let found = faults(&text.replace("l2 = -1.0, max_iterations = 0", "l2 = 2.0"));
    for fault in [
        "`lbfgs` fits a linear classifier, and the head has layers",
        "`epochs` has no effect",
        "`batch_size` has no effect",
        "`shuffle` has no effect",
        "`early_stopping` has no effect: `lbfgs` has no epochs",
    ] {
        assert!(found.contains(fault), "{fault}: {found}");
    }
    let probe = "name = \"probe\"\n[data]\npath = \"p.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.small.hashing]\n
[train]\noptimizer = { lbfgs = { } }\n[grid]\n\"train.optimizer.lbfgs.l2\" = [0.1, 1, 10]\n";
    let pipeline = Pipeline::parse("p", probe, Path::new("."), &[]).expect("sound");
    assert_eq!(Plan::of(&pipeline).cells.len(), 3);
}

#[test]
fn thresholds_and_calibration_tell_cells_apart_and_a_refit_does_not() {
    let with = |assignment: &str| {
        let assignments: Vec<String> =
            Some(assignment).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect();
        plan_with("embedding = [\"small\"]", &assignments).cells.remove(0)
    };
    let (plain, refit) = (with(""), with("decide.refit=true"));
    assert_eq!((plain.identity, plain.to_toml()), (refit.identity, refit.to_toml()));
    let texts = ["{ f1 = \"max\" }", "{ recall = 0.9 }", "{ precision = 1 }", "{ cost = [1, 5] }"];
    let mut cells: Vec<Cell> = texts.iter().map(|text| with(&format!("decide.threshold={text}"))).collect();
    cells.push(with("decide.calibration=\"temperature\""));
    for (place, cell) in cells.iter().enumerate() {
        assert!(cell.to_toml().contains("[decide"), "{}", cell.to_toml());
        assert!(cells[..place].iter().chain([&plain]).all(|other| other.identity != cell.identity), "{place}");
    }
    let axis = plan("embedding = [\"small\"]\n\"decide.threshold\" = [{ recall = 0.8 }, { recall = 0.9 }]");
    assert_eq!(axis.cells.len(), 2);
    assert_eq!(axis.cells[1].identity, with("decide.threshold={ recall = 0.9 }").identity);
}

#[test]
fn thresholds_with_impossible_numbers_are_refused_at_their_place() {
    let refused = |assignment: &str| {
        let text = "name = \"t\"\n[data]\npath = \"d.csv\"\ntext = \"t\"\nlabel = \"l\"\n[data.split]\ntrain = 0.5\n[embedding.h.hashing]\n";
        let file = format!("{text}[decide]\n{assignment}\n");
        Pipeline::parse("p.toml", &file, Path::new(""), &[]).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (assignment, message) in [
        ("threshold = { recall = 1.5 }", "`recall` must be a number above 0 and up to 1"),
        ("threshold = { cost = [1, 0] }", "the costs aren't two numbers above 0"),
        ("threshold = { cost = [1] }", "the costs aren't two numbers above 0"),
        ("threshold = { recall = 0.5 }", "the threshold is chosen on validation rows, and there are none"),
        ("calibration = \"temperature\"", "the calibration is chosen on validation rows, and there are none"),
        ("calibration = \"platt\"", "temperature"),
    ] {
        let found = refused(assignment);
        assert!(found.contains(message), "{assignment}: {found}");
    }
}

const FILE: &str = "name = \"t\"\n[data]\npath = \"d.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n";

fn refusal(settings: &str) -> String {
    let file = format!("{FILE}{settings}\n");
    Pipeline::parse("p.toml", &file, Path::new(""), &[]).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn settings_of_training_that_exclude_each_other_are_refused() {
    for (settings, message) in [
        ("[train]\nschedule = { warmup = 0.1 }\n[callbacks.reduce_lr_on_plateau]", "changes a learning rate that"),
        ("[train]\nclass_weight = \"balanced\"\nsampling = \"balanced\"", "weigh the classes twice"),
        ("[train]\nsampling = \"balanced\"\nshuffle = false", "`shuffle = false` has no effect"),
        ("[train]\noptimizer = { lbfgs = {} }\nclip = { norm = 1.0 }", "doesn't know `clip`"),
        ("[train]\noptimizer = { lbfgs = {} }\nl2 = 0.1", "`train.optimizer.lbfgs.l2` is its penalty"),
        ("[train]\noptimizer = { lbfgs = {} }\nloss = \"focal\"", "doesn't know `loss`"),
        ("[train]\nclass_weight = \"balanced\"\n[decide]\nmetric = \"val_loss\"", "`loss` can't rank settings"),
        ("[decide]\nmetric = \"val_loss\"\n[grid]\n\"train.loss\" = [\"focal\"]", "`loss` can't rank settings"),
    ] {
        let found = refusal(settings);
        assert!(found.contains(message), "{settings}: {found}");
    }
    assert_eq!(refusal("[train]\noptimizer = { lbfgs = {} }\nclass_weight = { yes = 4 }"), "");
    assert_eq!(refusal("[decide]\nmetric = \"val_loss\"\n[train]\nl2 = 0.1\nclip = { value = 1 }"), "");
}

#[test]
fn settings_of_training_with_wrong_values_are_refused_at_their_place() {
    for (settings, message) in [
        ("class_weight = \"balance\"", "balanced"),
        ("class_weight = { yes = 0 }", "0 can't be the weight of a class"),
        ("loss = \"focus\"", "focal"),
        ("loss = { focal = { gama = 2.0 } }", "gamma"),
        ("loss = { binary_cross_entropy = { label_smoothing = 1.5 } }", "label_smoothing"),
        ("schedule = { cosine = { warmup = 2 } }", "warmup"),
        ("schedule = { exponential = { rate = 0.5 } }", "steps"),
        ("clip = { norm = 1.0, value = 1.0 }", "norm"),
        ("sampling = \"weighted\"", "balanced"),
        ("l2 = -1", "l2"),
    ] {
        let found = refusal(&format!("[train]\n{settings}"));
        assert!(found.contains(message) && found.contains("p.toml:8:"), "{settings}: {found}");
    }
}

#[test]
fn combinations_of_axes_that_exclude_each_other_are_left_out() {
    let grid = "embedding = [\"small\"]
\"head.layers\" = [[]]
\"train.schedule\" = [{ cosine = { warmup = 0.05 } }, { exponential = { rate = 0.5, steps = 10 } }]
\"train.optimizer\" = [{ adam = {} }, { lbfgs = {} }]";
    let plan = plan_with(grid, &[]);
    assert_eq!((plan.cells.len(), plan.left_out.len()), (2, 2));
    assert!(reasons(&plan).iter().all(|reason| reason.contains("lbfgs doesn't know `train.schedule`")));
    let grid = "embedding = [\"small\"]
\"train.schedule\" = [{ warmup = 0.5 }]
\"callbacks.reduce_lr_on_plateau\" = [{ patience = 3 }, { patience = 4 }]";
    let plan = plan_with(grid, &[]);
    assert_eq!((plan.cells.len(), plan.left_out.len()), (0, 2));
    assert!(reasons(&plan).iter().all(|reason| reason.contains("use one of them")), "{:?}", reasons(&plan));
}

#[test]
fn settings_that_say_their_default_rename_no_cell() {
    let id = |assignment: &str| ids(&plan_with("embedding = [\"small\"]", &[assignment.to_owned()]))[0].to_owned();
    let plain = id("train.loss=\"binary_cross_entropy\"");
    assert_eq!(id("train.loss={ binary_cross_entropy = {} }"), plain);
    assert_eq!(id("train.loss={ binary_cross_entropy = { label_smoothing = 0 } }"), plain);
    assert_ne!(id("train.loss={ binary_cross_entropy = { label_smoothing = 0.1 } }"), plain);
    assert_eq!(id("train.loss={ focal = { gamma = 2 } }"), id("train.loss=\"focal\""));
    assert_eq!(id("train.schedule={ cosine = { warmup = 0 } }"), id("train.schedule={ cosine = {} }"));
}
