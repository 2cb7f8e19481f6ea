//! The errors of writing a cell's log.

use std::io;

use emberline_base::file::FileError;

/// Why a log can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder can't be created, written, listed or removed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<Error> for FileError {
    fn from(error: Error) -> Self {
        let Error::File(error) = error;
        error
    }
}

impl From<tfevents::Error> for Error {
    fn from(error: tfevents::Error) -> Self {
        let (action, path, source) = match error {
            tfevents::Error::File { action, path, source } => (action, path, source),
            tfevents::Error::Record { path, source } => ("read", path, io::Error::other(source)),
            tfevents::Error::Event { path, number } => {
                ("read", path, io::Error::other(format!("record {number} is not an event")))
            }
        };
        Self::File(FileError { action, path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_file_and_speaks_the_systems_words() {
        let source = io::Error::from_raw_os_error(28);
        let error = Error::from(tfevents::Error::File { action: "write", path: "runs/a".into(), source });
        assert!(
            error.to_string().starts_with("can't write runs/a: ") && !error.to_string().contains("os error"),
            "{error}"
        );
    }
}
