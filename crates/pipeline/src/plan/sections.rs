//! Makes cells from combinations: each section is typed once for all combinations that share it.
//!
//! Only combinations without faults become cells here. Any other is typed again as a whole, which finds all its faults.

use std::collections::HashMap;
use std::sync::Arc;

use emberline_embedding::Source;
use emberline_train::callback::Callbacks;
use emberline_train::settings::{Head, Train};

use super::cell::{Cell, CellSettings, Embedding};
use super::choice::Choice;
use super::identity::Identity;
use super::name::CellNames;
use super::section::{Section, Typed, file_axes, with_axes};
use crate::document::typed;
use crate::grid::EMBEDDING;
use crate::pipeline::Pipeline;
use crate::settings::{Decide, decide_faults, loss_faults, monitor_faults};

/// Keys of `[callbacks]` that change no result.
const DISPLAY_KEYS: &[&str] = &["epoch_dots"];

/// Caches the sections of a pipeline's cells, and makes cells of them.
pub(super) struct Sections<'p> {
    pub(super) pipeline: &'p Pipeline,
    /// Whether the files of sources are examined, which may show that a combination is impossible.
    examines_files: bool,
    name: Arc<str>,
    seed: Section<u64>,
    data: Section<emberline_dataset::Settings>,
    embedding: Section<Embedding>,
    head: Section<Head>,
    train: Section<Train>,
    /// The same without what only a fine-tuned encoder knows, for all other embeddings.
    frozen_train: Section<Train>,
    callbacks: Section<Callbacks>,
    decide: Section<Decide>,
    pub(super) names: CellNames<'p>,
    /// Why sources can't be used with their files, if so. Files are examined once per source, not once per combination.
    reasons: HashMap<String, Option<String>>,
}

impl<'p> Sections<'p> {
    pub(super) fn new(pipeline: &'p Pipeline) -> Self {
        Self {
            pipeline,
            examines_files: true,
            name: pipeline.settings.name.as_str().into(),
            seed: Section::new(pipeline, "seed"),
            data: Section::new(pipeline, "data"),
            embedding: Section::new(pipeline, EMBEDDING),
            head: Section::new(pipeline, "head"),
            train: Section::new(pipeline, "train"),
            frozen_train: Section::new(pipeline, "train"),
            callbacks: Section::new(pipeline, "callbacks"),
            decide: Section::new(pipeline, "decide"),
            names: CellNames::of(pipeline),
            reasons: HashMap::new(),
        }
    }

    /// Returns sections that are made from the settings alone.
    pub(super) fn without_files(pipeline: &'p Pipeline) -> Self {
        Self { examines_files: false, ..Self::new(pipeline) }
    }

