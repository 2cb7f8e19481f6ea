//! The features of an encoder of whole texts: its layers joined, one of them, their mix, all of them for a trained mix, or
//! token ids if its weights are trained.

use std::borrow::Cow;
use std::sync::Arc;

use emberline_base::memory::{self, OutOfMemory};
use emberline_base::{Features, LayerStack, Matrix, Splits, TextList};

use super::FeatureSpec;
use super::reduction::ReductionStep;
use crate::encode::Encoding;
use crate::layers::{Layers, mix};
use crate::reduce::Projection;
use crate::{Encoder, Error};

/// Returns the features of an encoder, and the projection of its vectors.
pub(crate) fn encoder_features(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    spec: &FeatureSpec,
    step: ReductionStep,
    encoding: &mut Encoding<'_>,
) -> Result<(Splits<Features>, Option<Arc<Projection>>), Error> {
    match spec {
        FeatureSpec { fine_tuning: Some(_), .. } => {
            let model = encoder.as_sentence_transformer().ok_or_else(cant_be_trained)?;
            let features = texts.try_map(|_, texts| {
                let texts: Vec<&[u8]> = texts.all().collect();
                Ok::<_, Error>(Features::Tokens { sequences: model.tokens(&texts)?, dim: model.dim() })
            })?;
            Ok((features, None))
        }
        FeatureSpec { trainable: true, layers: Layers::Mix { .. }, .. } => {
            let layers = encoder.layers();
            let vectors = encoded(encoder, texts, encoding)?;
            Ok((vectors.into_map(|vectors| Features::Mixed(LayerStack { vectors, layers })), None))
        }
        FeatureSpec { trainable: true, .. } => Err(cant_be_trained()),
        FeatureSpec { trainable: false, .. } => {
            let shares = spec.layers.shares(encoder.layers())?;
            let mut vectors = encoded(encoder, texts, encoding)?;
            if let Some(shares) = &shares {
                vectors = vectors.try_map(|_, vectors| mix(vectors, shares))?;
            }
            let projection =
                step.projection(vectors.train.cols(), encoder.is_unit(), || Ok(Cow::Borrowed(&vectors.train)))?;
            let features = match &projection {
                Some(projection) => {
                    vectors.try_map(|_, vectors| Ok::<_, Error>(Features::Frozen(projection.apply(vectors)?)))?
                }
                None => vectors.into_map(Features::Frozen),
            };
            let features = features.into_map(|features| spec.quantize.features(features));
            Ok((features, projection))
        }
    }
}

fn cant_be_trained() -> Error {
    Error::Unsupported("this neural encoder can't be trained here; leave `trainable` out".into())
}

/// Returns the vectors of all splits, encoded together.
fn encoded(
    encoder: &dyn Encoder,
    texts: &Splits<&dyn TextList>,
    encoding: &mut Encoding<'_>,
) -> Result<Splits<Matrix>, Error> {
    let all: Vec<&[u8]> = texts.iter().flat_map(|(_, texts)| texts.all()).collect();
    let dim = encoder.dim();
    let mut vectors = encoding.vectors(encoder, &all)?.into_values();
    // Splits are taken from the end, so that the largest one, which comes first, need not be copied.
    let mut take = |texts: &&dyn TextList| -> Result<Matrix, OutOfMemory> {
        let start = vectors.len() - texts.count() * dim;
        let rest = memory::copied(&vectors[start..])?;
        vectors.truncate(start);
        Ok(Matrix::new(texts.count(), dim, rest))
    };
    let test = texts.test.as_ref().map(&mut take).transpose()?;
    let valid = texts.valid.as_ref().map(&mut take).transpose()?;
    Ok(Splits { train: Matrix::new(texts.train.count(), dim, vectors), valid, test })
}
