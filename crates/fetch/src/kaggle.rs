//! Models on Kaggle: `GET /models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION/download` of Kaggle's API returns a
//! `.tar.gz`.
//!
//! Public models need no login. Credentials are sent as HTTP basic authentication (a user's name and key), or as a
//! bearer token. They aren't sent on to the storage that the API redirects to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Error;
use crate::client::Resource;
use crate::hub::endpoint;
use crate::options::{Login, Options};

/// Returns the resource of the archive of a model, `OWNER/MODEL/FRAMEWORK/VARIATION/VERSION`.
pub(crate) fn archive(options: &Options, model: &str) -> Result<Resource, Error> {
    let segments = ["models"].into_iter().chain(model.split('/')).chain(["download"]);
    let url = endpoint(&options.kaggle, "KAGGLE_API_ENDPOINT", segments)?;
    let authorization = options.kaggle_login.as_ref().map(|login| match login {
        Login::Key { user, key } => format!("Basic {}", STANDARD.encode(format!("{user}:{key}"))),
        Login::Token(token) => format!("Bearer {token}"),
    });
    Ok(Resource { url, authorization })
}
