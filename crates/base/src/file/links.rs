//! Symbolic links are never written through: a link that someone placed in a folder of ours would lead writes elsewhere.
//!
//! The folder that a user names may be a link; what the program makes in it may not.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileError, make_folder};

/// What to do about a link.
const CURE: &str = "it is a symbolic link, which is not written through; remove it";

/// Opens a file as `options` say, but refuses a symbolic link.
///
/// # Errors
/// When it is a link, or can't be opened.
pub fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    refuse(path)?;
    no_follow(options);
    // Another process may have placed a link since.
    options.open(path).map_err(|error| refuse(path).err().unwrap_or(error))
}

/// Makes the folder `below` in `root`, and gives its path. `root` may be a link to a folder; no part of `below` may.
///
/// # Errors
/// When a part is a link or a file, or can't be made.
pub fn make_folder_below(root: &Path, below: &Path) -> Result<PathBuf, FileError> {
    refuse_links(root, below)?;
    let path = root.join(below);
    make_folder(&path)?;
    Ok(path)
}

/// Refuses a path `below` a folder in which a part is a symbolic link. What isn't there is none.
///
/// # Errors
/// When a part is a link: which one.
pub fn refuse_links(root: &Path, below: &Path) -> Result<(), FileError> {
    let mut path = root.to_owned();
    below.components().try_for_each(|part| {
        path.push(part);
        refuse(&path).map_err(FileError::new("write to", &path))
    })
}

/// Removes a symbolic link, so that a new file can take its place; leaves anything else.
///
/// # Errors
/// When it can't be removed.
pub fn remove_if_link(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => fs::remove_file(path).map_err(FileError::new("remove the link", path)),
        _ => Ok(()),
    }
}

fn refuse(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => Err(io::Error::other(CURE)),
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
