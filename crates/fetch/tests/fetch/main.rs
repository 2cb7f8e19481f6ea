//! Integration tests that fetch from misbehaving servers on this machine. No request leaves the machine.

mod archives;
mod download;
mod hub;
mod kaggle;
mod leftovers;
mod server;
mod tls;
mod versions;