    /// Returns the name of a combination's source.
    pub(super) fn source_name(&self, choice: &Choice) -> &'p str {
        let axis = self.pipeline.axes.iter().position(|axis| axis.key == EMBEDDING);
        let named = axis.and_then(|axis| self.pipeline.axes[axis].values[choice.chosen(axis)].as_str());
        named.unwrap_or_else(|| self.pipeline.source_names()[0])
    }

    /// Returns the cell of a combination, or why it can't be run. Returns `None` if one of its settings has a fault.
    pub(super) fn cell(&mut self, choice: &Choice) -> Option<Result<Cell, String>> {
        let pipeline = self.pipeline;
        let seed = self.seed.of(pipeline, choice, &[], |_| true)?;
        let data = self.data(choice)?;
        let embedding = self.embedding(choice)?;
        let head = self.head.of(pipeline, choice, &[], |head| head.faults().is_empty())?;
        let train = self.train(choice, embedding.value.source.fine_tuning().is_some())?;
        let callbacks = self.callbacks.of(pipeline, choice, DISPLAY_KEYS, |callbacks| callbacks.faults().is_empty())?;
        let decide = self.decide.of(pipeline, choice, Decide::KEYS_OF_NO_CELL, |decide| decide.faults().is_empty())?;
        let missing = [
            monitor_faults(&callbacks.value, &data.value),
            decide_faults(&decide.value, &data.value),
            loss_faults(&decide.value, &train.value),
        ];
        if missing.iter().any(|faults| !faults.is_empty()) {
            return None;
        }
        let Embedding { name, source, impossible } = embedding.value.as_ref();
        let reason = crate::settings::impossible((name, source), &head.value, &train.value, &callbacks.value);
        if let Some(reason) = reason.or_else(|| impossible.clone()) {
            return Some(Err(reason));
        }
        // The other sections are no part of the identity: they decide how results are judged and shown, not what they
        // are.
        let name = serde_json::Value::from(name.as_str());
        // Without settings of its own, `[decide]` isn't part of the text.
        let decided = Some(&*decide.identity).filter(|text| *text != "{}");
        let decided = decided.map(|text| format!(r#","decide":{text}"#)).unwrap_or_default();
        let identity = Identity::of(&format!(
            r#"{{"name":{name},"embedding":{},"seed":{},"data":{},"head":{},"train":{},"callbacks":{}{decided}}}"#,
            embedding.identity, seed.identity, data.identity, head.identity, train.identity, callbacks.identity
        ));
        let settings = CellSettings {
            name: self.name.clone(),
            seed: *seed.value,
            data: data.value,
            embedding: embedding.value.clone(),
            head: head.value,
            train: train.value,
            callbacks: callbacks.value,
            decide: decide.value.of_cell(),
        };
        let id = self.names.name(&settings, choice, &identity.short());
        let log_name = self.names.log_name(&settings, choice);
        Some(Ok(Cell { id, log_name, identity, axes: choice.clone(), settings }))
    }

    fn data(&mut self, choice: &Choice) -> Option<Typed<emberline_dataset::Settings>> {
        let pipeline = self.pipeline;
        self.data.get(choice, |axes| {
            let tree = with_axes(pipeline, "data", axes, choice, "")?;
            let data: emberline_dataset::Settings = typed(&tree.get("data")?.value).ok()?;
            let file_axes = file_axes(pipeline, axes, choice);
            data.faults().is_empty().then(|| {
                let identity = Typed::new(data.without_replicate_numbers(), &[], &file_axes).identity;
                Typed { value: Arc::new(data), identity }
            })
        })
    }

    /// Returns how the head is fitted, and the encoder if it is fine-tuned.
    fn train(&mut self, choice: &Choice, tunes_encoder: bool) -> Option<Typed<Train>> {
        let pipeline = self.pipeline;
        let section = if tunes_encoder { &mut self.train } else { &mut self.frozen_train };
        section.get(choice, |axes| {
            let tree = with_axes(pipeline, "train", axes, choice, "")?;
            let written = tree.get("train").map_or_else(|| Some(Train::default()), |entry| typed(&entry.value).ok())?;
            if !written.faults().is_empty() {
                return None;
            }
            let train = if tunes_encoder { written } else { written.without_encoder() };
            Some(Typed::new(train, &[], &file_axes(pipeline, axes, choice)))
        })
    }

    fn embedding(&mut self, choice: &Choice) -> Option<Typed<Embedding>> {
        let (pipeline, name) = (self.pipeline, self.source_name(choice));
        let (reasons, examines_files) = (&mut self.reasons, self.examines_files);
        self.embedding.get(choice, |axes| {
            let tree = with_axes(pipeline, EMBEDDING, axes, choice, name)?;
            let source: Source = typed(&tree.get(EMBEDDING)?.value.get(name)?.value).ok()?;
            if !source.faults().is_empty() {
                return None;
            }
            let source = if source.fine_tuning().is_some() { source } else { source.without_scope() };
            let examined = || examines_files.then(|| source.unsupported_reason(&pipeline.folder)).flatten();
            let reason = reasons.entry(format!("{source:?}")).or_insert_with(examined);
            let impossible = reason.as_ref().map(|reason| format!("`{name}` {reason}"));
            let identity = Typed::new(source.clone(), &[], &file_axes(pipeline, axes, choice)).identity;
            let embedding = Embedding { name: name.to_owned(), source, impossible };
            Some(Typed { value: Arc::new(embedding), identity })
        })
    }
}
