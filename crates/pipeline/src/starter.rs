//! Writes the first pipeline file for data that nobody has described: `emberline init --data FILE`.
//!
//! What was guessed of the data enters, with the data themselves as they were read; a commented file leaves that passes
//! `check --data` and runs as it stands. It compares a pretrained table with vectors learned from the texts and with random ones,
//! frozen and fine-tuned, on five splits. A table that knows hardly any of the texts is left out.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use emberline_base::number::grouped;
use emberline_base::warning::Code;
use emberline_base::{Task, is_control_or_bidi, variant_name};
use emberline_dataset::guess::{ColumnSummary, Reason};
use emberline_dataset::settings::{Column, LabelColumns};
use emberline_dataset::{Findings, Rows, Settings};

use crate::settings::is_name;
use crate::{DataFault, Error, Pipeline, Plan};

/// The number of rows above which the first run doesn't take all of them.
const MANY_ROWS: usize = 15_000;

/// The lengths of learned vectors that are tried.
const LEARNED_DIMS: [usize; 8] = [256, 128, 64, 32, 16, 8, 4, 2];

/// The share of positive rows below which settings are ranked by PR-AUC.
const RARE: f64 = 0.3;

/// The share of words that the pretrained table has to know: with fewer, the texts are of another language or of names.
const FEWEST_KNOWN: f64 = 0.3;

/// Names of files that say nothing of what is in them; the folder's name says more.
const GENERIC: [&str; 9] = ["train", "training", "data", "dataset", "all", "labelled", "labeled", "train_text", "rows"];

/// The column at which comments begin.
const COMMENT: usize = 34;

/// The name of the schema beside the pipeline file, from which editors complete keys.
pub const SCHEMA_FILE: &str = "pipeline.schema.json";

/// The folder of the pretrained table beside the pipeline file.
pub const TABLE_FOLDER: &str = "models/minilm-words";

/// What a pipeline file is written from.
#[derive(Debug)]
pub struct Starter<'a> {
    /// The file of the data, as the user named it.
    pub data_file: &'a str,
    /// The settings of the data; paths are relative to the pipeline file's folder.
    pub settings: &'a Settings,
    /// What of them was guessed, and why.
    pub reasons: &'a [Reason],
    /// The columns of the file.
    pub columns: &'a [ColumnSummary],
    /// Files beside the data that seem to hold the rows of other splits.
    pub others: &'a [String],
    /// The rows that the settings give.
    pub rows: &'a Rows,
    /// What was found about these rows.
    pub findings: &'a Findings,
    /// The words of the pretrained table, in lower case.
    pub pretrained_words: &'a HashSet<String>,
}

