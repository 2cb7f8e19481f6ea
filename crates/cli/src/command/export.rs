//! `export`: writes a trained cell of a run in the formats of other programs. A file or folder appears under its name when it is
//! complete, and replaces another only with `--force`.

use std::fs;
use std::path::Path;

use emberline_base::file::{self, FileError};
use emberline_base::number::counted;
use emberline_device::Device;
use emberline_embedding::export::{self, Exported};
use emberline_pipeline::{Classifier, ClassifierOptions, RunFolder, bundle};
use emberline_train::{OnnxInput, OnnxTable};

use crate::args::{Export, OnnxInputName};
use crate::exit::{Code, Error};
use crate::terminal::{say, say_choice};

pub(super) fn run(args: &Export) -> Result<Code, Error> {
    let targets = &args.targets;
    for path in [&targets.bundle, &targets.onnx, &targets.word2vec].into_iter().flatten() {
        check_file(path, args.force)?;
    }
    targets.model2vec.iter().try_for_each(|path| check_folder(path, args.force))?;
    targets.sentence_transformer.iter().try_for_each(|path| check_encoder_folder(path, args.force))?;
    let options = ClassifierOptions { assets: args.assets.clone(), ..ClassifierOptions::on(Device::Cpu) };
    let (folder, cell) = (RunFolder::new(&args.run), args.cell.as_deref());
    if let Some(path) = &targets.bundle {
        say_choice(&bundle::export(&folder, cell, path, args.force, &options)?);
        say(&format!("{} written", path.display()));
        return Ok(Code::Fine);
    }
    if let Some(path) = &targets.sentence_transformer {
        let choice = write_folder(path, |to| Ok(bundle::export_encoder(&folder, cell, to, &options)?))?;
        say_choice(&choice);
        say(&format!("{} written: the encoder without the head", path.display()));
        return Ok(Code::Fine);
    }
    let classifier = Classifier::of_run(&folder, cell, options)?;
    say_choice(classifier.choice());
    if let Some(path) = &targets.onnx {
        write_onnx(&classifier, args.onnx_input.unwrap_or_default(), path)?;
    }
    if let Some(path) = &targets.model2vec {
        let exported = write_folder(path, |folder| Ok(export::model2vec(classifier.embedding(), folder)?))?;
        report(path, &exported);
    }
    if let Some(path) = &targets.word2vec {
        let (bytes, exported) = export::word2vec_text(classifier.embedding())?;
        file::write_output(path, &bytes)?;
        report(path, &exported);
    }
    Ok(Code::Fine)
}

fn write_onnx(classifier: &Classifier, input: OnnxInputName, path: &Path) -> Result<(), Error> {
    let model = classifier.model();
    let failed = |error| emberline_pipeline::Error::from(emberline_train::Error::from(error));
    let bytes = match input {
        OnnxInputName::Vectors => model.to_onnx(OnnxInput::Vectors),
        OnnxInputName::TokenIds => {
            let table = export::whole_table(classifier.embedding())?;
            let export::WholeTable { rows, words, combiner, normalize } = &table;
            model.to_onnx(OnnxInput::Ids(OnnxTable { rows, words, combiner: *combiner, normalize: *normalize }))
        }
    };
    file::write_output(path, &bytes.map_err(failed)?)?;
    say(&format!("{} written", path.display()));
    Ok(())
}

fn report(path: &Path, exported: &Exported) {
    let Exported { rows, left_out } = exported;
    let left_out = match *left_out {
        0 => String::new(),
        1 => "; 1 row belongs to no word that the format can hold, and is left out".to_owned(),
        rows => format!("; {} belong to no word that the format can hold, and are left out", counted(rows, "row")),
    };
    say(&format!("{} written: {}{left_out}", path.display(), counted(*rows, "row")));
}

