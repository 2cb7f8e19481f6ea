//! Protection against symbolic links: the program never writes through a link inside its own folders, since such a link
//! would redirect the write to another place.
//!
//! The folder that a user names may itself be a link; the files and folders that the program creates in it may not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileError, make_folder};

/// The message for a symbolic link that is in the way of a write.
const CURE: &str = "it is a symbolic link, which is not written through; remove it";

/// Opens a file with the given options, but refuses a symbolic link.
///
/// # Errors
/// If the path is a link, or the file can't be opened.
pub fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    refuse(path)?;
    no_follow(options);
    // Another process may have placed a link there since the check: `O_NOFOLLOW` refuses it, and its error is explained.
    options.open(path).map_err(|error| refuse(path).err().unwrap_or(error))
}

/// Creates the folder `root/below`, and returns its path. `root` may be a link to a folder; no component of `below` may be
/// a link.
///
/// # Errors
/// If a component is a link or a file, or can't be created.
pub fn make_folder_below(root: &Path, below: &Path) -> Result<PathBuf, FileError> {
    refuse_links(root, below)?;
    let path = root.join(below);
    make_folder(&path)?;
    Ok(path)
}

/// Checks that no component of `below`, a path relative to `root`, is a symbolic link. A missing component is no link.
///
/// # Errors
/// If a component is a link; the error names it.
pub fn refuse_links(root: &Path, below: &Path) -> Result<(), FileError> {
    let mut path = root.to_owned();
    below.components().try_for_each(|part| {
        path.push(part);
        refuse(&path).map_err(FileError::new("write to", &path))
    })
}

/// Removes a symbolic link, so that a new file can take its place; leaves anything else untouched.
///
/// # Errors
/// If the link can't be removed.
pub fn remove_if_link(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::remove_file(path).map_err(FileError::new("remove the link", path)),
        _ => Ok(()),
    }
}

fn refuse(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(io::Error::other(CURE)),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn no_follow(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NOFOLLOW);
}

#[cfg(not(unix))]
fn no_follow(_: &mut OpenOptions) {}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_refused_and_what_it_names_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).expect("linked");
        for there in [false, true] {
            if there {
                fs::write(&target, b"mine").expect("written");
            }
            let opened = open_no_follow(&link, File::options().write(true).create(true).truncate(true));
            assert!(opened.expect_err("a link").to_string().contains("symbolic link"));
            assert_eq!(fs::read(&target).ok(), there.then(|| b"mine".to_vec()));
        }
        remove_if_link(&link).and_then(|()| remove_if_link(&target)).expect("fine");
        assert!(fs::symlink_metadata(&link).is_err() && target.exists());
        open_no_follow(&link, File::options().write(true).create(true).truncate(true)).expect("a file");
    }

    #[test]
    fn only_the_root_of_a_folder_may_be_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, root) = (folder.path().join("real"), folder.path().join("root"));
        fs::create_dir(&real).and_then(|()| symlink(&real, &root)).expect("linked");
        make_folder_below(&root, Path::new("cells/a")).expect("made");
        assert!(real.join("cells/a").is_dir());
        symlink(folder.path(), real.join("cells/b")).expect("linked");
        let error = make_folder_below(&root, Path::new("cells/b/c")).expect_err("a link").to_string();
        assert!(error.contains("cells/b: it is a symbolic link"), "{error}");
        assert!(!folder.path().join("c").exists());
    }
}
