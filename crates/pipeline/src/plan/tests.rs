//! Ids of cells, and what becomes of combinations.

use std::path::Path;

use super::*;

fn plan(grid: &str) -> Plan {
    plan_with(grid, &[])
}

fn plan_with(grid: &str, assignments: &[String]) -> Plan {
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
    Plan::of(&Pipeline::parse("p.toml", &text, Path::new(""), assignments).expect("a sound pipeline"))
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.cells.iter().map(|cell| cell.id.as_str()).collect()
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.left_out.iter().map(|left_out| left_out.reason.as_str()).collect()
}

// The ids are pinned: results are recorded under them.

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
            "small-frozen-s7-23d91b9b",
            "small-frozen-s7-bae49ffd",
            "small-frozen-s7-26e7308f",
            "small-frozen-s7-a22c1683",
            "small-frozen-s7-d714d15c",
            "small-frozen-s7-7e9a132b",
            "small-frozen-s7-bfffdebd",
            "small-frozen-s7-08f93c4f",
            "learned-frozen-s7-ae133e44",
            "learned-frozen-s7-aa9829b8",
            "learned-frozen-s7-e950a4bb",
            "learned-frozen-s7-6f080fea",
            "learned-frozen-s7-e5116104",
            "learned-frozen-s7-5051742f",
            "learned-frozen-s7-af18cf5f",
            "learned-frozen-s7-6b792f85"
        ]
    );
    let reason = "`words` the columns of word vectors have no order to cut them by; set `reduce` too: pca, random, or truncate \
                  where columns are principal components";
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
            "small-frozen-s7-7daf4e8b",
            "small-frozen-s7-28a00684",
            "small-frozen-s7-0f972782",
            "small-frozen-s7-71519d8b",
            "learned-frozen-s7-cb46a553",
            "learned-frozen-s7-0b45bd2b",
            "words-frozen-s7-9e71653c",
            "words-frozen-s7-6feac819"
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
            "small-frozen-s7-7de595a8",
            "small-tuned-s7-ebdee00b",
            "small-frozen-s7-7e85f1ca",
            "small-frozen-s7-dc5acb1d",
            "small-tuned-s7-fd1c2626",
            "small-frozen-s7-c215474c",
            "learned-frozen-s7-14532828",
            "learned-tuned-s7-2ee0edf2",
            "learned-frozen-s7-13169826",
            "learned-frozen-s7-512050fd",
            "learned-tuned-s7-0a32b53a",
            "learned-frozen-s7-885c1afa",
            "words-frozen-s7-0e057e3b",
            "words-tuned-s7-4fc67a9d",
            "words-frozen-s7-15c3e043",
            "words-frozen-s7-0d86f771",
            "words-tuned-s7-d1dd2a4d",
            "words-frozen-s7-fc247a76"
        ]
    );
    assert_eq!(plan.left_out.len(), 6);
    assert!(reasons(&plan).iter().all(|reason| reason.contains("can't be trained with weight decay")));
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

// What a cell is doesn't depend on how the file says it.

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

/// Found by trying: two of these four cells have identities that begin with the same eight digits.
#[test]
fn ids_that_would_be_shared_are_lengthened() {
    let plan = plan(
        r#"embedding = ["small"]
"train.epochs" = [120, 214]
"train.batch_size" = [21, 257]"#,
    );
    assert_eq!(ids(&plan)[0], "small-frozen-s7-ed325007914d14686a76de5c65ab904a");
    assert_eq!(ids(&plan)[3], "small-frozen-s7-ed325007b1d5da4bf971bd2596dfb47f");
    assert_eq!([1, 2].map(|at| ids(&plan)[at].len()), ["small-frozen-s7-01234567".len(); 2]);
}
