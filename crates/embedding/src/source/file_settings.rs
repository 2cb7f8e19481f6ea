//! The settings that all sources with files share, written once: the fields, and the methods that read them.
//!
//! | key | meaning |
//! |---|---|
//! | `path`, `url`, `sha256` | where the files are, where they can be downloaded, and their hash ([`Location`](super::Location)) |
//! | `dim`, `reduce` | how vectors are reduced ([`Reduction`](crate::reduce::Reduction)) |
//! | `quantize` | what the numbers of a vector are stored in ([`Quantize`](crate::Quantize)) |
//! | `trainable` | whether training updates the source |
//!
//! They are macros and not a struct, since serde's `flatten` would lose the position of a fault in the pipeline file,
//! and can't be combined with `deny_unknown_fields`.

/// Defines a `Settings` with the shared fields. The comments in front of their names are the descriptions of the keys in
/// the JSON Schema. Braces hold the source's own fields, in the order in which they are serialised: those after `path`,
/// and those after `sha256`.
macro_rules! file_settings {
    (
        $(#[$($table:tt)*])*
        settings,
        $(#[$($path:tt)*])*
        path { $($after_path:tt)* }
        $(#[$($url:tt)*])*
        url,
        $(#[$($sha256:tt)*])*
        sha256 { $($own:tt)* }
        $(#[$($dim:tt)*])*
        dim,
        $(#[$($reduce:tt)*])*
        reduce,
        $(#[$($trainable:tt)*])*
        trainable,
    ) => {
        $(#[$($table)*])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $(#[$($path)*])*
            pub path: std::path::PathBuf,
            $($after_path)*
            $(#[$($url)*])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub url: Option<String>,
            $(#[$($sha256)*])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub sha256: Option<String>,
            $($own)*
            $(#[$($dim)*])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(range(min = 1))]
            pub dim: Option<usize>,
            $(#[$($reduce)*])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub reduce: Option<$crate::reduce::Reduce>,
            /// What the numbers of a text's vector are stored in, after `dim` and `reduce`: f16, i8 (with a scale per vector) or bit
            /// (the sign); f32 when left out. Only of a frozen embedding.
            #[serde(default, skip_serializing_if = "crate::Quantize::is_f32")]
            pub quantize: $crate::Quantize,
            $(#[$($trainable)*])*
            #[serde(default)]
            pub trainable: bool,
        }
    };
}

/// Implements the methods of [`SourceSettings`](super::SourceSettings) that read the shared fields. `$name` is the
/// kind's name in a pipeline file, `$what` what `path` should name; `$also` removes further settings of fine-tuning.
macro_rules! file_settings_methods {
    ($name:literal, $what:literal $(, |$settings:ident| $also:block)?) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn trainable(&self) -> bool {
            self.trainable
        }

        fn remove_tuning(&mut self) {
            (self.trainable, self.dim, self.reduce) = (false, None, None);
            self.quantize = $crate::Quantize::F32;
            $(
                let $settings = self;
                $also
            )?
        }

        fn quantize(&self) -> $crate::Quantize {
            self.quantize
        }

        fn location(&self) -> Option<$crate::source::Location<'_>> {
            $crate::source::Location::new(&self.path, self.url.as_ref(), self.sha256.as_ref(), $what)
        }

        fn reduction(&self) -> Option<$crate::reduce::Reduction> {
            $crate::reduce::Reduction::of(self.dim, self.reduce)
        }
    };
}

pub(super) use {file_settings, file_settings_methods};