/// Refuses a path that is no file, or that exists if `force` is false.
fn check_file(path: &Path, force: bool) -> Result<(), Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(Error::Usage(format!("{} is a folder; name a file to write to", path.display())))
        }
        Ok(_) if file::is_stream(&file::link_target(path)) => {
            Err(Error::Usage(format!("{} is a device or a pipe; name a file to write to", path.display())))
        }
        Ok(_) if !force => Err(already_there(path)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Refuses a path that is no folder, or that exists with files if `force` is false. A folder with files other than those of a
/// model2vec model is never replaced.
pub(super) fn check_folder(path: &Path, force: bool) -> Result<(), Error> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_dir() {
        return Err(Error::Usage(format!("{} is a file; name a folder to write to", path.display())));
    }
    let entries = fs::read_dir(path).map_err(FileError::new("read", path))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let is_ours = |name: &&std::ffi::OsString| export::MODEL2VEC_FILES.iter().any(|file| *name == file);
    match names.iter().find(|name| !is_ours(name)) {
        Some(other) => Err(Error::Usage(format!(
            "{} holds other files than a model2vec model, such as {}; name another folder",
            path.display(),
            other.display()
        ))),
        None if names.is_empty() || force => Ok(()),
        None => Err(already_there(path)),
    }
}

/// Refuses a path that is no folder, or that exists with files if `force` is false. A folder that holds no sentence encoder is never
/// replaced.
fn check_encoder_folder(path: &Path, force: bool) -> Result<(), Error> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_dir() {
        return Err(Error::Usage(format!("{} is a file; name a folder to write to", path.display())));
    }
    let is_empty = fs::read_dir(path).map_err(FileError::new("read", path))?.next().is_none();
    match path.join("config.json").exists() || path.join("modules.json").exists() {
        _ if is_empty => Ok(()),
        false => Err(Error::Usage(format!(
            "{} holds other files than a sentence encoder; name another folder",
            path.display()
        ))),
        true if force => Ok(()),
        true => Err(already_there(path)),
    }
}

fn already_there(path: &Path) -> Error {
    Error::Usage(format!("{} is already there; replace it with --force, or give another name", path.display()))
}

/// Writes a folder under a temporary name, and renames it when it is complete. If `path` is a symbolic link, its target is
/// replaced.
pub(super) fn write_folder<T>(path: &Path, write: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, Error> {
    let path = &file::link_target(path);
    let parent = file::folder_of(path);
    file::make_folder(parent)?;
    file::remove_stale(parent);
    let failed = || FileError::new("write", path);
    let temporary = file::temporary_folder_in(parent).map_err(failed())?;
    let (new, old) = (temporary.path().join("new"), temporary.path().join("old"));
    let written = write(&new)?;
    let had_one = path.exists();
    if had_one {
        fs::rename(path, &old).map_err(failed())?;
    }
    if let Err(error) = fs::rename(&new, path) {
        if had_one {
            fs::rename(&old, path).map_err(failed())?;
        }
        return Err(failed()(error).into());
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(result: Result<(), Error>) -> String {
        match result {
            Err(Error::Usage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_replaced_unless_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, model] = ["m.onnx", "model"].map(|name| folder.path().join(name));
        assert!(check_file(&file, false).is_ok() && check_folder(&model, false).is_ok());
        fs::write(&file, b"").and_then(|()| fs::create_dir(&model)).expect("written");
        assert!(usage(check_file(&file, false)).contains("--force"));
        assert!(usage(check_file(&model, true)).contains("is a folder"));
        assert!(usage(check_folder(&file, true)).contains("is a file"));
        assert!(check_file(&file, true).is_ok() && check_folder(&model, false).is_ok());
        fs::write(model.join("config.json"), b"").expect("written");
        assert!(usage(check_folder(&model, false)).contains("--force"));
        assert!(check_folder(&model, true).is_ok());
        fs::write(model.join("notes.txt"), b"").expect("written");
        assert!(usage(check_folder(&model, true)).contains("notes.txt"));
    }

    #[test]
    fn a_folder_appears_when_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("made/model");
        let with =
            |text: &'static str| move |at: &Path| Ok(file::write_atomic(&at.join("config.json"), text.as_bytes())?);
        let content = || fs::read_to_string(path.join("config.json")).expect("readable");
        write_folder(&path, with("first")).expect("written");
        assert_eq!(content(), "first");
        let failing = |at: &Path| -> Result<(), Error> {
            file::write_atomic(&at.join("config.json"), b"half")?;
            Err(Error::Usage("no".to_owned()))
        };
        write_folder(&path, failing).expect_err("it fails");
        assert_eq!(content(), "first");
        write_folder(&path, with("second")).expect("written");
        assert_eq!(content(), "second");
        assert_eq!(fs::read_dir(folder.path().join("made")).expect("readable").count(), 1);
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink("made/model", &link).expect("linked");
            write_folder(&link, with("third")).expect("written");
            assert!(content() == "third" && fs::symlink_metadata(&link).expect("there").is_symlink());
        }
    }
}
