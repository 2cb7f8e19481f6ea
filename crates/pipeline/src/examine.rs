//! Implements `check`: finds missing files, splits that the data can't be divided into, and what the checks with codes find.

mod learned;

use std::collections::HashSet;
use std::sync::Arc;

use emberline_base::warning::Code;
use emberline_base::{Task, Warning};
use emberline_checks::{Checked, Verdict};
use emberline_dataset::{Dataset, Findings, Rows};
use emberline_device::Device;
use emberline_embedding::features::FeatureSpec;
use emberline_embedding::layers::Layers;
use emberline_embedding::reduce::{Reduce, Reduction};
use emberline_embedding::{Opened, Source, Texts};

use self::learned::learned_faults;
use crate::Error;
use crate::checks::{check_embedding, check_rows};
use crate::inputs::rows_key;
use crate::pipeline::Pipeline;
use crate::plan::{Cell, Plan};
use crate::run::no_cells;
use crate::space::Space;

/// The findings about the data.
#[derive(Debug)]
pub struct Examined {
    /// A summary of the data with the pipeline file's own settings. Its warnings are those of all checks, of the embeddings too;
    /// those that `[checks] ignore` names are left out.
    pub findings: Findings,
    /// The rows that a warning is about, most suspicious first, where a check lists them.
    pub rows: Vec<(Code, Vec<String>)>,
    /// The checks that can't be made of these data, with the reason.
    pub not_applicable: Vec<(String, String)>,
    /// Whether a warning was found that `[checks] fatal` names, or one that invalidates results (EMB003, EMB009).
    pub is_serious: bool,
    /// Faults of the data and of embeddings that keep cells from running, with the axes' values that cause them.
    pub faults: Vec<DataFault>,
    /// The space that a run of all cells takes; `None` if the data of the file itself can't be split.
    pub space: Option<Space>,
}

/// A fault of the data that keeps cells from running.
#[derive(Debug)]
pub struct DataFault {
    /// The values of the axes that affect the data, such as `data.split.train = 400`; empty if there is no such axis.
    pub axes: String,
    /// What is wrong.
    pub error: Error,
    /// The setting that it is about, if the error doesn't say it.
    pub key: Option<&'static str>,
}

impl Pipeline {
    /// Checks that the plan has a cell and that the files that its cells need exist. Large files aren't read.
    ///
    /// # Errors
    /// If there is no cell; otherwise, all files that are missing.
    pub fn check_files(&self, plan: &Plan) -> Result<(), Error> {
        if plan.cells.is_empty() {
            return Err(no_cells(plan));
        }
        let missing_data = data_variants(plan).into_iter().flat_map(|cell| {
            let missing = cell.settings.data.missing_files(&self.folder);
            missing.into_iter().map(Error::Data)
        });
        let missing_sources = self.sources(plan).into_iter().filter_map(|(name, source)| {
            let found = source.find_files(&self.folder);
            found.err().map(|source| Error::Embedding { name: name.to_owned(), source })
        });
        let mut missing: Vec<Error> = Vec::new();
        for error in missing_data.chain(missing_sources) {
            if !missing.iter().any(|known| known.to_string() == error.to_string()) {
                missing.push(error);
            }
        }
        match missing.len() {
            0 => Ok(()),
            1 => Err(missing.remove(0)),
            _ => Err(Error::MissingFiles(missing)),
        }
    }

    /// Reads the data, makes all checks of them, and splits them in every way that the plan's cells ask for.
    ///
    /// # Errors
    /// If the data of the pipeline file can't be read.
    pub fn examine_data(&self, plan: &Plan) -> Result<Examined, Error> {
        let rows = Arc::new(emberline_dataset::read(&self.settings.data, &self.folder)?);
        let own = rows.split(&self.settings.data.split, self.settings.seed).ok();
        let mut examined = self.check(rows.findings(), &rows, own.as_ref(), plan);
        examined.faults.extend(self.faults_of_variants(plan, rows));
        Ok(examined)
    }

    /// Splits the data in every way that the plan's cells ask for, and learns what sources learn of the training texts; without the
    /// checks of [`examine_data`](Self::examine_data).
    ///
    /// # Errors
    /// If the data of the pipeline file can't be read.
    pub fn data_faults(&self, plan: &Plan) -> Result<Vec<DataFault>, Error> {
        let rows = emberline_dataset::read(&self.settings.data, &self.folder)?;
        Ok(self.faults_of_variants(plan, Arc::new(rows)))
    }

