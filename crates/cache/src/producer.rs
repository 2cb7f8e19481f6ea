//! The producer of vectors. Vectors of different producers are never mixed, nor is one used in place of another.

use std::collections::HashMap;
use std::path::PathBuf;

use emberline_base::Digest;

/// The producer of vectors: an encoder in one version of its computation, on one kind of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The digest of the encoder: the contents of its files and its settings.
    pub source: Digest,
    /// The version of the encoder's computation, which is raised whenever the same files would give other numbers.
    pub computation: u32,
    /// The kind of device, such as `cpu`.
    pub device: String,
    /// The hardware, as far as the rounding of numbers depends on it, such as `x86_64 avx2`.
    pub arithmetic: String,
}

impl Producer {
    /// Returns the folder of the producer's segments, below that of all embeddings: `<source>/<device>-<16 hex
    /// digits>`. The digits are a digest of the other fields, which need not be valid in a file name.
    pub(crate) fn folder(&self) -> PathBuf {
        let Self { source, computation, device, arithmetic } = self;
        let computation = computation.to_le_bytes();
        let rest = Digest::of_parts([device.as_bytes(), arithmetic.as_bytes(), &computation]);
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let device: String = device.chars().map(plain).take(16).collect();
        [source.as_str(), &format!("{device}-{}", &rest.as_str()[..16])].iter().collect()
    }

    /// Returns the metadata entries with which a segment states its producer.
    pub(crate) fn to_metadata(&self) -> [(&'static str, String); 4] {
        let Self { source, computation, device, arithmetic } = self;
        [
            ("source", source.to_string()),
            ("computation", computation.to_string()),
            ("device", device.clone()),
            ("arithmetic", arithmetic.clone()),
        ]
    }

    /// Parses the producer that a segment states; none if an entry is missing or not in its canonical form.
    pub(crate) fn from_metadata(metadata: &HashMap<String, String>) -> Option<Self> {
        let text = |key: &str| metadata.get(key).cloned();
        let source = serde_json::from_value(serde_json::Value::String(text("source")?)).ok()?;
        let computation = text("computation")?.parse().ok()?;
        let stated = Self { source, computation, device: text("device")?, arithmetic: text("arithmetic")? };
        let is_whole = stated.to_metadata().iter().all(|(key, value)| metadata.get(*key) == Some(value));
        let is_digest = stated.source.as_str().len() == 64
            && stated.source.as_str().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (is_whole && is_digest).then_some(stated)
    }

    /// Describes to people how another producer differs from this one.
    pub(crate) fn difference(&self, other: &Self) -> String {
        if self.source != other.source {
            format!("another model, {} instead of {}", other.source.short(), self.source.short())
        } else if self.computation != other.computation {
            format!("computation {} instead of {}", other.computation, self.computation)
        } else {
            let of = |producer: &Self| format!("`{} {}`", producer.device, producer.arithmetic);
            format!("another device, {} instead of {}", of(other), of(self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_have_folders_of_their_own_and_read_back() {
        let one = Producer {
            source: Digest::of(b"model"),
            computation: 1,
            device: "cpu".to_owned(),
            arithmetic: "x86_64 avx2".to_owned(),
        };
        let others = [
            Producer { source: Digest::of(b"other"), ..one.clone() },
            Producer { computation: 2, ..one.clone() },
            Producer { device: "cuda".to_owned(), ..one.clone() },
            Producer { arithmetic: "x86_64 avx512".to_owned(), ..one.clone() },
            Producer { device: "../..".to_owned(), ..one.clone() },
        ];
        for other in &others {
            assert_ne!(other.folder(), one.folder());
            assert_eq!(other.folder().components().count(), 2);
            let metadata: HashMap<String, String> =
                other.to_metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            assert_eq!(Producer::from_metadata(&metadata).as_ref(), Some(other));
            for (key, _) in other.to_metadata() {
                let mut less = metadata.clone();
                less.remove(key);
                assert_eq!(Producer::from_metadata(&less), None);
            }
        }
    }
}