impl Starter<'_> {
    /// Returns the name of the pipeline: that of the data file, without what a run folder's name can't hold.
    pub fn name(&self) -> String {
        let mut parts = self.data_file.rsplit(['/', '\\']);
        let file = parts.next().unwrap_or_default();
        let mut stem = file.split('.').next().unwrap_or_default();
        if GENERIC.contains(&stem.to_lowercase().as_str()) {
            stem = parts.next().filter(|folder| !GENERIC.contains(folder) && !folder.starts_with('.')).unwrap_or(stem);
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let name: String = stem.chars().map(plain).take(60).collect();
        let name = name.trim_matches(['-', '_']).to_owned();
        if is_name(&name) { name } else { "texts".to_owned() }
    }

    /// Returns the length of the vectors that can be learned from the training texts of every split that the file asks for: the longest
    /// that suits the texts. `None` if the texts have no words that occur beside each other.
    ///
    /// The paths of the settings have to lead to the data from the present folder.
    ///
    /// # Errors
    /// Why a run of the file would fail, such as too few rows of a class.
    pub fn learnable_dim(&self) -> Result<Option<usize>, Error> {
        let most = self.longest_dim();
        for dim in LEARNED_DIMS.into_iter().filter(|dim| *dim <= most).map(Some).chain([None]) {
            let pipeline = Pipeline::parse("pipeline.toml", &self.text(dim), Path::new(""), &[])?;
            let faults = pipeline.data_faults(&Plan::of(&pipeline))?;
            let (of_learning, mut others): (Vec<DataFault>, Vec<DataFault>) =
                faults.into_iter().partition(|fault| matches!(fault.error, Error::Embedding { .. }));
            if !others.is_empty() {
                return Err(others.swap_remove(0).error);
            }
            if of_learning.is_empty() {
                return Ok(dim);
            }
        }
        Ok(None)
    }

    /// Returns the share of the words that the pretrained table knows, if that is too small for it to be compared.
    pub fn unsuitable_pretrained(&self) -> Option<f64> {
        let (mut known, mut all) = (0, 0);
        for text in self.rows.texts().iter() {
            for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
                all += 1;
                known += usize::from(self.pretrained_words.contains(&word.to_lowercase()));
            }
        }
        let share = known as f64 / all.max(1) as f64;
        (share < FEWEST_KNOWN).then_some(share)
    }

    /// Returns the text of the pipeline file, with learned vectors of this length or without any.
    pub fn text(&self, learned_dim: Option<usize>) -> String {
        let mut text = String::new();
        let name = toml_text(&self.name());
        let file = on_one_line(self.data_file);
        let _ = write!(
            text,
            "#:schema {SCHEMA_FILE}\n\n\
             # Written by `emberline init --data {file}`. What is marked as guessed may be wrong: correct it here, then run `check` again.\n\
             #\n\
             #   emberline check --data pipeline.toml      what the data hold, and what `run` would fail on\n\
             #   emberline run pipeline.toml               trains the grid, and says which setting is best and how sure that is\n\n\
             name = {name}\n\
             seed = 1\n\n"
        );
        self.data(&mut text);
        self.split(&mut text);
        let mut embeddings = Vec::new();
        match self.unsuitable_pretrained() {
            None => {
                embeddings.push("pretrained");
                text.push_str(PRETRAINED);
            }
            Some(share) => {
                let _ = write!(
                    text,
                    "# No pretrained embedding is compared: the table that comes with the program, of English words, knows {:.1} % of the \
                     words of these texts.\n\n",
                    100.0 * share
                );
            }
        }
        embeddings.extend(learned_dim.map(|_| "corpus"));
        embeddings.push("hashing");
        text.push_str(&learned_dim.map(|dim| CORPUS.replace("{DIM}", &dim.to_string())).unwrap_or_default());
        text.push_str(HASHING);
        self.train(&mut text);
        self.decide(&mut text);
        let embeddings: Vec<String> = embeddings.into_iter().map(|name| format!("\"{name}\"")).collect();
        text.push_str(&GRID.replace("{EMBEDDINGS}", &embeddings.join(", ")));
        text
    }

    /// Returns the longest vectors that are tried: half as many numbers as there are words in every second text.
    fn longest_dim(&self) -> usize {
        let mut words: HashSet<String> = HashSet::new();
        for text in self.rows.texts().iter().step_by(2) {
            let of_text = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            words.extend(of_text.map(str::to_lowercase));
            if words.len() > 2 * LEARNED_DIMS[0] {
                break;
            }
        }
        words.len() / 2
    }

    /// Writes `[data]`.
    fn data(&self, text: &mut String) {
        let data = self.settings;
        text.push_str("[data]\n");
        let path = |path: &Path| toml_text(&path.to_string_lossy());
        let mut line = |key: &str, value: String| {
            let reason = self.reasons.iter().find(|reason| reason.key == key);
            let why = reason.map(|reason| format!("guessed: {}", on_one_line(&reason.why)));
            push(text, &format!("{key} = {value}"), why.as_deref());
        };
        data.path.iter().for_each(|file| line("path", path(file)));
        data.labels_path.iter().for_each(|file| line("labels_path", path(file)));
        data.format.iter().for_each(|format| line("format", toml_text(&variant_name(format))));
        data.delimiter.iter().for_each(|delimiter| line("delimiter", toml_text(&delimiter.to_string())));
        data.header.iter().for_each(|header| line("header", header.to_string()));
        data.text.iter().for_each(|column| line("text", column_name(column)));
        data.label.iter().for_each(|label| line("label", label_names(label)));
        data.separator.iter().for_each(|separator| line("separator", toml_text(separator)));
        data.class_names.iter().for_each(|file| line("class_names", path(file)));
        if !self.others.is_empty() {
            let others: Vec<String> = self.others.iter().map(|other| on_one_line(other)).collect();
            let _ = writeln!(
                text,
                "# {} beside it: for splits as they were published, write [data.train], [data.valid] and [data.test] with a `path` each, instead of \
                 `path`, and take the keys of the files that there are, and `repeats`, out of [data.split]: they would take a part of each file",
                others.join(" and ")
            );
        }
        let classes = &self.rows.labels().classes;
        if classes.iter().all(|class| class.contains(':')) {
            let coarse: HashSet<&str> = classes.iter().filter_map(|class| class.split(':').next()).collect();
            let why = format!("{} classes as they are; up to the colon, {}", classes.len(), coarse.len());
            push(text, "# label_until = \":\"", Some(&why));
        }
        if data.is_of_lines() {
            text.push('\n');
            return;
        }
        let used: Vec<String> =
            [data.text_column()].iter().chain(data.label_columns().columns()).map(plain_name).collect();
        for column in self.columns.iter().filter(|column| !used.contains(&column.name)).take(20) {
            let _ = writeln!(text, "# not used: `{}`, {}", on_one_line(&column.name), column.holds);
        }
        text.push('\n');
    }

    /// Writes `[data.split]`.
    fn split(&self, text: &mut String) {
        let rows = self.rows.texts().len();
        text.push_str("[data.split]\n");
        if rows > MANY_ROWS {
            let all = format!(
                "of {} rows, so that the first answer comes soon; for all, leave this line out",
                grouped(rows as u64)
            );
            push(text, "train = 10_000", Some(&all));
            push(text, "valid = 2_000", Some("decides when training ends, and which setting is best"));
            push(text, "test = 2_000", Some("is only measured"));
        } else {
            push(
                text,
                "valid = 0.2",
                Some("a fifth of the rows: decides when training ends, and which setting is best"),
            );
            push(text, "test = 0.2", Some("is only measured"));
        }
        push(text, "repeats = 5", Some("five splits, so that the answer is about embeddings and not about one split"));
        text.push('\n');
    }

    /// Writes `[head]`, `[train]` and `[callbacks]`.
    fn train(&self, text: &mut String) {
        text.push_str(
            "[head]\n\
             layers = [{ dense = 64, activation = \"relu\" }]     # `layers = []` is a linear classifier\n\n\
             [train]\n",
        );
        push(text, "epochs = 200", Some("at most; early stopping ends a fit before"));
        push(text, "batch_size = 32", None);
        text.push_str("optimizer = { adam = { learning_rate = 1e-3 } }\n");
        if let Some((class, share)) = self.rarest().filter(|(_, share)| *share < RARE) {
            let percent = format!("{:.1} % of the rows are of class {}", 100.0 * share, on_one_line(&class));
            push(text, "# class_weight = \"balanced\"", Some(&percent));
        }
        text.push_str("\n[callbacks.early_stopping]\nmonitor = \"val_loss\"\n");
        push(text, "patience = 3", Some("epochs without a better validation loss; the best epoch's weights are kept"));
        text.push_str("\n[callbacks.tensorboard]\n\n");
    }

    /// Writes `[decide]` and, if the data need it, `[checks]`.
    fn decide(&self, text: &mut String) {
        let labels = self.rows.labels();
        let is_rare = self.rarest().is_some_and(|(_, share)| share < RARE);
        let (metric, why) = match labels.task {
            Task::Binary if is_rare => {
                ("val_pr_auc", "the positive class is rare, and accuracy would praise a model that never names it")
            }
            Task::Binary | Task::MultiClass => ("val_accuracy", "or val_f1, val_pr_auc, val_roc_auc, val_loss"),
            Task::MultiLabel => ("val_f1", "the mean over the labels; or val_pr_auc, val_roc_auc, val_loss"),
        };
        text.push_str("[decide]\n");
        push(text, &format!("metric = \"{metric}\""), Some(why));
        text.push('\n');
        let conflicts = self.findings.conflicting_labels;
        if conflicts > 0 {
            let texts = if conflicts == 1 {
                "1 text has".to_owned()
            } else {
                format!("{} texts have", grouped(conflicts as u64))
            };
            let code = Code::ConflictingLabels;
            let _ = write!(
                text,
                "# {texts} different labels in different rows. `check --data` lists them, and fails without the next two lines;\n\
                 # if the labels ought to be right, correct them and remove these lines.\n\
                 [checks]\n\
                 ignore = [\"{code}\"]\n\n"
            );
        }
    }

    /// Returns the positive class of a binary task, and its share of the rows.
    fn rarest(&self) -> Option<(String, f64)> {
        let labels = self.rows.labels();
        let positive = self.rows.positive()?;
        let rows: Vec<usize> = (0..self.rows.texts().len()).collect();
        let share = *labels.counts(&rows).get(1)? as f64 / rows.len().max(1) as f64;
        Some((positive.to_owned(), share))
    }
}

