//! `init --from PROGRAM`: prints an experiment as it is written for another program, step by step beside the lines of a pipeline
//! file. The steps are those of `docs/from-*.md`, whose code a test runs.

use std::io::{self, Write};

use crate::args::Program;
use crate::exit::{Code, Error};

/// A block of code of a step.
#[derive(Debug, PartialEq, Eq)]
struct Block<'t> {
    /// `python` or `toml`.
    language: &'t str,
    code: &'t str,
}

/// A step of a page: its heading, and its code.
#[derive(Debug, PartialEq, Eq)]
struct Step<'t> {
    title: &'t str,
    blocks: Vec<Block<'t>>,
}

pub(super) fn run(program: Program) -> Result<Code, Error> {
    let (name, page) = match program {
        Program::Keras => ("Keras", include_str!("../../../../../docs/from-keras.md")),
        Program::Sklearn => ("scikit-learn", include_str!("../../../../../docs/from-sklearn.md")),
        Program::Setfit => ("SetFit", include_str!("../../../../../docs/from-setfit.md")),
    };
    write!(io::stdout(), "{}", shown(name, &steps(page)))?;
    Ok(Code::Fine)
}

/// Returns the steps of a page that have code of both.
fn steps(page: &str) -> Vec<Step<'_>> {
    let sections = page.split("\n## ").skip(1);
    let step = |section| Step { title: str::lines(section).next().unwrap_or_default(), blocks: blocks(section) };
    let has_both = |step: &Step<'_>| ["python", "toml"].iter().all(|of| step.blocks.iter().any(|b| b.language == *of));
    sections.map(step).filter(has_both).collect()
}

/// Returns the fenced blocks of Python and TOML in a section.
fn blocks(section: &str) -> Vec<Block<'_>> {
    let mut fences = section.split("\n```").skip(1);
    let mut found = Vec::new();
    // The parts between fences are, in turn, inside and outside of a block.
    while let Some(inside) = fences.next() {
        if let Some((language, code)) = inside.split_once('\n').filter(|(l, _)| ["python", "toml"].contains(l)) {
            found.push(Block { language, code });
        }
        fences.next();
    }
    found
}

/// Lays the steps out: the lines of the program on the left, ours on the right.
fn shown(program: &str, steps: &[Step<'_>]) -> String {
    let lines_of = |step: &Step<'_>, of: &str| -> Vec<String> {
        let blocks = step.blocks.iter().filter(|block| block.language == of);
        blocks.flat_map(|block| block.code.lines().map(str::to_owned)).collect()
    };
    let left: Vec<Vec<String>> = steps.iter().map(|step| lines_of(step, "python")).collect();
    let width = left.iter().flatten().map(|line| line.chars().count()).max().unwrap_or(0).max(program.len());
    let row = |left: &str, right: &str| {
        let pad = " ".repeat(width - left.chars().count());
        format!("{left}{pad} | {right}").trim_end().to_owned() + "\n"
    };
    let mut text = row(program, "Emberline");
    for (step, left) in steps.iter().zip(&left) {
        text += &row(&"-".repeat(width), "-".repeat(40).as_str());
        text += &row(&format!("# {}", cut(step.title, width - 2)), "");
        let right = lines_of(step, "toml");
        for at in 0..left.len().max(right.len()) {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            text += &row(&line(left), &line(&right));
        }
    }
    text
}

fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_steps_of_both() {
        for page in [
            include_str!("../../../../../docs/from-keras.md"),
            include_str!("../../../../../docs/from-sklearn.md"),
            include_str!("../../../../../docs/from-setfit.md"),
        ] {
            assert!(steps(page).len() >= 4, "{page}");
        }
    }

    #[test]
    fn steps_are_laid_out_side_by_side() {
        let page = "# x\n\n## Data\n\nwords\n\n```python\na = 1\nbb = 2\n```\n\n```toml\n[data]\n```\n\n## None\n\n```sh\nls\n```\n";
        let found = steps(page);
        assert_eq!(found.len(), 1);
        assert_eq!(
            shown("Keras", &found),
            format!("Keras  | Emberline\n------ | {0}\n# Data |\na = 1  | [data]\nbb = 2 |\n", "-".repeat(40))
        );
    }
}
