//! The settings that neural token encoders have in common, beyond those of [`file_settings`](super::file_settings), and
//! their faults.
//!
//! | key | meaning |
//! |---|---|
//! | `prompt` | what stands before every text |
//! | `normalize` | whether vectors are scaled to length 1 |
//! | `max_length` | the number of tokens that a text is cut to |
//!
//! They are a macro for the reason that `file_settings` gives.

use emberline_base::Fault;

/// Defines a `Settings` with the shared fields, and its conversion to the options of an encoder. The comments are the
/// descriptions of the keys in the JSON Schema; braces hold the source's own fields.
macro_rules! token_encoder_settings {
    (
        $(#[$($table:tt)*])*
        settings,
        $(#[$($path:tt)*])*
        path { $($own:tt)* }
        $(#[$($trainable:tt)*])*
        trainable,
    ) => {
        $crate::source::file_settings::file_settings! {
            $(#[$($table)*])*
            settings,
            $(#[$($path)*])*
            path {}
            /// Where the model can be downloaded.
            url,
            /// The SHA-256 of what lies at the path: of a file, or of a folder as `emberline fetch` prints it.
            sha256 {
                $($own)*
                /// What stands before every text: the name of one of the model's prompts, or a text such as `"query: "`. The
                /// model's default prompt, where it has one, when left out; `""` for none.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub prompt: Option<String>,
                /// Whether vectors are scaled to length 1, even where the model's own last step isn't that.
                #[serde(default)]
                pub normalize: bool,
                /// The longest text in tokens, what is behind is cut off; the model's own when left out.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(range(min = 1))]
                pub max_length: Option<usize>,
            }
            /// The length to reduce vectors to; their own when left out.
            dim,
            /// How they are reduced; by truncation when left out, as Matryoshka models are trained for.
            reduce,
            $(#[$($trainable)*])*
            trainable,
        }

        impl From<&Settings> for emberline_encoder::EncoderOptions {
            fn from(settings: &Settings) -> Self {
                let Settings { prompt, normalize, max_length, .. } = settings;
                Self { prompt: prompt.clone(), normalize: *normalize, max_length: *max_length }
            }
        }
    };
}
pub(super) use token_encoder_settings;

/// Returns the fault of `max_length`.
pub(super) fn faults(max_length: Option<usize>) -> Vec<Fault> {
    let fault = || Fault::new("max_length", "texts of no token", "at least 3: one and the special ones");
    (max_length == Some(0)).then(fault).into_iter().collect()
}
