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
    assert_eq!(ids(&plan), ["small-frozen-s7-57a8f057", "learned-frozen-s7-f7c162b9", "words-frozen-s7-e107aaf0"]);
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
            "small-frozen-s1-6ee1a34e",
            "small-frozen-s2-eb41f96c",
            "small-tuned-s1-466ae8a1",
            "small-tuned-s2-5221d384",
            "words-frozen-s1-ee301a99",
            "words-frozen-s2-31f237d0",
            "words-tuned-s1-2e756147",
            "words-tuned-s2-e5769335"
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
            "small-frozen-s7-24754899",
            "small-frozen-s7-1002cac2",
            "small-frozen-s7-259d0f83",
            "small-frozen-s7-a84d784f",
            "small-frozen-s7-4a5cd0fa",
            "small-frozen-s7-3245bb81",
            "small-frozen-s7-9e96bd7e",
            "small-frozen-s7-83093ab5",
            "learned-frozen-s7-c021e601",
            "learned-frozen-s7-f1a9426f",
            "learned-frozen-s7-c659ef51",
            "learned-frozen-s7-e4f8abf5",
            "learned-frozen-s7-ef3005f3",
            "learned-frozen-s7-38f1cba6",
            "learned-frozen-s7-d09fc1e3",
            "learned-frozen-s7-6aee7ad1"
        ]
    );
    let reason = "`words` the columns of word vectors have no order to cut them by";
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
            "small-frozen-s7-8efd1f0f",
            "small-frozen-s7-a2219774",
            "small-frozen-s7-ec55bca7",
            "small-frozen-s7-05268488",
            "learned-frozen-s7-52bd12b9",
            "learned-frozen-s7-1a1e805b",
            "learned-frozen-s7-10b015fd",
            "learned-frozen-s7-fd0c2fb0",
            "words-frozen-s7-3022d37c",
            "words-frozen-s7-a3cf79c0",
            "words-frozen-s7-d620389d",
            "words-frozen-s7-5dfa574f"
        ]
    );
    let buckets = |at: usize| match &plan.cells[at].settings.embedding.source {
        emberline_embedding::Source::Hashing(settings) => settings.buckets,
        other => panic!("{other:?}"),
    };
    assert_eq!([0, 1, 2, 3].map(buckets), [64, 128, 64, 128]);
    assert!(Arc::ptr_eq(&plan.cells[0].settings.train, &plan.cells[11].settings.train), "what is equal is shared");
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
            "small-frozen-s7-994ddc3c",
            "small-tuned-s7-e9d9d93a",
            "small-frozen-s7-d2d9f0f6",
            "small-frozen-s7-9308f3e3",
            "small-tuned-s7-e570f2fb",
            "small-frozen-s7-35d4aa58",
            "learned-frozen-s7-b97528c3",
            "learned-tuned-s7-d87cbfff",
            "learned-frozen-s7-1586a3cc",
            "learned-frozen-s7-e111d003",
            "learned-tuned-s7-f3fd3c15",
            "learned-frozen-s7-ef2c4dcc",
            "words-frozen-s7-825e1e33",
            "words-tuned-s7-2b6d72a4",
            "words-frozen-s7-96f15681",
            "words-frozen-s7-ca9e768c",
            "words-tuned-s7-2b4dda62",
            "words-frozen-s7-992b4988"
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
    assert_eq!(reasons(&plan), ["`small` `val_loss` needs validation rows, and there are none"]);
}

#[test]
fn a_long_axis_is_planned_in_no_time() {
    let seeds: Vec<String> = (0..20_000).map(|seed| seed.to_string()).collect();
    let plan = plan(&format!("embedding = [\"small\"]\nseed = [{}]", seeds.join(", ")));
    let distinct: std::collections::HashSet<&str> = ids(&plan).into_iter().collect();
    assert_eq!((plan.cells.len(), distinct.len()), (20_000, 20_000));
    assert_eq!(plan.cells[19_999].settings.seed, 19_999);
}
