//! `report.html`: a self-contained page with inline style, script and charts.
//!
//! It loads nothing from the network. It is complete without the script, which sorts tables, shows values beside the pointer, hides
//! curves, moves the threshold and offers other axes. The page follows the reader's light or dark theme, has room on a phone, and is
//! printable. All text from the records is escaped by the sections, as the last step.
//!
//! | module | what it renders |
//! |---|---|
//! | `first_screen`, `ranked` | the answer, the warnings, the ranked settings as a picture |
//! | `curves_section`, `influences` | training curves; scores by dimension, by number of labels and by any two axes |
//! | `model_section`, `judged`, `confusion`, `mistakes` | the chosen model on the evaluated rows |
//! | `cells`, `reproduce` | every cell; the commands and the files that the page carries |
//! | `parts`, `interactive` | what the sections are made of; the values that the script works with |

mod cells;
mod confusion;
mod curves_section;
mod first_screen;
mod influences;
mod interactive;
mod judged;
mod mistakes;
mod model_section;
mod parts;
mod ranked;
mod reproduce;

use self::interactive::Interactive;
use self::parts::{Section, label, table};
use super::content_policy::policy;
use crate::carried::block;
use crate::curves::curves;
use crate::details::Details;
use crate::ranking::Ranking;
use crate::{Run, table as tables};

const STYLE: &str = concat!(
    "\n",
    include_str!("html/style/base.css"),
    include_str!("html/style/first_screen.css"),
    include_str!("html/style/tables.css"),
    include_str!("html/style/charts.css"),
    include_str!("html/style/model.css"),
    include_str!("html/style/media.css"),
);
const SCRIPT: &str = concat!(
    "\n\"use strict\";\n(() => {\n",
    include_str!("html/script/values.js"),
    include_str!("html/script/tables.js"),
    include_str!("html/script/legends.js"),
    include_str!("html/script/pointer.js"),
    include_str!("html/script/heat_map.js"),
    include_str!("html/script/decisions.js"),
    include_str!("html/script/threshold.js"),
    include_str!("html/script/confusion.js"),
    include_str!("html/script/files.js"),
    include_str!("html/script/page.js"),
    "})();\n",
);

/// Renders the page.
pub(super) fn render(run: &Run, details: &Details) -> String {
    let ranking = Ranking::of(&run.summary);
    let name = if run.summary.name.is_empty() { "unnamed pipeline" } else { run.summary.name.as_str() };
    let name = label(name);
    let mut interactive = Interactive::default();
    let sections = sections(run, details, &ranking, &mut interactive);
    let links: Vec<(&str, &str)> = sections.iter().map(|section| (section.id, section.link)).collect();
    let mut out = head(&name);
    out.push_str(&first_screen::navigation(&links));
    out.push_str("<main id=\"main\">\n");
    out.push_str(&first_screen::render(&run.summary, &ranking, &name));
    out.extend(sections.iter().map(Section::render));
    out.push_str("</main>\n");
    out.push_str(&interactive.block());
    out.push_str(&block(&details.files));
    out + &format!("<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

/// Returns the head of the page and the beginning of its body. `name` is escaped.
fn head(name: &str) -> String {
    let policy = policy(STYLE, SCRIPT);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name} – Emberline report</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the answer</a>\n"
    )
}

