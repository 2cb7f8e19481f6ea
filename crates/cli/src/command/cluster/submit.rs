//! `submit`: queues jobs for the cells that are neither done nor in the queue, and ends.
//!
//! Everything that can be known to be wrong is found before the first job is queued: the profile, the shared folder, the quota, the
//! pipeline, its models, what Slurm says of each kind of job, and whether a node sees the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use emberline_base::number::counted;
use emberline_cache::Cache;
use emberline_cluster::{
    CellsPerTask, Group, Job, Kind, Layout, Manifest, Profile, ProfileSource, Share, Slurm, Step, Submission, VERSION,
    cells_per_task, check_space, check_within, render,
};
use emberline_device::Device;
use emberline_pipeline::{Pipeline, Plan, RunFolder, State, survey};
use indexmap::IndexMap;

use super::{Live, absolute_run_folder, load_absolute};
use crate::args::Submit;
use crate::exit::{Code, Error};
use crate::terminal::{left_out_message, say, table};

/// The maximum size of an array where Slurm can't be asked: its default.
const DEFAULT_MAX_ARRAY: usize = 1001;

/// What is submitted, and where to.
struct Order<'o> {
    args: &'o Submit,
    profile: Profile,
    /// Where the profile was read from.
    source: ProfileSource,
    /// The profile as it is written.
    text: String,
    pipeline: Pipeline,
    folder: RunFolder,
}

pub(in crate::command) fn run(args: &Submit) -> Result<Code, Error> {
    let source = ProfileSource::find(args.profile_file.as_deref(), args.profile.as_deref())?;
    let (profile, text) = source.load()?;
    let pipeline = load_absolute(&args.pipeline)?;
    let folder = absolute_run_folder(&pipeline, args.out.as_ref());
    folder.check_free_for(&pipeline)?;
    let order = Order { args, profile, source, text, pipeline, folder };
    order.check_places()?;
    if args.dry_run {
        let max_array = Slurm::find().and_then(Slurm::max_array).unwrap_or(DEFAULT_MAX_ARRAY);
        return order.show(max_array);
    }
    let slurm = Slurm::find()?;
    check_space(&order.profile.cache_dir())?;
    check_space(order.folder.path())?;
    let live = Live::of(order.folder.path(), &slurm.queue()?)?;
    let Some(jobs) = order.jobs(slurm.max_array()?, &live)? else { return Ok(Code::Fine) };
    let submission = Submission::create(order.folder.path())?;
    let checked = order.write(&submission, &order.manifest(jobs)).and_then(|manifest| {
        order.preflight(slurm, &submission, &manifest)?;
        Ok(manifest)
    });
    let manifest = checked.inspect_err(|_| submission.discard())?;
    order.queue(slurm, &submission, &manifest, &live)?;
    Ok(Code::Fine)
}

