//! The warning about cells that were trained on different GPUs, or some on a GPU and some on the CPU.

use std::collections::BTreeMap;

use emberline_base::Warning;
use emberline_base::number::counted;
use emberline_base::record::{Cell, Outcome};
use emberline_base::warning::Code;
use emberline_device::Device;

/// The hardware of a cell: the kind of device, and the model of a GPU. CPUs with registers of another width count as one: training
/// has come to equal bytes on them.
type Hardware = (String, String);

/// Returns a warning if cells that are compared were trained on different models of GPUs, or on different kinds of devices.
/// `--device auto` trains frozen embeddings on the GPU, and fine-tuned ones and L-BFGS on the CPU: such a difference is the
/// cells' own, and isn't warned of.
pub(super) fn warning(cells: &[Cell]) -> Option<Warning> {
    let outcomes = || cells.iter().filter_map(|cell| Some((cell, cell.outcome.as_ref()?)));
    let mut models: BTreeMap<Hardware, usize> = BTreeMap::new();
    let mut of_group: BTreeMap<(bool, bool), BTreeMap<Hardware, usize>> = BTreeMap::new();
    for (cell, outcome) in outcomes() {
        let hardware = hardware(outcome);
        if outcome.device != Device::Cpu.name() {
            *models.entry(hardware.clone()).or_default() += 1;
        }
        *of_group.entry(group(cell, outcome)).or_default().entry(hardware).or_default() += 1;
    }
    let mixed: Vec<&BTreeMap<Hardware, usize>> =
        std::iter::once(&models).chain(of_group.values()).filter(|hardware| hardware.len() > 1).collect();
    let counts = mixed.first()?;
    let usual = counts.iter().max_by_key(|(_, count)| **count).map(|(hardware, _)| hardware.clone())?;
    let is_other = |(_, outcome): &(&Cell, &Outcome)| {
        let hardware = hardware(outcome);
        hardware != usual && counts.contains_key(&hardware)
    };
    let each: Vec<String> =
        counts.iter().map(|(hardware, count)| format!("{} on {}", counted(*count, "cell"), name(hardware))).collect();
    let text = format!(
        "Cells that are compared were trained on different devices: {}. Each device rounds in its own way, so that a part of the \
         differences between these cells is the device's. Run all of them on one: name it with `--device`, and on a cluster ask for \
         one model of GPU; `--force` trains cells again.",
        each.join(", ")
    );
    let cells = outcomes().filter(is_other).map(|(cell, _)| cell.id.clone()).collect();
    Some(Warning { cells, ..Warning::new(Code::DifferentDevices, text) })
}

/// Returns what `--device auto` chooses a device by, as far as records tell: whether a table is fine-tuned, and whether the head
/// is fitted by L-BFGS.
fn group(cell: &Cell, outcome: &Outcome) -> (bool, bool) {
    (cell.trainable, outcome.convergence.is_some())
}

fn hardware(outcome: &Outcome) -> Hardware {
    let model = if outcome.device == Device::Cpu.name() { "" } else { &outcome.arithmetic };
    (outcome.device.clone(), model.to_owned())
}

fn name((device, model): &Hardware) -> String {
    if model.is_empty() { device.clone() } else { format!("{device} ({model})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A finished cell: whether it is fine-tuned, its device and hardware.
    fn cell(id: usize, trainable: bool, device: &str, arithmetic: &str) -> Cell {
        let json = serde_json::json!({
            "id": format!("c{id}"), "identity": "0", "status": "done", "settings": {}, "embedding": "e", "source": "hashing",
            "trainable": trainable, "seed": 1, "computation": 1, "dim": 8, "epochs": 1, "best_epoch": 1, "stopped": "epochs",
            "seconds": 0.25, "device": device, "parameters": {"total": 9, "trainable": 9}, "metrics": {},
            "digests": {"data": "a", "embedding": "b", "weights": "c"}, "arithmetic": arithmetic,
        });
        serde_json::from_value(json).expect("a cell")
    }

    fn warned(cells: &[(bool, &str, &str)]) -> Option<Warning> {
        let cells: Vec<Cell> = cells
            .iter()
            .enumerate()
            .map(|(id, (trainable, device, model))| cell(id, *trainable, device, model))
            .collect();
        warning(&cells)
    }

    #[test]
    fn another_model_or_kind_of_device_is_warned_of_with_the_cells() {
        let (a100, h100) = ((false, "cuda", "NVIDIA A100"), (false, "cuda", "NVIDIA H100"));
        let found = warned(&[h100, a100, h100]).expect("a warning");
        assert_eq!((found.code, &found.cells[..]), (Code::DifferentDevices, &["c1".to_owned()][..]));
        let words = ["1 cell on cuda (NVIDIA A100)", "2 cells on cuda (NVIDIA H100)", "--device"];
        assert!(words.iter().all(|word| found.text.contains(word)), "{}", found.text);
        // Also between a frozen and a fine-tuned embedding.
        assert!(warned(&[h100, (true, "cuda", "NVIDIA A100")]).is_some());
        let found = warned(&[h100, (false, "cpu", "x86_64 avx2")]).expect("a warning");
        assert!(found.text.contains("1 cell on cpu, 1 cell on cuda (NVIDIA H100)"), "{}", found.text);
    }

    #[test]
    fn what_auto_chooses_by_itself_is_not_warned_of() {
        let h100 = (false, "cuda", "NVIDIA H100");
        assert_eq!(warned(&[]), None);
        assert_eq!(warned(&[h100, h100]), None);
        assert_eq!(warned(&[h100, (true, "cpu", "x86_64 avx2"), h100]), None);
        // CPUs with registers of another width count as one.
        assert_eq!(warned(&[(false, "cpu", "x86_64 avx2"), (false, "cpu", "x86_64 avx512")]), None);
    }
}
