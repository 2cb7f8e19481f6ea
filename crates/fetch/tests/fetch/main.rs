//! Fetching from servers on this machine that misbehave. Nothing leaves the machine.

mod archives;
mod download;
mod hub;
mod kaggle;
mod server;
mod tls;
