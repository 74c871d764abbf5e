//! gRPC as a protocol of the load loop: calls directly on the `h2` crate, without a channel or a pool.

mod call;
mod client;
mod content;
mod frame;
mod message_field;
mod reflection;
mod response;
mod status;
mod target;
mod wire;

pub use call::{Envelope, GrpcCall};
pub use client::GrpcClient;
pub use frame::{FrameError, MAX_MESSAGE, frame};
pub use message_field::{FieldKind, MessageField};
pub use reflection::{ReflectionError, reflect};
pub use status::status_name;
pub use target::{Calls, Grpc, GrpcTarget, Shape};
