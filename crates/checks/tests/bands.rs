//! The error rates of the checks, on synthetic data sets: what is planted is found, and clean data are left alone.
//!
//! Seeds are fixed and were not chosen: they are 0, 1, 2, ... The tests marked as ignored take minutes and are run by
//! `ci/simulate.sh`; the others are the same with fewer data sets.

use std::collections::{BTreeMap, HashSet};

use emberline_base::warning::Code;
use emberline_base::{Substream, Task};
use emberline_checks::{Checked, Depth, Verdict, check, mislabelled, mojibake, near_duplicates};

mod simulation;

use simulation::{Data, World, sentence};

const BINARY: World = World {
    name: "binary, balanced, short",
    task: Task::Binary,
    classes: &[0.5, 0.5],
    rows: 1_000,
    words: 11.0,
    spread: 0.4,
    longer: 1.0,
    cues: 0.25,
    confusion: 0.15,
    accented: false,
};

/// The shapes of clean data.
const SHAPES: [World; 11] = [
    BINARY,
    World { name: "binary, 6 % positives", classes: &[0.94, 0.06], rows: 2_000, ..BINARY },
    World {
        name: "six classes",
        task: Task::MultiClass,
        classes: &[0.3, 0.2, 0.2, 0.15, 0.1, 0.05],
        rows: 1_200,
        ..BINARY
    },
    World { name: "twenty classes", task: Task::MultiClass, classes: &[0.05; 20], rows: 2_000, ..BINARY },
    World { name: "long texts", rows: 400, words: 150.0, spread: 0.6, cues: 0.08, ..BINARY },
    World {
        name: "long texts, overlapping",
        rows: 300,
        words: 300.0,
        spread: 0.5,
        cues: 0.05,
        confusion: 0.5,
        ..BINARY
    },
    World { name: "multi-label", task: Task::MultiLabel, classes: &[0.1, 0.4, 0.2, 0.05, 0.3, 0.15], ..BINARY },
    World { name: "few rows", rows: 150, ..BINARY },
    World { name: "hard to tell apart", cues: 0.1, confusion: 0.5, ..BINARY },
    World { name: "accents and other scripts", accented: true, rows: 800, ..BINARY },
    World { name: "positives are longer", longer: 1.3, words: 9.0, classes: &[0.8, 0.2], ..BINARY },
];

/// Classes that their words tell apart: what planted wrong labels need.
const SEPARABLE: [World; 4] = [
    World { name: "separable, binary", cues: 0.4, confusion: 0.05, ..BINARY },
    World {
        name: "separable, 10 % positives",
        cues: 0.4,
        confusion: 0.05,
        classes: &[0.9, 0.1],
        rows: 2_000,
        ..BINARY
    },
    World {
        name: "separable, six classes",
        task: Task::MultiClass,
        classes: &[0.3, 0.2, 0.2, 0.15, 0.1, 0.05],
        cues: 0.4,
        confusion: 0.05,
        rows: 1_500,
        ..BINARY
    },
    World { name: "separable, long texts", words: 80.0, cues: 0.15, confusion: 0.1, rows: 500, ..BINARY },
];

/// The shares of rows whose label is flipped.
const FLIPPED: [f64; 3] = [0.02, 0.05, 0.1];

#[expect(clippy::print_stdout, reason = "the figures are what the test is run for")]
fn report(what: &str, found: usize, of: usize, band: &str) {
    println!("BAND {what}: {found} of {of} ({:.4}), {band}", found as f64 / of.max(1) as f64);
}

/// The codes of what is found in data.
fn found(data: &Data) -> Vec<Code> {
    let checked = check(&data.subject(&data.texts), Depth::Thorough);
    let is_found = |verdict: &Verdict| matches!(verdict, Verdict::Found(_));
    checked.into_iter().filter(|checked| is_found(&checked.verdict)).map(|checked| checked.code).collect()
}

/// The checks, each with the number of clean data sets that it warns of and the number of those that it can be made of.
type Alarms = BTreeMap<Code, (usize, usize)>;

/// Holds clean data to the band: of a hundred data sets, each check warns of one at most.
fn clean(what: &str, shapes: &[World], seeds: u64) {
    let mut alarms = Alarms::new();
    for (world, seed) in shapes.iter().flat_map(|world| (0..seeds).map(move |seed| (world, seed))) {
        let data = world.draw(seed);
        for Checked { code, verdict } in check(&data.subject(&data.texts), Depth::Thorough) {
            let (warned, applied) = alarms.entry(code).or_default();
            *warned += usize::from(matches!(verdict, Verdict::Found(_)));
            *applied += usize::from(!matches!(verdict, Verdict::NotApplicable(_)));
        }
    }
    let sets = shapes.len() * seeds as usize;
    for (code, (warned, applied)) in &alarms {
        report(&format!("{code}, false alarms, {what} ({applied} applicable)"), *warned, sets, "at most .01");
    }
    assert!(alarms.values().all(|(warned, _)| warned * 100 <= sets), "{alarms:?} of {sets} clean data sets");
}

