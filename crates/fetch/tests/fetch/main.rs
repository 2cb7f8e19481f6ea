//! Fetching from servers on this machine that misbehave. Nothing leaves the machine.

mod archives;
mod download;
mod hub;
mod kaggle;
mod leftovers;
mod server;
mod tls;
mod versions;
