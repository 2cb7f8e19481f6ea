//! Groups the combinations that a grid leaves out by reason, for the summary, so that a large grid has few entries.

use std::collections::HashMap;

use emberline_base::record;

use crate::plan::LeftOut;

/// Maximum number of reasons that are listed; combinations with any other reason are counted together.
const MAX_REASONS: usize = 50;

/// Groups the combinations by reason, in the order in which the reasons first occur.
pub(super) fn by_reason(left_out: &[LeftOut]) -> Vec<record::LeftOut> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<record::LeftOut> = Vec::new();
    for LeftOut { axes, reason } in left_out {
        let is_listed = places.len() < MAX_REASONS || places.contains_key(reason.as_str());
        let reason = if is_listed { reason.as_str() } else { "other reasons; `emberline plan` names them all" };
        let place = *places.entry(reason).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => {
                group.combinations += 1;
                group.settings.retain(|key, value| axes.iter().any(|(axis, chosen)| axis == key && chosen == value));
            }
            None => {
                groups.push(record::LeftOut { reason: reason.to_owned(), combinations: 1, settings: axes.to_map() })
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::plan::Plan;

    fn file(grid: &str) -> String {
        format!(
            r#"
name = "p"
[data]
path = "t.csv"
text = "t"
label = "l"
[embedding.a.hashing]
dim = 4
[embedding.b.word_vectors]
path = "v.txt"
[grid]
{grid}
"#
        )
    }

    fn left_out(grid: &str) -> Vec<record::LeftOut> {
        let file = file(grid);
        by_reason(&Plan::of(&Pipeline::parse("p", &file, Path::new("."), &[]).expect("sound")).left_out)
    }

    #[test]
    fn combinations_are_counted_by_reason_with_what_they_share_and_the_cure() {
        let groups = left_out("embedding = [\"a\", \"b\"]\n\"embedding.dim\" = [2, 3]\nseed = [1, 2, 3]");
        assert_eq!(groups.len(), 1, "{groups:?}");
        assert_eq!(groups[0].combinations, 6);
        assert!(groups[0].reason.starts_with("`b` ") && groups[0].reason.contains("pca"), "{}", groups[0].reason);
        assert_eq!(serde_json::to_value(&groups[0].settings).expect("a map"), serde_json::json!({"embedding": "b"}));
    }

    #[test]
    fn many_reasons_are_not_all_listed() {
        let left_out: Vec<LeftOut> = {
            let pipeline = Pipeline::parse("p", &file("seed = [1]"), Path::new("."), &[]).expect("sound");
            let axes = Plan::of(&pipeline).cells[0].axes.clone();
            (0..199).map(|number| LeftOut { axes: axes.clone(), reason: format!("reason {number}") }).collect()
        };
        let groups = by_reason(&left_out);
        assert!(
            groups.len() == MAX_REASONS + 1 && groups[MAX_REASONS].reason.starts_with("other reasons"),
            "{groups:?}"
        );
        assert_eq!(groups.iter().map(|group| group.combinations).sum::<usize>(), 199);
    }
}