/// The embedding that comes with the program.
const PRETRAINED: &str = "\
[embedding.pretrained.model2vec]  # 7,000 English words, distilled from the sentence encoder all-MiniLM-L6-v2; written beside this file
path = \"models/minilm-words\"

";

/// The embedding that is learned from the texts.
const CORPUS: &str = "\
[embedding.corpus.corpus]         # vectors learned from the training texts, labels unseen
dim = {DIM}
min_count = 1

";

/// The embedding that needs no file, and how others are named.
const HASHING: &str = "\
[embedding.hashing.hashing]       # a random table, words hashed to its rows: what an embedding has to beat
dim = 256

# Others need files: [embedding.NAME.word_vectors] for GloVe, word2vec and fastText, [embedding.NAME.sentence_transformer] for MiniLM,
# MPNet and BERT, [embedding.NAME.tfhub] for modules of TensorFlow Hub; each with a `path`, and a `url` for `emberline fetch`.

";

/// The axes.
const GRID: &str = "\
[grid]                            # the cells are all combinations of these lists
embedding = [{EMBEDDINGS}]
\"embedding.trainable\" = [false, true]
# \"data.split.train\" = [100, 1_000]                          # how many labels are worth it?
# \"train.optimizer.adam.learning_rate\" = [1e-3, 1e-2]        # any dotted key of this file is an axis
";

/// Writes a line with a comment behind it.
fn push(text: &mut String, line: &str, comment: Option<&str>) {
    let _ = match comment {
        Some(comment) => writeln!(text, "{line:<width$}# {comment}", width = COMMENT.max(line.chars().count() + 1)),
        None => writeln!(text, "{line}"),
    };
}

/// Returns a text in TOML's quotes.
fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Returns a text for a comment: control characters and those that change the direction of text become spaces.
fn on_one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_control_or_bidi(c) { ' ' } else { c }).collect();
    plain.chars().take(200).collect()
}

fn column_name(column: &Column) -> String {
    match column {
        Column::Name(name) => toml_text(name),
        Column::Number(number) => number.to_string(),
    }
}

fn plain_name(column: &Column) -> String {
    match column {
        Column::Name(name) => name.clone(),
        Column::Number(number) => number.to_string(),
    }
}

fn label_names(label: &LabelColumns) -> String {
    match label {
        LabelColumns::One(column) => column_name(column),
        LabelColumns::Several(columns) => {
            format!("[{}]", columns.iter().map(column_name).collect::<Vec<_>>().join(", "))
        }
    }
}
