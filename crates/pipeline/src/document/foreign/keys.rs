//! Keys of other programs that are unknown here, in the order of a pipeline file's parts: the optimizer, epochs and batches, the split,
//! classes and metrics, callbacks, the head, embeddings, data, and what isn't a setting of a result.

use super::{Word, word};

/// Unknown keys. Of several entries for a word, the first whose table is above the key counts.
pub(super) const KEYS: &[Word] = &[
    // The learning rate, and the other numbers of optimizers.
    word("lr learningrateinit eta stepsize", "train.optimizer", "it is called `learning_rate` here"),
    word("beta1 beta2 betas", "train.optimizer", "write `beta_1 = 0.9` and `beta_2 = 0.999`"),
    word("eps", "train.optimizer", "it is called `epsilon` here"),
    word("c", "train.optimizer", "scikit-learn's C is 1 / `l2`: for C = 10, write `l2 = 0.1`"),
    word("maxiter epochs maxepochs", "train.optimizer.lbfgs", "it is called `max_iterations` here"),
    word("tol ftol gtol", "train.optimizer.lbfgs", "it is called `tolerance` here"),
    word(
        "penalty solver fitintercept multiclass dual warmstart",
        "train.optimizer.lbfgs",
        "leave it out: `lbfgs` fits with an intercept and an L2 penalty, whose strength is `l2`",
    ),
    word("numiterations iterations numpairs npairs samples", "train.contrastive", "it is called `pairs` here"),
    word("numepochs nepochs numtrainepochs epoch", "train.contrastive", "it is called `epochs` here"),
    word(
        "learningrate lr bodylearningrate",
        "train.contrastive",
        "write `encoder_learning_rate = 2e-5` in [train], beside `contrastive`",
    ),
    word("nesterov", "train.optimizer", "leave it out: `sgd` has plain `momentum`"),
    word("amsgrad usema jitcompile foreach", "train.optimizer", "leave it out: there is no such variant here"),
    word(
        "decay weightdecay",
        "train.optimizer.adam",
        "use adamw: write `optimizer = { adamw = { weight_decay = 0.01 } }`; or set `l2` in [train], a penalty on the kernels",
    ),
    word(
        "bodylearningrate encoderlr bodylr transformerlr",
        "",
        "write `encoder_learning_rate = 2e-5` in [train], of an encoder that is fine-tuned (`trainable = true`)",
    ),
    word(
        "lr learningrate learningrateinit eta headlearningrate baselr",
        "",
        "the learning rate belongs to the optimizer: write `optimizer = { adam = { learning_rate = 1e-3 } }` in [train]",
    ),
    word("weightdecay decay", "", "write `optimizer = { adamw = { weight_decay = 0.01 } }` in [train]"),
    word("momentum nesterov", "", "write `optimizer = { sgd = { momentum = 0.9 } }` in [train]"),
    word(
        "adam adamw sgd rmsprop adagrad",
        "train",
        "write `optimizer = { adam = {} }`; there are adam, adamw, sgd and lbfgs",
    ),
    word(
        "c penalty solver logisticregression logreg linearprobe",
        "",
        "for scikit-learn's LogisticRegression(C=1.0), write `layers = []` in [head] and `optimizer = { lbfgs = { l2 = 1.0 } }` in \
         [train]; C is 1 / `l2`",
    ),
    word(
        "clipnorm maxgradnorm gradientclipval gradclip globalclipnorm gradientclipping",
        "",
        "write `clip = { norm = 1.0 }` in [train]",
    ),
    word("clipvalue", "", "write `clip = { value = 0.5 }` in [train]"),
    word(
        "scheduler lrscheduler lrschedule lrschedulertype warmup warmupsteps warmupratio warmupproportion",
        "",
        "write `schedule = { cosine = { warmup = 0.05 } }` in [train]; there are cosine, exponential and warmup",
    ),
    word(
        "reducelr reducelronplateau plateau",
        "",
        "write [callbacks.reduce_lr_on_plateau], with `factor` and `patience`",
    ),
    // Epochs and batches.
    word(
        "numepochs nepochs maxepochs numtrainepochs maxiter niter iterations",
        "",
        "write `epochs = 100` in [train]; early stopping ends a fit before",
    ),
    word(
        "numiterations",
        "",
        "write `epochs = 100` in [train]; SetFit's pairs of a text are `contrastive = { pairs = 20 }` there",
    ),
    word(
        "fewshot setfit samplingstrategy numpairs pairs contrastivelearning",
        "train",
        "write `contrastive = { pairs = 20 }`: so many pairs of each kind begin with a text",
    ),
    word(
        "batchsize batch minibatch minibatchsize perdevicetrainbatchsize trainbatchsize",
        "",
        "write `batch_size = 32` in [train]",
    ),
    word(
        "gradientaccumulationsteps accumulategradbatches gradientaccumulation accumulationsteps accumulatesteps",
        "",
        "write `accumulate = 2` in [train]: so many batches make a step of an encoder that is fine-tuned",
    ),
    word(
        "stepsperepoch maxsteps validationsteps evalsteps droplast",
        "",
        "leave it out: an epoch is all training rows, in batches of `batch_size`",
    ),
    word(
        "validationbatchsize evalbatchsize perdeviceevalbatchsize",
        "",
        "leave it out: no result depends on how many rows are scored at a time",
    ),
    // The split.
    word(
        "validationsplit valsplit valsize validationsize validationfraction validsize validsplit evalsize devsize val validation dev validationdata",
        "",
        "write `valid = 0.2` in [data.split], a fraction or a number of rows; for a file of its own, [data.valid] with a `path`",
    ),
    word(
        "testsize testsplit testfraction holdout testdata",
        "",
        "write `test = 0.2` in [data.split], a fraction or a number of rows; for a file of its own, [data.test] with a `path`",
    ),
    word(
        "trainsize trainsplit trainfraction nsamples maxtrainsamples",
        "",
        "write `train = 1_000` in [data.split], a number of rows or a fraction; without it, training takes what the others leave",
    ),
    word(
        "numsamples samplesperlabel samplesperclass shots nshots numshots kshot fewshot samplesize",
        "",
        "write `per_class = 8` in [data.split]: this many training rows of each class",
    ),
    word(
        "kfolds kfold nsplits nfolds numfolds cv crossvalidation stratifiedkfold",
        "",
        "write `folds = 10` in [data.split]: each tenth of the rows is the test split once",
    ),
    word("nrepeats numrepeats nruns numruns runs numtrials", "", "write `repeats = 5` in [data.split]"),
    word("stratified stratifyby stratifycol", "", "write `stratify = true` in [data.split]; it is the default"),
    word(
        "groups groupkfold groupcolumn groupcol",
        "",
        "write `group = \"COLUMN\"` in [data]: the rows of a group stay together",
    ),
    word(
        "randomstate randomseed manualseed seedeverything setseed rngseed",
        "",
        "write `seed = 1` at the top of the file; `seed = [1, 2, 3]` in [grid] trains with each",
    ),
    word("seeds", "", "write `seed = [1, 2, 3]` in [grid]"),
    word(
        "shuffle",
        "data",
        "leave it out: the split goes by a hash of each text under `seed`, so that the order of the rows doesn't matter",
    ),
    // Classes and metrics.
    word(
        "classweights classweight classweightdict weights posweight scaleposweight sampleweight",
        "",
        "write `class_weight = \"balanced\"` in [train], or a number for classes, such as `class_weight = { spam = 4.0 }`",
    ),
    word(
        "oversample oversampling undersample samplingstrategy weightedrandomsampler sampler smote",
        "",
        "write `sampling = \"balanced\"` in [train]: every class is drawn equally often",
    ),
    word(
        "metrics metric scoring evalmetric metricforbestmodel score",
        "",
        "leave it out: every run computes accuracy, F1, PR-AUC and others. What settings are ranked by is `metric = \"val_f1\"` in \
         [decide], what ends a fit is `monitor` in [callbacks.early_stopping]",
    ),
    word(
        "numclasses nclasses numlabels classes problemtype task multilabel multitargetstrategy outputactivation",
        "",
        "leave it out: the task and its classes follow from the labels; with `separator` or several label columns it is multi-label",
    ),
    word(
        "labelnames classnames id2label label2id targetnames",
        "",
        "write `class_names = \"FILE\"` in [data]: a file with a name per line",
    ),
    word("poslabel positiveclass positivelabel", "", "write `positive = \"LABEL\"` in [data]"),
    word(
        "labelsmoothing",
        "",
        "write `loss = { binary_cross_entropy = { label_smoothing = 0.1 } }` in [train], or of categorical_cross_entropy",
    ),
    word(
        "criterion lossfn lossfunction objective",
        "",
        "write `loss = ...` in [train], or leave it out: it follows from the labels",
    ),
    word(
        "threshold decisionthreshold",
        "",
        "write `threshold = { f1 = \"max\" }` in [decide]; it is chosen on validation rows",
    ),
    word(
        "calibrate calibrated calibratedclassifiercv",
        "",
        "write `calibration = \"isotonic\"` or `\"temperature\"` in [decide]",
    ),
    // Callbacks.
    word(
        "restorebestweights loadbestmodelatend savebestonly",
        "",
        "leave it out: the weights of the best epoch by `monitor` are always the ones that are kept",
    ),
    word(
        "earlystoppingpatience niternochange patienceepochs",
        "",
        "write `patience = 2` in [callbacks.early_stopping]",
    ),
    word(
        "mode baseline verbose startfromepoch monitorop",
        "callbacks",
        "leave it out: whether a lower or a higher number is better follows from `monitor`",
    ),
    word("tol mindeltaval earlystoppingthreshold", "", "write `min_delta = 0.001` in [callbacks.early_stopping]"),
    word(
        "modelcheckpoint savestrategy savesteps checkpoints",
        "",
        "write [callbacks.checkpoint]; a run that is cut short continues in any case",
    ),
    word(
        "logger reportto wandb mlflow logdir loggingdir loggingsteps tb",
        "",
        "write [callbacks.tensorboard] for TensorBoard's logs; the report is written in any case",
    ),
    word("callback", "", "write a table for each, such as [callbacks.early_stopping]"),
    // The head.
    word(
        "units size outfeatures neurons width",
        "head.layers",
        "write the units as `dense`: `{ dense = 64, activation = \"relu\" }`",
    ),
    word(
        "units hiddenlayersizes hiddensize hiddensizes hiddenunits hiddendim hidden hiddenlayers nhidden layersizes dense layer numlayers mlp model headparams",
        "head",
        "write `layers = [{ dense = 64, activation = \"relu\" }]`, a table for each layer; the output layer follows from the labels",
    ),
    word(
        "units hiddenlayersizes hiddensize hiddensizes hiddenunits hiddendim hiddenlayers nhidden layersizes dense layers",
        "",
        "write `layers = [{ dense = 64, activation = \"relu\" }]` in [head]",
    ),
    word("dropoutrate dropout rate dropoutprob p", "", "write `{ dropout = 0.2 }` as an item of `layers` in [head]"),
    word(
        "activation nonlinearity act",
        "",
        "each layer has its own: write `layers = [{ dense = 64, activation = \"relu\" }]` in [head]",
    ),
    word(
        "batchnorm batchnormalization layernormalization layernorm norm",
        "head",
        "write `{ layer_norm = {} }` as an item of `layers`",
    ),
    word(
        "kernelregularizer l2regularization regularization kernelinitializer usebias l1",
        "",
        "for an L2 penalty on the kernels, write `l2 = 1e-4` in [train]; layers have no settings but their units and activation",
    ),
    // Embeddings.
    word(
        "glove word2vec w2v fasttext gensim keyedvectors vec wordvector wordembeddings",
        "embedding",
        "files of GloVe, word2vec and fastText are of the kind word_vectors: write [embedding.NAME.word_vectors] with a `path`",
    ),
    word(
        "sbert bert setfit sentencetransformers transformers transformer huggingface hf minilm mpnet roberta distilbert encoder",
        "embedding",
        "sentence encoders such as MiniLM and MPNet, and BERT's relatives, are of the kind sentence_transformer: write \
         [embedding.NAME.sentence_transformer] with the `path` of their folder",
    ),
    word(
        "hub tensorflowhub keraslayer use universalsentenceencoder nnlm swivel gnews savedmodel",
        "embedding",
        "modules of TensorFlow Hub are of the kind tfhub: write [embedding.NAME.tfhub] with the `path` of the folder or .tar.gz",
    ),
    word(
        "tfidf tfidfvectorizer countvectorizer bow bagofwords hashingvectorizer naivebayes",
        "",
        "TF-IDF with logistic regression, naive Bayes and NB-SVM are computed beside every run; for an embedding without \
         pretraining, write [embedding.NAME.hashing]",
    ),
    word(
        "textvectorization random scratch embeddinglayer fromscratch lsa svd",
        "embedding",
        "vectors that start at random are of the kind hashing, those learned from the training texts of the kind corpus",
    ),
    word(
        "openai ada cohere voyage api",
        "embedding",
        "an embedding is computed here, from a file: no service is asked; use sentence_transformer or onnx with the `path` of a model",
    ),
    word(
        "kind type class classname source",
        "embedding",
        "the kind is the last part of the table's name: write [embedding.NAME.KIND], such as [embedding.glove.word_vectors]",
    ),
    word(
        "modelname modelid model pretrainedmodelnameorpath nameorpath repo repoid handle hubhandle file filename filepath modelpath folder directory checkpoint",
        "embedding",
        "write `path = \"FOLDER OR FILE\"`; with `url = \"hf://ORG/NAME\"` beside it, `emberline fetch` downloads it",
    ),
    word(
        "glove word2vec fasttext sbert bert minilm embeddings tfhub wordvectors sentencetransformer encoder embeddinglayer modelname modelid pretrainedmodelnameorpath hubmodule vectorizer",
        "",
        "write a table with a name of your choice and the kind: [embedding.NAME.word_vectors] for GloVe, word2vec and fastText, \
         [embedding.NAME.sentence_transformer] for BERT and its relatives, [embedding.NAME.tfhub]; each with a `path`",
    ),
    word(
        "model network architecture classifier nn",
        "",
        "write its layers in [head], how it is fitted in [train], and what it gets in [embedding.NAME.KIND]",
    ),
    word(
        "embeddingdim outputdim dimension dimensions embeddingsize vectorsize size ncomponents truncatedim dims nfeatures featuresize",
        "",
        "write `dim = 64` in [embedding.NAME.KIND]; to compare sizes, `\"embedding.dim\" = [32, 64]` in [grid]",
    ),
    word(
        "peft peftconfig loraconfig loraalpha lorar lorarank adapter adapters r",
        "embedding",
        "write `trainable = true` and `lora = { rank = 8 }` in [embedding.NAME.sentence_transformer]; `alpha` stands beside `rank`",
    ),
    word(
        "unfreezelayers trainablelayer numtrainablelayers freezelayers lastlayers unfreeze",
        "",
        "write `trainable = true` and `trainable_layers = 2` in [embedding.NAME.sentence_transformer]: so many are trained, from the last",
    ),
    word(
        "hiddendropoutprob attentionprobsdropoutprob encoderdropoutrate bodydropout",
        "",
        "write `encoder_dropout = 0.1` in [train], of an encoder that is fine-tuned",
    ),
    word(
        "freeze frozen finetune finetuning requiresgrad freezeembeddings freezebody endtoend trainembeddings",
        "",
        "write `trainable = false` (frozen) or `true` (fine-tuned) in [embedding.NAME.KIND]; `\"embedding.trainable\" = [false, true]` in \
         [grid] compares both",
    ),
    word(
        "maxlength maxseqlength maxlen maxseqlen sequencelength outputsequencelength truncation padding blocksize",
        "",
        "write `max_length = 256` in the table of a sentence_transformer, model2vec or onnx embedding; other kinds take whole texts",
    ),
    word(
        "vocabsize maxfeatures maxtokens numwords maxvocab vocabularysize",
        "",
        "write `max_words` in [embedding.NAME.corpus] or `buckets` in [embedding.NAME.hashing]; pretrained tables bring their own words",
    ),
    word("mindf mincount minfrequency", "", "write `min_count = 2` in [embedding.NAME.corpus]"),
    word("ngramrange ngram wordngrams", "", "write `ngrams = 2` in [embedding.NAME.hashing]"),
    word(
        "poolingmode pool aggregation reduction",
        "embedding",
        "write `combiner = \"mean\"` for tables of words, `pooling` for onnx; a sentence_transformer's folder says its own",
    ),
    word(
        "oovtoken oov unktoken unk",
        "",
        "leave it out: words that a table doesn't know don't count in the mean, and the report says how many there are",
    ),
    // Data.
    word(
        "textcolumn textcol textfield sentencecolumn x features feature input inputcolumn inputs texts sentence sentences document documents columnmapping",
        "",
        "write `text = \"COLUMN\"` in [data]",
    ),
    word(
        "labelcolumn labelcol labelfield targetcolumn target y targets output labels labelcolumns classcolumn",
        "",
        "write `label = \"COLUMN\"` in [data]; a list of columns of 0 and 1 is multi-label",
    ),
    word(
        "file filename filepath files datadir datapath datafiles csv dataset datasetname csvpath inputfile root",
        "",
        "write `path = \"train.csv\"` in [data]",
    ),
    word(
        "trainfile trainpath traindata traindataset trainingdata",
        "",
        "write [data.train] with a `path`, and [data.test] for the test rows",
    ),
    word(
        "testfile testpath testdataset evaldataset evalfile validfile validationfile validpath",
        "",
        "write [data.valid] or [data.test] with a `path`",
    ),
    word(
        "sep delim fieldsep quotechar",
        "data",
        "write `delimiter = \";\"`; what separates the labels of one field is `separator`",
    ),
    word("encoding charset", "", "leave it out: files are read as UTF-8; convert others with iconv"),
    word(
        "skiprows usecols indexcol nrows dtype navalues",
        "data",
        "leave it out: only the text and label columns are read; `train` in [data.split] limits the rows",
    ),
    word("dedup deduplicate dropduplicates", "", "write `duplicates = \"drop\"` in [data]; it is the default"),
    // What isn't a setting of a result.
    word(
        "device gpu gpus cuda accelerator usegpu usecuda nocuda",
        "",
        "leave it out: the device is chosen by `emberline run --device cuda`, so that the file runs anywhere",
    ),
    word(
        "njobs numworkers workers threads dataloadernumworkers",
        "",
        "leave it out: `emberline run --jobs N` says how many cells are trained at once; no result depends on it",
    ),
    word(
        "outputdir outdir savepath savedir rundir resultsdir modeldir",
        "",
        "leave it out: `emberline run --out DIR` says where results are written; by default runs/NAME beside the file",
    ),
    word("verbose verbosity loglevel progress", "", "leave it out: it is asked for on the command line"),
    word(
        "mixedprecision fp16 bf16 amp useamp autocast dtype precision torchdtype",
        "",
        "write `precision = \"bf16\"` in [embedding.NAME.sentence_transformer] to compute an encoder in mixed precision; heads are trained in 32 bits",
    ),
    word(
        "paramgrid paramdistributions hyperparameters searchspace sweep ntrials gridsearch gridsearchcv hpo tuner matrix",
        "",
        "write [grid] with an axis per line, such as `\"train.batch_size\" = [16, 32]`; the cells are all combinations",
    ),
    word(
        "experimentname runname projectname project title description",
        "",
        "write `name = \"...\"` at the top of the file",
    ),
    word("version schemaversion", "", "leave it out: a pipeline file has no version"),
];
