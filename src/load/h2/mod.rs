//! HTTP/2 connections shared by many exchanges, on the `h2` crate.

mod failure;
mod header_blocks;
mod shared;
mod trailers;

pub(super) use failure::{failure, interrupted, unsent};
pub(super) use shared::{Handle, Keepalive, Shared, handshake};