#[test]
fn clean_data_are_left_alone() {
    clean("clean", &SHAPES, 2);
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn clean_data_are_left_alone_200_times() {
    clean("clean", &SHAPES, 20);
    clean("separable", &SEPARABLE, 50);
}

/// Plants a defect in data sets of several shapes, and expects the warning in every one.
fn planted(code: Code, shapes: &[World], seeds: u64, plant: impl Fn(&mut Data, &mut Substream)) {
    let (mut sets, mut hits) = (0, 0);
    for world in shapes {
        for seed in 1_000..1_000 + seeds {
            let mut data = world.draw(seed);
            plant(&mut data, &mut Substream::new(seed, "plant"));
            sets += 1;
            let is_found = found(&data).contains(&code);
            hits += usize::from(is_found);
            assert!(is_found, "{code} in {}, seed {seed}", world.name);
        }
    }
    report(&format!("{code}, data sets with it"), hits, sets, "all");
}

fn one_class(seeds: u64) {
    let single: Vec<World> = SHAPES.into_iter().filter(|world| world.task != Task::MultiLabel).collect();
    planted(Code::OneClassSplit, &single, seeds, |data, _| {
        let rows = data.splits.valid.clone().unwrap_or_default();
        let first = data.class(rows[0]);
        let of_first = rows.into_iter().filter(|&row| data.class(row) == first).collect();
        data.splits.valid = Some(of_first);
    });
}

/// Every way of changing a text a little.
fn changed(text: &str, stream: &mut Substream) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    match stream.below(4) {
        0 => words.insert(stream.below(words.len()), "really"),
        1 => drop(words.remove(stream.below(words.len()))),
        2 => return text.to_uppercase().replace(['.', '?', ','], "!"),
        _ => return format!("{text} Thanks"),
    }
    words.join(" ")
}

/// Replaces one held-out text of fifty by a training text with a change.
fn plant_near_duplicates(data: &mut Data, stream: &mut Substream) {
    let is_long = |row: &usize, data: &Data| data.texts[*row].split(' ').count() >= 10;
    let sources: Vec<usize> = data.splits.train.iter().copied().filter(|row| is_long(row, data)).collect();
    for split in [data.splits.valid.clone(), data.splits.test.clone()] {
        let rows = split.unwrap_or_default();
        for _ in 0..(rows.len() / 50).max(2) {
            let row = rows[stream.below(rows.len())];
            data.texts[row] = changed(&data.texts[sources[stream.below(sources.len())]], stream);
            data.planted.push(row);
        }
    }
}

fn near(seeds: u64) {
    planted(Code::NearDuplicates, &SHAPES, seeds, plant_near_duplicates);
    let (mut recalled, mut all, mut wrong) = (0, 0, 0);
    for world in SHAPES {
        for seed in 1_000..1_000 + seeds {
            let mut data = world.draw(seed);
            plant_near_duplicates(&mut data, &mut Substream::new(seed, "plant"));
            let rows: HashSet<usize> =
                near_duplicates::find(&data.subject(&data.texts)).into_iter().map(|pair| pair.row).collect();
            let planted: HashSet<usize> = data.planted.iter().copied().collect();
            recalled += planted.intersection(&rows).count();
            all += planted.len();
            wrong += rows.difference(&planted).count();
        }
    }
    report("EMB015, rows", recalled, all, "at least .9");
    report("EMB015, rows that are none", wrong, recalled + wrong, "at most .01");
    assert!(recalled * 10 >= all * 9 && wrong * 100 <= recalled + wrong, "{recalled} of {all}, {wrong} wrong");
}

fn class_names(seeds: u64) {
    // In long texts of overlapping classes, the name of each class is in most texts of the others too: it tells nothing.
    let told: Vec<World> = SHAPES.into_iter().filter(|world| world.name != "long texts, overlapping").collect();
    planted(Code::ClassNameInText, &told, seeds, |data, stream| {
        for row in 0..data.texts.len() {
            if let [1, ..] = data.labels.of_row(row)
                && stream.unit() < 0.6
            {
                data.texts[row] += &format!(" #{}", data.labels.classes[1]);
            }
        }
    });
}

fn lengths(seeds: u64) {
    let single: Vec<World> = SHAPES.into_iter().filter(|world| world.task != Task::MultiLabel).collect();
    planted(Code::LengthPredicts, &single, seeds, |data, _| {
        for row in 0..data.texts.len() {
            if data.class(row) == 1 {
                let text = data.texts[row].clone();
                data.texts[row] = sentence([text.as_str(); 6].into_iter());
            }
        }
    });
}