fn sections(run: &Run, details: &Details, ranking: &Ranking<'_>, interactive: &mut Interactive) -> Vec<Section> {
    let summary = &run.summary;
    let mut sections = vec![curves_section::render(&curves(run, ranking), ranking, interactive)];
    sections.extend(influences::render(summary, ranking, interactive));
    sections.push(model_section::render(details.evaluation.as_ref(), interactive));
    sections.push(Section::new("settings", "Settings", table(&tables::settings::table(summary, ranking))));
    if let Some(baselines) = tables::baselines::table(summary, ranking) {
        sections.push(Section::new("baselines", "Baselines", table(&baselines)));
    }
    if let Some(fits) = tables::fits::table(run, ranking) {
        sections.push(Section::new("fits", "How training went", table(&fits)).linked("Training"));
    }
    sections.push(Section::new("data", "Data", table(&tables::data::table(&summary.data))));
    sections.push(Section::new("cells", "Cells", cells::render(run)));
    if let Some(left_out) = tables::left_out::table(summary) {
        sections.push(Section::new("left-out", "Left out", table(&left_out)));
    }
    sections.push(reproduce::render(summary, details));
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carried::{CarriedFile, read_carried};
    use crate::sample;

    fn all() -> Vec<(Run, Details)> {
        use sample::{all_failed, course, empty, hostile, many_classes, single, sweep, without_validation};
        let runs =
            vec![course(), single(), without_validation(), all_failed(), empty(), many_classes(), sweep(), hostile()];
        let evaluations = [sample::evaluation(), sample::evaluation_of_classes(), sample::evaluation_of_labels()];
        let with_details = evaluations.into_iter().map(|evaluation| {
            let files = vec![CarriedFile::new("summary.json", "{}"), CarriedFile::new("p.toml", "<x>")];
            (course(), Details { evaluation: Some(evaluation), files, left_out: vec!["<b>".to_owned()] })
        });
        runs.into_iter().map(|run| (run, Details::default())).chain(with_details).collect()
    }

    #[test]
    fn every_tag_is_closed() {
        for (run, details) in all() {
            let page = render(&run, &details);
            assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
            let text = page.split("<script").next().expect("a page");
            for tag in [
                "section", "table", "tr", "td", "th", "svg", "g", "ul", "li", "dl", "div", "strong", "small",
                "details", "figure", "nav", "main",
            ] {
                let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
                assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag} in {}", run.summary.name);
            }
        }
    }

    #[test]
    fn nothing_is_fetched_and_nothing_in_a_name_is_obeyed() {
        for (run, details) in all() {
            let page = render(&run, &details);
            for forbidden in ["http:", "https:", "src=", "url(", "@import", "javascript:"] {
                let escaped = page.matches(&format!("img {forbidden}")).count()
                    + page.matches("HYPERLINK").count()
                    + page.matches("[a](javascript:").count();
                assert!(page.matches(forbidden).count() <= escaped, "{forbidden} in {}", run.summary.name);
            }
            assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count());
            assert_eq!((page.matches("<script").count(), page.matches("<style").count()), (3, 1));
            assert!(!page.contains("<img") && !page.contains("<svg onload") && !page.contains('\u{1b}'));
            assert!(!page.contains(" style=\""), "the policy forbids it");
        }
    }

    #[test]
    fn the_answer_leads_and_warnings_follow() {
        assert!(!render(&sample::course(), &Details::default()).contains("class=\"warnings\""));
        let page = render(&sample::hostile(), &Details::default());
        let (warning, answer) = (page.find("<strong>EMB001</strong>: the label"), page.find("class=\"answer\""));
        assert!(warning.is_some() && answer < warning && warning < page.find("class=\"ranked\""));
    }

    #[test]
    fn the_page_says_what_it_should() {
        let page = render(&sample::course(), &Details::default());
        for part in [
            "<h1>quora-insincere</h1>",
            "<strong>nnlm-128 · ",
            "<dt>cells done</dt><dd>16 of 18</dd>",
            "<th scope=\"col\" class=\"n\">val_<wbr>accuracy<small>majority 0.9381</small></th>",
            "<small>prevalence 0.0619</small>",
            "<dt>positive class</dt><dd>insincere (it has fewer rows than the other; data.positive would name it)</dd>",
            "aria-label=\"accuracy by epoch\"",
            "aria-label=\"loss by epoch\"",
            "aria-label=\"val_pr_auc by dimension of the embedding\"",
            "1.4 GiB free<br>in the embedding table",
            "<td>pending</td>",
            "There are no stored predictions",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn ids_are_unique_and_every_link_has_a_target() {
        for (run, details) in all() {
            let page = render(&run, &details);
            let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            let mut unique = ids.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(ids.len(), unique.len());
            let links = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
            assert!(links.into_iter().all(|link| ids.contains(&link)), "{}", run.summary.name);
        }
    }

    #[test]
    fn the_page_carries_its_files() {
        for (run, details) in all() {
            assert_eq!(read_carried(&render(&run, &details)), Ok(details.files));
        }
    }

    /// 200 cells in at most 2 MB, without predictions, which have a limit of their own.
    #[test]
    fn pages_of_many_cells_stay_small() {
        let run = sample::sweep();
        let summary = serde_json::to_vec_pretty(&run.summary).expect("JSON");
        let details = Details { files: vec![CarriedFile::new("summary.json", summary)], ..Details::default() };
        let size = render(&run, &details).len();
        assert!(size < 1_000_000, "{size}");
    }
}
