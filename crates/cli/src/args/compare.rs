//! The arguments of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How a comparison is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    /// For people.
    Text,
    /// For a pull request.
    Markdown,
    /// For programs.
    Json,
    /// For people, and with `--fail-if`, annotations that GitHub Actions shows.
    Github,
}

/// What makes a comparison fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailIf {
    /// A setting of the first run whose mean is worse in the second by more than the margin, or that isn't measured there.
    Worse,
    /// The same, but only if the whole interval of the difference is worse than the margin; the mean decides where no test is possible.
    SignificantlyWorse,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The baseline: a run folder, or a lock.
    pub(crate) first: PathBuf,
    /// The run to compare with the baseline: a run folder, or a lock.
    pub(crate) second: PathBuf,
    /// The metric, such as val_accuracy [default: val_pr_auc, val_accuracy or val_f1, depending on the task].
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// Exit with code 6 if a setting of the first run is worse in the second (by its mean, or beyond chance), or unmeasured.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_if: Option<FailIf>,
    /// How much worse a setting may be.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub(crate) margin: f64,
    /// For people, for a pull request, for programs, or as annotations for GitHub Actions.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: CompareFormat,
}