    /// Returns the faults of every variant of the data; `rows` are those of the file's own settings.
    fn faults_of_variants(&self, plan: &Plan, rows: Arc<Rows>) -> Vec<DataFault> {
        let read = |cell: &Cell| Ok(Arc::new(emberline_dataset::read(&cell.settings.data, &self.folder)?));
        let (mut faults, mut embedded) = (Vec::new(), HashSet::new());
        let mut known: Vec<(String, Arc<Rows>)> = vec![(rows_key(&self.settings.data), rows)];
        for cell in data_variants(plan) {
            let files = rows_key(&cell.settings.data);
            let rows = match known.iter().find(|(key, _)| *key == files) {
                Some((_, rows)) => Ok(rows.clone()),
                None => read(cell),
            };
            // Rows of other files are dropped again, since an axis may name many files.
            known.truncate(1);
            let mut key = None;
            let divided = rows.and_then(|rows| {
                known.push((files, rows.clone()));
                let data = rows.split(&cell.settings.data.split, cell.settings.seed)?;
                let labels = &data.labels;
                key = Some("train");
                cell.settings.train.check_labels(labels.task, &labels.classes).map_err(unsupported)?;
                if labels.task == Task::MultiClass && cell.settings.decide.threshold.is_some() {
                    key = Some("decide");
                    let why = "a text has one of several classes here, and the most probable one is predicted; remove `decide.threshold`";
                    return Err(unsupported(why.to_owned()));
                }
                if trains_on_pairs(plan, cell) {
                    let targets = labels.matrix(&data.splits.train).map_err(emberline_dataset::Error::from)?;
                    emberline_train::check_pairs(labels.task, &targets)?;
                }
                if embedded.insert(Arc::as_ptr(&cell.settings.data)) {
                    faults.extend(reduction_faults(plan, cell, data.splits.train.len()));
                    faults.extend(learned_faults(plan, cell, &self.folder, &data));
                }
                Ok(())
            });
            if let Err(error) = divided {
                faults.push(DataFault { axes: axes_where(cell, is_of_data), error, key });
            }
        }
        faults
    }

    /// Makes all checks of the data and of the plan's embeddings, and applies `[checks]`. Without a dataset, the rows couldn't be
    /// split.
    fn check(&self, mut findings: Findings, rows: &Rows, dataset: Option<&Dataset>, plan: &Plan) -> Examined {
        let checks = self.settings.checks();
        let (mut listed, mut not_applicable) = (Vec::new(), Vec::new());
        for Checked { code, verdict } in
            check_rows(rows, dataset).into_iter().filter(|checked| checks.shows(checked.code))
        {
            match verdict {
                Verdict::Clear => {}
                Verdict::NotApplicable(reason) => not_applicable.push((code.to_string(), reason)),
                Verdict::Found(finding) => {
                    findings.warnings.push(Warning::new(code, finding.text));
                    listed.extend((!finding.rows.is_empty()).then_some((code, finding.rows)));
                }
            }
        }
        let mut faults = Vec::new();
        if let Some(dataset) = dataset {
            let (warnings, failed) = self.check_embeddings(plan, dataset);
            findings.warnings.extend(warnings);
            faults.extend(failed);
        }
        let space = dataset.map(|dataset| Space::of(self, plan, &dataset.data, dataset.texts.len()));
        checks.retain(&mut findings.warnings);
        let is_fatal = !checks.fatal(&findings.warnings).is_empty();
        let is_serious = is_fatal || findings.are_serious(|code| checks.shows(code));
        Examined { findings, rows: listed, not_applicable, is_serious, faults, space }
    }

    /// Opens the plan's sources and checks what they make of the texts. Returns the warnings, each once, and why sources can't be
    /// opened, or shortened as cells ask for. Sources with missing files are left out, which [`check_files`](Self::check_files) finds;
    /// so are those that can't learn from these training texts, which are tried with those of every variant of the data.
    fn check_embeddings(&self, plan: &Plan, dataset: &Dataset) -> (Vec<Warning>, Vec<DataFault>) {
        let (mut warnings, mut failed): (Vec<Warning>, _) = (Vec::new(), Vec::new());
        let texts = dataset.splits.map(|name, _| dataset.texts_of(name).collect::<Vec<&str>>());
        let all: Vec<&str> = texts.iter().flat_map(|(_, texts)| texts.iter().copied()).collect();
        for (name, source) in self.sources(plan) {
            if source.find_files(&self.folder).is_err() {
                continue;
            }
            let texts = Texts { all: &all, train: &texts.train };
            match source.without_tuning().open(&self.folder, texts, Device::Cpu) {
                Ok(opened) => {
                    let new = check_embedding(name, &opened, dataset);
                    let new: Vec<Warning> = new.into_iter().filter(|new| !warnings.contains(new)).collect();
                    warnings.extend(new);
                    failed.extend(length_faults(plan, (name, source), &opened));
                }
                Err(_) if matches!(source, Source::Corpus(_)) => {}
                Err(source) => {
                    let error = Error::Embedding { name: name.to_owned(), source };
                    failed.push(DataFault { axes: String::new(), error, key: None });
                }
            }
        }
        (warnings, failed)
    }

