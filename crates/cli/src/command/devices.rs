//! `devices`: lists the devices that can train on this machine.

use std::io::{self, Write};

use emberline_device::{Availability, Device, DeviceChoice};

use crate::args::{Devices, ListFormat};
use crate::exit::{Code, Error};
use crate::terminal::table;

pub(super) fn run(args: &Devices) -> Result<Code, Error> {
    let chosen = DeviceChoice::Auto.resolve()?;
    let all: Vec<Availability> = Device::ALL.into_iter().map(Device::availability).collect();
    let mut out = io::stdout();
    match args.format {
        ListFormat::Text => {
            let row = |a: &Availability| {
                let auto = if a.device == chosen { "auto" } else { "" };
                let (usable, detail) = match &a.detail {
                    Ok(name) => ("yes", name),
                    Err(why) => ("no", why),
                };
                [a.device.name(), usable, auto, detail].map(str::to_owned).to_vec()
            };
            write!(out, "{}", table(&all.iter().map(row).collect::<Vec<_>>()))?;
        }
        ListFormat::Json => {
            let entry = |a: &Availability| {
                serde_json::json!({
                    "device": a.device.name(),
                    "usable": a.detail.is_ok(),
                    "auto": a.device == chosen,
                    "detail": a.detail.as_ref().unwrap_or_else(|why| why),
                })
            };
            writeln!(out, "{}", serde_json::Value::Array(all.iter().map(entry).collect()))?;
        }
    }
    Ok(Code::Fine)
}
