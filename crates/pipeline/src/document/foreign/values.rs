//! Values of other programs that are unknown here.

use super::{Word, word};

/// Unknown values, by the key that they are given to.
pub(super) const VALUES: &[Word] = &[
    word(
        "softmax sigmoidoutput logsoftmax",
        "activation",
        "leave the output layer out: its units and its sigmoid or softmax follow from the labels",
    ),
    word("swish hardswish mish", "activation", "write \"silu\", which Keras also calls swish"),
    word("leakyrelu prelu elu selu relu6 celu", "activation", "write \"relu\", or the smoother \"gelu\" or \"silu\""),
    word(
        "bfloat16 mixed mixedprecision mixedbfloat16 mixedfloat16 amp float16 fp16 f16 half",
        "precision",
        "write \"bf16\", mixed precision in bfloat16, or leave `precision` out for 32 bits; there is no float16",
    ),
    word("int8 uint8 q8 qint8", "precision", "write \"i8\""),
    word("float32 fp32 float single full", "precision", "write \"f32\", or leave `precision` out"),
    word("none identity", "activation", "write \"linear\", or leave `activation` out"),
    word(
        "bce bcewithlogits bcewithlogitsloss bceloss binarycrossentropy logloss log logistic logistichead",
        "loss",
        "write \"binary_cross_entropy\", or leave `loss` out: it follows from the labels",
    ),
    word(
        "ce crossentropy crossentropyloss nll nllloss categoricalcrossentropy sparsecategoricalcrossentropy softmaxcrossentropy",
        "loss",
        "write \"categorical_cross_entropy\", or leave `loss` out: it follows from the labels",
    ),
    word(
        "cosinesimilarityloss cosinesimilarity tripletloss contrastive contrastiveloss",
        "loss",
        "write `contrastive = { pairs = 20 }` in [train], by which an encoder is trained on pairs before the head; leave `loss` out",
    ),
    word(
        "mse mae meansquarederror hinge squaredhinge kldivergence huber",
        "loss",
        "classifiers are trained here by a cross-entropy or the focal loss; leave `loss` out: it follows from the labels",
    ),
    word(
        "focalloss binaryfocalcrossentropy sigmoidfocalcrossentropy",
        "loss",
        "write \"focal\", or `{ focal = { gamma = 2.0 } }`",
    ),
    word(
        "rmsprop adagrad adadelta nadam adamax lion ftrl radam lamb",
        "optimizer",
        "write `{ adam = {} }`; there are adam, adamw, sgd and lbfgs",
    ),
    word(
        "lbfgs liblinear newtoncg saga sag logisticregression",
        "optimizer",
        "write `{ lbfgs = { l2 = 1.0 } }`, with `layers = []` in [head]",
    ),
    word(
        "valacc accuracyscore valbinaryaccuracy evalaccuracy valcategoricalaccuracy",
        "monitor",
        "write \"val_accuracy\"",
    ),
    word(
        "acc binaryaccuracy trainaccuracy",
        "monitor",
        "write \"val_accuracy\", of the validation rows, or \"accuracy\", of the training rows",
    ),
    word(
        "valauc auc rocauc rocaucscore",
        "monitor",
        "write \"val_roc_auc\", or \"val_pr_auc\" where the positive class is rare",
    ),
    word("averageprecision ap aucpr prauc valaucpr", "monitor", "write \"val_pr_auc\""),
    word(
        "f1 f1score f1macro macrof1 f1weighted microf1 valf1macro valf1score",
        "monitor",
        "write \"val_f1\": of the positive class, or the mean over classes where there are several",
    ),
    word("evalloss validationloss valloss testloss", "monitor", "write \"val_loss\""),
    word(
        "testaccuracy testf1 testprauc testrocauc testprecision testrecall",
        "monitor",
        "test rows decide nothing here: write the same metric of the validation rows, such as \"val_f1\"",
    ),
    word("avg average meanpooling", "combiner", "write \"mean\""),
    word("maxpooling globalmaxpooling", "combiner", "write \"max\""),
    word("tfidf idfweights", "weights", "write \"idf\""),
    word(
        "svd truncatedsvd lsa umap tsne",
        "reduce",
        "write \"pca\", which finds the same directions; they are learned from the training texts",
    ),
    word(
        "slice matryoshka mrl cut",
        "reduce",
        "write \"truncate\": the first numbers of each vector, as Matryoshka models are made for",
    ),
    word("int8 uint8", "quantize", "write \"i8\""),
    word("float16 fp16 half", "quantize", "write \"f16\""),
    word("binary ubinary", "quantize", "write \"bit\""),
    word("float32 fp32", "quantize", "write \"f32\", which is the default"),
    word("platt sigmoid logistic", "calibration", "write \"temperature\", or \"isotonic\""),
    word("auto balancedsubsample inverse", "classweight", "write \"balanced\": each class weighs as much as another"),
    word("remove first dropfirst", "duplicates", "write \"drop\": the first row of a text stays"),
    word("ignore skip", "unknownlabels", "write \"drop\": such rows are left out and counted"),
    word("json jsonlines ndjson", "format", "write \"jsonl\": one JSON object per line"),
    word(
        "ft label",
        "format",
        "write \"fasttext\" for lines with __label__, \"label_first\" for lines that begin with the label",
    ),
    word("xlsx excel xls", "format", "export the sheet as CSV in UTF-8"),
];
