//! What can be known on the login node of the folder that all nodes share.

use std::fs;
use std::io::Write;
use std::path::Path;

use emberline_base::file::{self, make_folder, system_message};

use crate::Error;
use crate::profile::Profile;

/// Megabytes that are written as a trial: a quota that is full can't be asked for.
const TRIAL_MB: u64 = 16;

/// Refuses a path that doesn't lie in the shared folder. Links are followed.
///
/// # Errors
/// [`Error::NotShared`].
pub fn check_within(profile: &Profile, source: &Path, what: &'static str, path: &Path) -> Result<(), Error> {
    let resolved =
        |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    // A folder that isn't there yet lies where its parent does.
    let there = path.ancestors().find(|part| part.exists()).unwrap_or(path);
    if resolved(there).starts_with(resolved(&profile.shared_dir)) {
        return Ok(());
    }
    Err(Error::NotShared {
        what,
        path: path.to_owned(),
        shared_dir: profile.shared_dir.clone(),
        profile: source.to_owned(),
    })
}

/// Makes a folder, and refuses one that doesn't take a few megabytes more.
///
/// # Errors
/// [`Error::NoSpace`].
pub fn check_space(folder: &Path) -> Result<(), Error> {
    let refused = |why: String| Error::NoSpace { folder: folder.to_owned(), needed: TRIAL_MB, why };
    make_folder(folder).map_err(|error| refused(system_message(&error.source)))?;
    let trial = || -> std::io::Result<()> {
        let mut file = file::temporary_in(folder)?;
        let block = vec![0x5a; 1 << 20];
        (0..TRIAL_MB).try_for_each(|_| file.write_all(&block))?;
        file.as_file().sync_all()
    };
    trial().map_err(|error| refused(system_message(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_refused() {
        let at = tempfile::tempdir().expect("a folder");
        let shared = at.path().join("shared");
        fs::create_dir(&shared).expect("made");
        let text = format!("executor = \"slurm\"\nshared_dir = {:?}\n", shared.display().to_string());
        let profile = Profile::parse(&text).expect("sound");
        let check = |path: &Path| check_within(&profile, Path::new("p.toml"), "the run folder", path);
        check(&shared.join("runs/not/yet")).expect("within");
        let error = check(&at.path().join("other")).expect_err("outside").to_string();
        assert!(
            error.contains("the run folder") && error.contains("shared_dir") && error.contains("p.toml"),
            "{error}"
        );
        assert!(check(&shared.join("../other")).is_err());
    }

    #[test]
    fn a_trial_leaves_nothing() {
        let at = tempfile::tempdir().expect("a folder");
        check_space(&at.path().join("new")).expect("there is room");
        assert_eq!(fs::read_dir(at.path().join("new")).expect("made").count(), 0);
    }
}
