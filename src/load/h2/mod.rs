//! HTTP/2 connections shared by many exchanges, on the `h2` crate.

mod failure;
mod shared;

pub(super) use failure::{failure, interrupted, unsent};
pub(super) use shared::{Keepalive, Shared, handshake};