    /// Returns the sources of the plan's cells, each once.
    fn sources<'p>(&self, plan: &'p Plan) -> Vec<(&'p str, &'p Source)> {
        let mut known = HashSet::new();
        let of_cells = plan.cells.iter().map(Cell::source);
        of_cells.filter(|(name, source)| known.insert((*name, format!("{:?}", source.location())))).collect()
    }
}

/// Returns a cell for every variant of the data and of the settings of training, which the labels must suit.
fn data_variants(plan: &Plan) -> Vec<&Cell> {
    let mut known = HashSet::new();
    let of = |cell: &&Cell| {
        let train = &cell.settings.train;
        (Arc::as_ptr(&cell.settings.data), format!("{:?}", (train.loss, &train.class_weight, train.sampling)))
    };
    plan.cells.iter().filter(|cell| known.insert(of(cell))).collect()
}

/// Returns the faults of embeddings that are to be reduced by PCA to more numbers than the training rows of this variant of the data
/// can tell apart: `rows` vectors vary along at most `rows - 1` directions.
fn reduction_faults(plan: &Plan, of: &Cell, rows: usize) -> Vec<DataFault> {
    let has_these_data = |cell: &&Cell| Arc::ptr_eq(&cell.settings.data, &of.settings.data);
    let mut known = HashSet::new();
    let fault = |cell: &Cell| {
        let (name, source) = cell.source();
        let Reduction { dim, reduce } = source.feature_spec().reduction?;
        if reduce != Reduce::Pca || dim < rows || !known.insert((name.to_owned(), dim)) {
            return None;
        }
        let error = unsupported(format!(
            "`{name}` can't be reduced to {dim} numbers by `reduce = \"pca\"`: {rows} training rows vary along at most {} directions; set a \
             smaller `dim`, train on more rows, or set `reduce = \"random\"`",
            rows.saturating_sub(1)
        ));
        Some(DataFault { axes: axes_where(of, is_of_data), error, key: Some("embedding") })
    };
    plan.cells.iter().filter(has_these_data).filter_map(fault).collect()
}

/// Returns the faults of cells that ask for longer vectors than the opened source has.
fn length_faults(plan: &Plan, (name, source): (&str, &Source), opened: &Opened) -> Vec<DataFault> {
    let length = |layers: &Layers| match opened {
        Opened::Table(table) => table.dim(),
        Opened::Encoder(encoder) if *layers == Layers::All => encoder.dim(),
        Opened::Encoder(encoder) => encoder.dim() / encoder.layers().max(1),
    };
    let mut known = HashSet::new();
    let fault = |cell: &Cell| {
        let (of_cell, settings) = cell.source();
        let is_this = of_cell == name && settings.location() == source.location();
        let FeatureSpec { reduction, layers, .. } = settings.feature_spec();
        let reduction =
            reduction.filter(|reduction| is_this && known.insert((reduction.dim, layers == Layers::All)))?;
        let source = reduction.check_length(length(&layers)).err()?;
        let error = Error::Embedding { name: name.to_owned(), source };
        Some(DataFault { axes: String::new(), error, key: None })
    };
    plan.cells.iter().filter_map(fault).collect()
}

/// Whether a cell with these data trains an encoder on pairs of texts.
fn trains_on_pairs(plan: &Plan, of: &Cell) -> bool {
    let has_these_data = |cell: &&Cell| Arc::ptr_eq(&cell.settings.data, &of.settings.data);
    plan.cells.iter().filter(has_these_data).any(|cell| cell.settings.train.contrastive.is_some())
}

fn unsupported(reason: String) -> Error {
    emberline_train::Error::Unsupported(reason).into()
}

/// Whether an axis affects the data.
fn is_of_data(key: &str) -> bool {
    key == "data" || key.starts_with("data.")
}

/// Returns the values of a cell's axes with such keys.
fn axes_where(cell: &Cell, is_wanted: impl Fn(&str) -> bool) -> String {
    let axes = cell.axes.iter().filter(|(key, _)| is_wanted(key));
    axes.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}