fn damaged_characters(seeds: u64) {
    let misread =
        ["donâ€™t", "cafÃ© crÃ¨me", "naÃ¯ve Ã§a", "5 Â£ Ã©", "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "so â€“ what", "lost \u{fffd} sign"];
    let plant = |data: &mut Data, stream: &mut Substream| {
        for _ in 0..(data.texts.len() / 200).max(2) {
            let row = stream.below(data.texts.len());
            let text = data.texts[row].clone();
            data.texts[row] = format!("{text} {}", misread[stream.below(misread.len())]);
            data.planted.push(row);
        }
    };
    planted(Code::Mojibake, &SHAPES, seeds, plant);
    let (mut recalled, mut all) = (0, 0);
    for world in SHAPES {
        for seed in 1_000..1_000 + seeds {
            let mut data = world.draw(seed);
            plant(&mut data, &mut Substream::new(seed, "plant"));
            let rows: HashSet<usize> =
                mojibake::find(&data.subject(&data.texts)).into_iter().map(|damaged| damaged.row).collect();
            let planted: HashSet<usize> = data.planted.iter().copied().collect();
            assert_eq!(rows.difference(&planted).count(), 0);
            (recalled, all) = (recalled + planted.intersection(&rows).count(), all + planted.len());
        }
    }
    report("EMB021, rows", recalled, all, "all");
    assert_eq!(recalled, all);
}

/// Gives rows another class at random.
fn flip(data: &mut Data, share: f64, stream: &mut Substream) {
    let count = data.labels.classes.len();
    for row in 0..data.texts.len() {
        if f64::from(stream.unit()) < share {
            let class = &mut data.classes_mut()[row];
            *class = (*class + 1 + stream.below(count - 1) as u32) % count as u32;
            data.planted.push(row);
        }
    }
}

/// What was found of planted wrong labels.
#[derive(Default)]
struct Flips {
    planted: usize,
    recalled: usize,
    wrong: usize,
    sets: usize,
    warned: usize,
    /// How many of the suspects are expected to be right, by their probabilities.
    expected: f64,
    /// The data sets whose share of wrong labels is in the interval.
    covered: usize,
}

impl Flips {
    fn add(&mut self, world: &World, share: f64, seed: u64) {
        let mut data = world.draw(seed);
        flip(&mut data, share, &mut Substream::new(seed, "plant"));
        let judgement = mislabelled::judge(&data.subject(&data.texts)).expect("enough rows");
        let rows: HashSet<usize> = judgement.suspects.iter().map(|suspect| suspect.row).collect();
        let planted: HashSet<usize> = data.planted.iter().copied().collect();
        self.planted += planted.len();
        self.recalled += planted.intersection(&rows).count();
        self.wrong += rows.difference(&planted).count();
        self.sets += 1;
        self.warned += usize::from(judgement.is_convincing());
        self.expected += judgement.expected_right();
        let [low, high] = judgement.noise.interval;
        self.covered += usize::from((low..=high).contains(&(planted.len() as f64 / judgement.rows as f64)));
    }

    /// Holds the figures to the bands.
    fn hold(&self, what: &str) {
        let Self { planted, recalled, wrong, sets, warned, expected, covered } = *self;
        report(&format!("EMB022, {what}, rows"), recalled, planted, "at least .9");
        report(&format!("EMB022, {what}, rows that are none"), wrong, recalled + wrong, "at most .1");
        report(&format!("EMB022, {what}, data sets"), warned, sets, "at least .9");
        report(
            &format!("EMB022, {what}, rows expected to be right"),
            expected.round() as usize,
            wrong,
            "for information",
        );
        report(&format!("EMB022, {what}, shares inside the interval"), covered, sets, "for information");
        assert!(recalled * 10 >= planted * 9, "{what}: {recalled} of {planted}");
        assert!(wrong * 10 <= recalled + wrong, "{what}: {wrong} beside {recalled}");
        assert!(warned * 10 >= sets * 9, "{what}: {warned} of {sets} data sets");
    }
}

#[test]
fn what_is_planted_is_found() {
    one_class(1);
    near(1);
    class_names(1);
    lengths(1);
    damaged_characters(1);
}

#[test]
fn wrong_labels_are_found() {
    let mut all = Flips::default();
    for (share, world) in FLIPPED.iter().flat_map(|share| SEPARABLE.iter().map(move |world| (share, world))) {
        all.add(world, *share, 1_000);
    }
    all.hold("all");
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn what_is_planted_is_found_20_times() {
    one_class(20);
    near(20);
    class_names(20);
    lengths(20);
    damaged_characters(20);
}

#[test]
#[ignore = "takes a minute: ci/simulate.sh"]
fn wrong_labels_are_found_20_times() {
    for (share, world) in FLIPPED.iter().flat_map(|share| SEPARABLE.iter().map(move |world| (share, world))) {
        let mut of_world = Flips::default();
        (1_000..1_020).for_each(|seed| of_world.add(world, *share, seed));
        of_world.hold(&format!("{}, {:.0} % flipped", world.name, 100.0 * share));
    }
}