impl Order<'_> {
    /// Checks that all nodes see what the jobs read and write.
    fn check_places(&self) -> Result<(), Error> {
        let (profile, source) = (&self.profile, self.source.path());
        if !profile.shared_dir.is_dir() {
            let fault = format!("`shared_dir` {} is no folder on this machine", profile.shared_dir.display());
            return Err(emberline_cluster::Error::Profile { path: source.to_owned(), fault }.into());
        }
        check_within(profile, source, "the pipeline file", &self.pipeline.file)?;
        check_within(profile, source, "the run folder", self.folder.path())?;
        check_within(profile, source, "the cache", &profile.cache_dir())?;
        if let Some(cells) = &profile.cell_cache {
            check_within(profile, source, "the cell cache", cells)?;
        }
        if profile.wrapper.is_empty() && Path::new(&self.program()).is_absolute() {
            check_within(profile, source, "the program", Path::new(&self.program()))?;
        }
        Ok(())
    }

    /// Returns how the program is called on a node.
    fn program(&self) -> String {
        let own = || std::env::current_exe().map(|path| path.to_string_lossy().into_owned());
        match &self.profile.program {
            Some(program) => program.clone(),
            None if self.profile.wrapper.is_empty() => own().unwrap_or_else(|_| "emberline".to_owned()),
            None => "emberline".to_owned(),
        }
    }

    /// Prints what would be written.
    fn show(&self, max_array: usize) -> Result<Code, Error> {
        let Some(jobs) = self.jobs(max_array, &Live::default())? else { return Ok(Code::Fine) };
        let (submission, manifest) = (Submission::next(self.folder.path()), self.manifest(jobs));
        let mut out = io::stdout().lock();
        for (name, text) in self.files(&submission, &manifest) {
            writeln!(out, "==> {} <==\n{text}", submission.folder().join(name).display())?;
        }
        say("nothing was queued; tasks that are in the queue already were not looked at");
        Ok(Code::Fine)
    }

    /// Lays out the cells that are to be submitted; none if there are none.
    fn jobs(&self, max_array: usize, live: &Live) -> Result<Option<Vec<Job>>, Error> {
        let plan = Plan::of(&self.pipeline);
        left_out_message(&plan.left_out).iter().for_each(|message| say(message));
        live.check(&plan.cells.iter().map(|cell| cell.id.as_str()).collect(), &self.pipeline)?;
        let cache = Cache::at(self.profile.cache_dir());
        let survey = survey(&self.pipeline, &plan, &self.folder, Device::Cpu, Some(cache))
            .map_err(|error| Error::of_pipeline(&self.pipeline, error))?;
        let is_to_run = |state: &State| match state {
            State::Done => false,
            State::Failed(_) => self.args.retry_failed,
            _ => true,
        };
        let mut groups: IndexMap<&str, Group> = IndexMap::new();
        let missing = survey.order.iter().filter(|&&at| is_to_run(&survey.states[at]));
        for cell in missing.map(|&at| &plan.cells[at]).filter(|cell| !live.cells.contains_key(&cell.id)) {
            let source = cell.embedding();
            let empty =
                || Group { source: source.to_owned(), cells: Vec::new(), cells_per_task: 1, shares: Vec::new() };
            groups.entry(source).or_insert_with(empty).cells.push(cell.id.clone());
        }
        if groups.is_empty() {
            let states = &survey.states;
            let done = states.iter().filter(|state| **state == State::Done).count();
            let failed = states.iter().filter(|state| matches!(state, State::Failed(_))).count();
            say(&format!(
                "nothing to submit: of {}, {done} are done, {failed} failed, and {} are in the queue",
                counted(states.len(), "cell"),
                live.cells.len()
            ));
            return Ok(None);
        }
        for encoding in survey.encodings {
            let Some(group) = groups.get_mut(encoding.embedding.as_str()) else { continue };
            let texts = encoding.texts.map_err(|why| Error::Usage(format!("{why}; nothing was queued")))?;
            // Vectors of another kind of device than this machine's can't be counted here.
            if self.may_use_gpu() || texts.cached < texts.texts {
                group.shares.push(Share { cell: encoding.cell, texts: texts.texts });
            }
        }
        self.pack(&plan, &mut groups);
        let layout = Layout { texts_per_task: self.profile.slurm.embed.texts_per_task(), max_array };
        Ok(Some(layout.jobs(&groups.into_values().collect::<Vec<_>>())))
    }

    fn may_use_gpu(&self) -> bool {
        match self.profile.device.as_str() {
            "auto" => self.profile.slurm.embed.gres.is_some() || self.profile.slurm.train.gres.is_some(),
            device => device != "cpu",
        }
    }

    /// Decides how many cells a task trains.
    fn pack(&self, plan: &Plan, groups: &mut IndexMap<&str, Group>) {
        let total: usize = groups.values().map(|group| group.cells.len()).sum();
        let seconds = match self.profile.slurm.cells_per_task {
            CellsPerTask::Auto => self.folder.mean_seconds(plan),
            CellsPerTask::Number(_) => BTreeMap::new(),
        };
        for (source, group) in groups {
            group.cells_per_task = match self.profile.slurm.cells_per_task {
                CellsPerTask::Number(cells) => cells.get() as usize,
                CellsPerTask::Auto => cells_per_task(total, seconds.get(*source).copied()),
            };
        }
    }

    fn manifest(&self, jobs: Vec<Job>) -> Manifest {
        Manifest {
            version: VERSION,
            pipeline: self.pipeline.file.clone(),
            set: self.args.pipeline.set.clone(),
            run: self.folder.path().to_owned(),
            device: self.profile.device.clone(),
            retry_failed: self.args.retry_failed,
            grace_s: self.profile.slurm.grace_s,
            jobs,
        }
    }

    /// Returns the names and texts of a submission's files.
    fn files(&self, submission: &Submission, manifest: &Manifest) -> Vec<(String, String)> {
        let program = self.program();
        let script = |job: &Job| {
            let text = render(&self.profile, manifest, job, submission.folder(), &program);
            (format!("{}.sh", job.name), text)
        };
        let own = [("profile.toml", self.text.clone()), ("manifest.json", manifest.to_json())];
        own.map(|(name, text)| (name.to_owned(), text)).into_iter().chain(manifest.jobs.iter().map(script)).collect()
    }

    fn write(&self, submission: &Submission, manifest: &Manifest) -> Result<Manifest, Error> {
        for (name, text) in self.files(submission, manifest) {
            submission.write(&name, &text)?;
        }
        Ok(submission.manifest()?)
    }

    /// Asks Slurm whether it accepts each kind of job, and a node whether it sees the manifest.
    fn preflight(&self, slurm: Slurm, submission: &Submission, manifest: &Manifest) -> Result<(), Error> {
        for kind in [Kind::Embed, Kind::Train, Kind::Report] {
            let Some(job) = manifest.jobs.iter().find(|job| job.kind == kind) else { continue };
            if let Some(said) = slurm.refusal(&submission.script(&job.name))? {
                let profile = self.source.path().to_owned();
                return Err(emberline_cluster::Error::Refused { profile, section: kind.section(), said }.into());
            }
        }
        let settings = &self.profile.slurm;
        if settings.probe && settings.step == Step::Srun {
            let path = submission.manifest_path();
            if !slurm.probe(&self.profile, &settings.train, &path)? {
                say("no node was free to be asked whether it sees the run folder");
            }
        }
        Ok(())
    }

    /// Queues the jobs. If one is refused, those before it are cancelled.
    fn queue(&self, slurm: Slurm, submission: &Submission, manifest: &Manifest, live: &Live) -> Result<(), Error> {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for job in &manifest.jobs {
            let dependency = dependency(job, &ids, &live.jobs);
            let queued = slurm.submit(&submission.script(&job.name), dependency.as_deref()).and_then(|id| {
                ids.insert(job.name.clone(), id);
                submission.note_jobs(&ids)
            });
            if let Err(error) = queued {
                say(&format!("{} could not be queued; the jobs before it are cancelled", job.name));
                slurm.cancel(&ids.into_values().collect())?;
                return Err(error.into());
            }
        }
        let mut rows = vec![["job", "id", "tasks", "cells"].map(str::to_owned).to_vec()];
        rows.extend(manifest.jobs.iter().map(|job| {
            let cells: usize = job.tasks.iter().map(|task| task.cells().len()).sum();
            vec![job.name.clone(), ids[&job.name].clone(), job.tasks.len().to_string(), cells.to_string()]
        }));
        write!(io::stdout(), "{}", table(&rows))?;
        let file = self.args.pipeline.file.display();
        say(&format!(
            "submission {}: {} in {}; `emberline status {file}` shows how far they are",
            submission.number(),
            counted(manifest.cells().count(), "cell"),
            submission.folder().display()
        ));
        Ok(())
    }
}

/// Returns what a job waits for, as `sbatch` takes it: training for whole embedding jobs, the report for the end of everything,
/// also of what was queued before.
fn dependency(job: &Job, ids: &BTreeMap<String, String>, earlier: &BTreeSet<String>) -> Option<String> {
    let after: Vec<&str> = job.after.iter().filter_map(|name| ids.get(name)).map(String::as_str).collect();
    let (condition, after) = match job.kind {
        Kind::Report => ("afterany", after.into_iter().chain(earlier.iter().map(String::as_str)).collect()),
        Kind::Embed | Kind::Train => ("afterok", after),
    };
    (!after.is_empty()).then(|| format!("{condition}:{}", after.join(":")))
}
