//! Fuzzes the records of a run: reads and renders `summary.json` and, after a NUL byte, the `history.csv` of its cells.
#![no_main]

use emberline_fuzz::{begin, folder, memory, write};
use emberline_report::{Format, Run, history, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::limit(input.len());
    let mut parts = input.splitn(2, |&byte| byte == 0);
    let [summary, epochs] = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()];
    write("run/summary.json", summary);
    write("run/cells/cell/attempts/1/history.csv", epochs);
    let _ = history::from_csv(folder(), &String::from_utf8_lossy(epochs));
    match Run::load(&folder().join("run")) {
        Err(error) => drop(error.to_string()),
        Ok(run) => Format::ALL.into_iter().for_each(|format| drop(render(&run, format))),
    }
});
